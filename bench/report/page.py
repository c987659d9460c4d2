"""One self-contained HTML page from stored plans, runs and figures: nothing in it is fetched."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from bench.compare.frame import Results
from bench.metrics import PRIMARY
from bench.plan import Plan
from bench.report import warnings
from bench.report.captions import FIRST_OF, about, intervals_of, predicted, provenance
from bench.report.figures.drawing import Figure
from bench.report.figures.vector import inline, size
from bench.report.headline import Headline
from bench.report.provenance import encoder_sheet, environment_sheet, request_sheet, stored_runs
from bench.report.sheet import Sheet
from bench.report.tables import (
    LETTERS,
    caption,
    chosen_of,
    facts_of,
    results_sheet,
    setting_apart,
    shown_metrics,
)

LARGEST_SVG = 400_000
"""Characters above which a figure is embedded as PNG: a page of many points would be slow to show."""
FIRST = 5
"""Rows of the table at the top."""


@dataclass(frozen=True)
class Picture:
    """A figure as the page shows it.

    Attributes:
        drawing: an element, with what it shows in words.
    """

    name: str
    title: str
    caption: str
    drawing: Markup


@dataclass(frozen=True)
class Section:
    """One experiment of the page.

    Attributes:
        note: how to read the table.
        beside: other people's figures beside ours.
    """

    plan: Plan
    caption: str
    verdicts: Sequence[str]
    note: str
    table: Sheet | None
    beside: Sequence[Sheet]
    sheets: Sequence[Sheet]
    pictures: list[Picture]


@dataclass(frozen=True)
class Head:
    """What the page begins with, of one target.

    Attributes:
        plan: of the target.
        headline: the comparison.
        verdict: which fusion.
        figure: the main one, where it was drawn.
        table: the first rows and the columns that answer.
    """

    plan: Plan
    headline: Headline
    verdict: str
    figure: Figure | None
    table: Sheet

    @property
    def target(self) -> str:
        """Its name, where there are several."""
        return self.plan.target.column if self.plan.of else ""

    @property
    def picture(self) -> Picture | None:
        """The figure as the page shows it."""
        return picture(self.figure, [self.plan]) if self.figure else None


@dataclass(frozen=True)
class Chapter:
    """What is known of one experiment, from which its section is made.

    Attributes:
        results: with its plan.
        table: the numbers of its table.
        verdicts: what they allow to be said, one for every target.
        figures: drawn from them.
        beside: other people's figures beside ours.
        sheets: further tables.
        heads: where the page begins with this experiment, one for every target.
    """

    results: Results
    table: pd.DataFrame
    verdicts: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    beside: Sequence[Sheet] = ()
    sheets: Sequence[Sheet] = ()
    heads: Sequence[Head] = ()


def write_page(chapters: Sequence[Chapter], out: Path) -> Path:
    """Write ``OUT/report.html``; its path. The same runs and figures give the same bytes."""
    environment = Environment(
        loader=PackageLoader("bench.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = _code
    page = environment.get_template("report.html.jinja").render(_content(chapters))
    out.mkdir(parents=True, exist_ok=True)
    path = out / "report.html"
    path.write_text(page, encoding="utf-8", newline="\n")
    return path


def _content(chapters: Sequence[Chapter]) -> dict[str, Any]:
    top = next((chapter for chapter in chapters if chapter.heads), None)
    found = [chapter.results for chapter in chapters]
    plans = [results.plan for results in found]
    return {
        "title": f"Fusion bench: {', '.join(dict.fromkeys(plan.dataset for plan in plans))}",
        "summary": _summary(found),
        "warnings": warnings.collect(found),
        "heads": top.heads if top else [],
        "sections": [_section(c, c is top) for c in chapters if not c.results.plan.not_applicable],
        "requests": request_sheet(found),
        "environments": environment_sheet(found),
        "encoders": encoder_sheet(found),
    }


def _summary(found: Sequence[Results]) -> list[str]:
    """What was run on what: one sentence for each dataset."""
    groups: dict[tuple[str, str, int, str, bool], list[Results]] = {}
    for results in found:
        plan = results.plan
        key = (plan.dataset, plan.description, plan.samples, predicted(plan), bool(plan.estimand))
        groups.setdefault(key, []).append(results)
    sentences = []
    for (dataset, description, samples, target, anew), members in groups.items():
        about = f" ({description})" if description else ""
        presets = list(dict.fromkeys(results.plan.preset for results in members))
        most = max(results.plan.seeds for results in members)
        which = f"{FIRST_OF} {dataset}" if anew else dataset
        sentences.append(
            f"{_many(len(members), 'experiment')} on {which}{about}: {_many(samples, 'sample')}, {target}; "
            f"{_many(len(stored_runs(members)), 'stored run')}, "
            f"{'up to ' if most > 1 else ''}{_many(most, 'seed')} each, preset {', '.join(presets)}."
        )
    return sentences


def _many(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def _section(chapter: Chapter, is_top: bool) -> Section:
    """An experiment, without what the headline says and shows of it already."""
    results, plan, table = chapter.results, chapter.results.plan, chapter.table
    above = [head.figure for head in chapter.heads if is_top and head.figure]
    known = [] if table.empty else [plan, *plan.each]
    sheet = None if table.empty else results_sheet(plan, table, results.metrics).visible(everything=True)
    return Section(
        plan=plan,
        caption="" if sheet is None else _caption(results, table),
        verdicts=() if is_top else chapter.verdicts,
        note="" if sheet is None else _note(results, sheet),
        table=sheet,
        beside=chapter.beside,
        sheets=[*chapter.sheets, *facts_of(plan)],
        pictures=[picture(figure, known) for figure in chapter.figures if figure not in above],
    )


def _caption(results: Results, table: pd.DataFrame) -> str:
    return caption(results.plan, table, results.metrics, shown_metrics(table, results.metrics))


def _note(results: Results, sheet: Sheet) -> str:
    """How to read a table of results: only what it has."""
    parts = []
    if any(cell.best for line in sheet.lines for cell in line.cells):
        parts.append("Bold: best fusion by mean.")
    if any(line.reference for line in sheet.lines):
        parts.append("Rows marked reference use no fusion.")
    if sheet.has_intervals:
        parts.append(f"Intervals: {intervals_of(results.plan)}; of gaps, for all pairs at once.")
    if any(column.name == "letters" for column in sheet.columns):
        parts.append(LETTERS)
    return " ".join([*parts, *(f"{said}." for said in chosen_of(results)), "A column's header sorts by it."])


def picture(figure: Figure, known: Sequence[Plan] = ()) -> Picture:
    """A figure as the page shows it: the SVG as part of it if it is small, else the PNG.

    What the page says of the `known` plans already is left out of its caption.
    """
    svg, label = figure.path_svg.read_text(encoding="utf-8"), figure.finding or figure.title
    if len(svg) < LARGEST_SVG:
        drawing = inline(svg, figure.name, label)
    else:
        width, height = size(svg)
        content = base64.b64encode(figure.path_png.read_bytes()).decode("ascii")
        image = '<img src="data:image/png;base64,{}" alt="{}" width="{}" height="{}">'
        drawing = Markup(image).format(content, label, width, height)
    caption = figure.caption
    for said in (said for plan in known for said in (provenance(plan), about(plan))):
        caption = caption.replace(said, "")
    return Picture(figure.name, figure.title, " ".join(caption.split()), drawing)


def short_table(results: Results, table: pd.DataFrame) -> Sheet:
    """The first rows of a table and the columns that answer which is best."""
    task = results.plan.target.task
    names = [*setting_apart(table), PRIMARY[task], "gap", "letters"]
    whole = results_sheet(results.plan, table, results.metrics).visible().only(names).last("weights")
    rest = len(whole.lines) - FIRST
    more = f"The first {FIRST} of {len(whole.lines)} rows" if rest > 0 else "All rows"
    said = f"{more}, best first. {LETTERS}"
    return replace(whole.top(FIRST), name=f"first-{results.plan.name}", caption=said)


def _code(text: str) -> Markup:
    """Text in which what stands between backticks is code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
