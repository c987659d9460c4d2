"""One self-contained HTML page from stored plans, runs and figures: nothing in it is fetched."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from bench.plan import Plan
from bench.report import warnings
from bench.report.complexity import complexity_sheet
from bench.report.figures import Figure
from bench.report.headline import EXPERIMENT, Headline, headline
from bench.report.per_seed import chosen_of, per_seed
from bench.report.provenance import encoder_sheet, environment_sheet, request_sheet, stored_runs
from bench.report.seeds import intervals_of
from bench.report.sheets import Sheet, beside_others, beside_paper, common, fact_sheets, results_sheet
from bench.report.tables import caption, rows_of
from bench.report.verdicts import verdict
from bench.store import RunStore

LARGEST_SVG = 150_000
"""Bytes above which a figure is embedded as PNG: a page of many points would be slow to show."""
PIXELS_PER_POINT = 96 / 72


@dataclass(frozen=True)
class Picture:
    """A figure as the page shows it.

    Attributes:
        source: a data URI.
        width, height: in pixels, as drawn.
    """

    name: str
    title: str
    caption: str
    source: str
    width: int
    height: int


@dataclass(frozen=True)
class Section:
    """One experiment of the page.

    Attributes:
        note: how to read the table.
        shown_above: whether its main figure is in the headline.
    """

    plan: Plan
    caption: str
    verdict: str
    note: str
    table: Sheet | None
    paper: Sheet | None
    facts: list[Sheet]
    pictures: list[Picture]
    shown_above: bool


def write_page(plans: Sequence[Plan], store: RunStore, figures: Sequence[Figure], out: Path) -> Path:
    """Write ``OUT/report.html``; its path. The same plans, runs and figures give the same bytes.

    Args:
        plans: of the experiments to show, in order.
        store: their runs.
        figures: as `write_figures` returns them; each is shown under its experiment.
        out: the folder.
    """
    environment = Environment(
        loader=PackageLoader("bench.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = _code
    page = environment.get_template("report.html.jinja").render(_content(plans, store, figures))
    out.mkdir(parents=True, exist_ok=True)
    path = out / "report.html"
    path.write_text(page, encoding="utf-8", newline="\n")
    return path


def _content(plans: Sequence[Plan], store: RunStore, figures: Sequence[Figure]) -> dict[str, Any]:
    drawn: dict[str, list[Picture]] = {}
    for figure in figures:
        drawn.setdefault(figure.experiment, []).append(picture(figure))
    top = headline(plans, store)
    main = next((p for p in drawn.get(EXPERIMENT, []) if top and p.name == EXPERIMENT), None)
    return {
        "title": f"Fusion bench: {', '.join(dict.fromkeys(plan.dataset for plan in plans))}",
        "summary": _summary(plans, store),
        "warnings": warnings.collect(plans, store),
        "headline": top,
        "main": main,
        "sections": [
            _section(plan, store, drawn.get(plan.name, []), top, main)
            for plan in plans
            if not plan.not_applicable
        ],
        "complexity": complexity_sheet(plans, store),
        "requests": request_sheet(plans, store),
        "environments": environment_sheet(plans, store),
        "encoders": encoder_sheet(plans),
        "commands": list(dict.fromkeys(plan.command for plan in plans if plan.command)),
    }


def _summary(plans: Sequence[Plan], store: RunStore) -> list[str]:
    """What was run on what: one sentence for each dataset."""
    groups: dict[tuple[str, str, int, str], list[Plan]] = {}
    for plan in plans:
        groups.setdefault((plan.dataset, plan.description, plan.samples, plan.target.label), []).append(plan)
    sentences = []
    for (dataset, description, samples, target), members in groups.items():
        about = f" ({description})" if description else ""
        presets = list(dict.fromkeys(plan.preset for plan in members))
        most = max(plan.seeds for plan in members)
        sentences.append(
            f"{_many(len(members), 'experiment')} on {dataset}{about}: {_many(samples, 'sample')}, "
            f"target {target}; {_many(len(stored_runs(members, store)), 'stored run')}, "
            f"{'up to ' if most > 1 else ''}{_many(most, 'seed')} each, preset {', '.join(presets)}."
        )
    return sentences


def _many(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def _section(
    plan: Plan,
    store: RunStore,
    pictures: Sequence[Picture],
    top: Headline | None,
    main: Picture | None,
) -> Section:
    """An experiment, without what the headline says and shows of it already."""
    table = rows_of(plan, store)
    sheet = None if table.empty else results_sheet(plan, table)
    return Section(
        plan=plan,
        caption="" if table.empty else caption(plan, table),
        verdict="" if top and plan.name == EXPERIMENT else verdict(plan, store),
        note="" if sheet is None else _note(plan, sheet, common(table), chosen_of(per_seed(plan, store))),
        table=sheet,
        paper=None if table.empty else beside_paper(plan, table) or beside_others(plan, table),
        facts=fact_sheets(plan),
        pictures=[p for p in pictures if p is not main],
        shown_above=any(p is main for p in pictures),
    )


def _note(plan: Plan, sheet: Sheet, encoders: Sequence[str], chosen: Sequence[str]) -> str:
    """How to read a table of results: only what it has."""
    parts = [f"All on {' and '.join(encoders)}."] if encoders else []
    if any(cell.best for line in sheet.lines for cell in line.cells):
        parts.append("Bold: best fusion by mean.")
    if any(line.reference for line in sheet.lines):
        parts.append("Rows marked reference use no fusion.")
    if sheet.has_intervals:
        parts.append(f"Intervals: {intervals_of(plan)}.")
    return " ".join([*parts, *(f"{said}." for said in chosen), "A column's header sorts by it."])


def picture(figure: Figure) -> Picture:
    """A figure as a data URI: the SVG if it is small, else the PNG."""
    svg = figure.path_svg.read_bytes()
    small = len(svg) < LARGEST_SVG
    content = svg if small else figure.path_png.read_bytes()
    kind = "image/svg+xml" if small else "image/png"
    width, height = _size(svg)
    source = f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
    return Picture(figure.name, figure.title, figure.caption, source, width, height)


def _size(svg: bytes) -> tuple[int, int]:
    """Width and height of a drawing in pixels, from its view box, which matplotlib writes in points."""
    found = re.search(rb'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg[:4000])
    if found is None:
        raise ValueError("the SVG has no view box")
    width, height = (round(float(points) * PIXELS_PER_POINT) for points in found.groups())
    return width, height


def _code(text: str) -> Markup:
    """Text in which what stands between backticks is code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
