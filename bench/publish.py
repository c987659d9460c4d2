"""From stored plans and runs to tables, figures and the page: each experiment reads its own results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from bench.compare.frame import Results, load
from bench.errors import UsageError, did_you_mean
from bench.experiments import EXPERIMENTS, Experiment
from bench.plan import Plan, load_plans
from bench.report.beside import beside_others, beside_paper
from bench.report.figures.drawing import Figure, write_figures
from bench.report.headline import headline
from bench.report.numbers import numbers
from bench.report.page import Chapter, Head, short_table, write_page
from bench.report.sheet import Sheet
from bench.report.tables import write_tables
from bench.store import RunStore
from bench.variants import Choice, Variant

MAIN = "fusion"
"""The experiment that a page begins with."""


class Unknown(Experiment):
    """Reads the plan of an experiment that is not known here, such as one of another version."""

    def variants(self, choice: Choice) -> list[Variant]:
        """It can only be read."""
        return []


@dataclass(frozen=True)
class Reading:
    """A plan with its results, and the experiment that reads them.

    Of several targets each is read by itself, and what that gives is put one after the other.
    """

    experiment: Experiment
    results: Results

    @property
    def plan(self) -> Plan:
        """What was asked for."""
        return self.results.plan

    @cached_property
    def each(self) -> list[Reading]:
        """The reading of each target; none where there is one target."""
        return [Reading(self.experiment, found) for found in self.results.each] if self.plan.targets else []

    @cached_property
    def table(self) -> pd.DataFrame:
        """The numbers of the experiment's table."""
        return numbers(self.results, self.experiment.printed)

    @cached_property
    def verdicts(self) -> list[str]:
        """What the results allow to be said, a text for every target that there is something to say of."""
        said = {one.plan.target.column: one.experiment.verdict(one.results) for one in self.each or [self]}
        return [f"{target}: {text}" if self.each else text for target, text in said.items() if text]

    @cached_property
    def more(self) -> Mapping[str, pd.DataFrame]:
        """Further tables of the experiment, for programs."""
        if not self.each:
            return self.experiment.tables(self.results)
        parts: dict[str, list[pd.DataFrame]] = {}
        for one in self.each:
            for name, table in one.more.items():
                named = table.copy()
                named.insert(0, "target", one.plan.target.column)
                parts.setdefault(name, []).append(named)
        return {name: pd.concat(tables, ignore_index=True) for name, tables in parts.items()}

    @cached_property
    def sheets(self) -> Sequence[Sheet]:
        """The same for people."""
        if not self.each:
            return self.experiment.sheets(self.results, self.more)
        return [_named(sheet, one.plan) for one in self.each for sheet in one.sheets]

    @cached_property
    def beside(self) -> Sequence[Sheet]:
        """Other people's figures beside ours."""
        if self.each:
            return [_named(sheet, one.plan) for one in self.each for sheet in one.beside]
        if self.table.empty:
            return []
        sheets = [beside_paper(self.results, self.table)]
        sheets += [beside_others(self.plan, self.table)] if self.plan.experiment == MAIN else []
        return [sheet for sheet in sheets if sheet is not None]

    def write_tables(self, out: Path, everything: bool = False) -> list[Path]:
        """``OUT/tables/EXPERIMENT.*``, the Markdown with every metric if asked for; the paths."""
        return write_tables(
            self.results,
            self.table,
            out,
            verdicts=self.verdicts,
            beside=[*self.beside, *self.sheets],
            more=self.more,
            everything=everything,
        )

    def write_figures(self, out: Path) -> list[Figure]:
        """``OUT/figures/NAME.*``, none of an experiment that says nothing about the dataset."""
        if self.plan.not_applicable:
            return []
        if self.each:
            return [figure for one in self.each for figure in one.write_figures(out)]
        return write_figures(self.plan, lambda: self.experiment.figures(self.results), out)

    def chapter(self, figures: Sequence[Figure]) -> Chapter:
        """What the page says of it."""
        top = self.plan.name == MAIN and not self.plan.not_applicable
        heads = [one.head(figures) for one in self.each or [self]] if top else []
        return Chapter(
            results=self.results,
            table=self.table,
            verdicts=self.verdicts,
            figures=figures,
            beside=[sheet for sheet in self.beside if sheet.lines],
            sheets=self.sheets,
            heads=[head for head in heads if head],
        )

    def head(self, figures: Sequence[Figure]) -> Head | None:
        """What the page begins with, of one target; None where that has no results."""
        found = headline(self.results)
        main = next((figure for figure in figures if figure.name == self.plan.name), None)
        if found is None:
            return None
        first = short_table(self.results, self.table)
        return Head(self.plan, found, self.experiment.verdict(self.results), main, first)


def _named(sheet: Sheet, plan: Plan) -> Sheet:
    """A sheet of one target among others."""
    target = plan.target.column
    title = sheet.title and f"{sheet.title}: {target}"
    caption = f"Target {target}. {sheet.caption}"
    return replace(sheet, name=f"{sheet.name}-{plan.of}", title=title, caption=caption)


def read(plan: Plan, store: RunStore) -> Reading:
    """Read the results of a plan."""
    experiment = EXPERIMENTS.get(plan.experiment, Unknown())
    return Reading(experiment, load(plan, store, experiment.measure, experiment.measures(plan.target.task)))


def read_all(out: Path) -> list[Reading]:
    """Read all plans of a folder, current ones first, the main experiment before all others.

    Raises:
        UsageError: there are none.
    """
    store, order = RunStore(out), [MAIN, *EXPERIMENTS]
    plans = load_plans(out)
    places = {plan.name: order.index(plan.experiment) if plan.experiment in order else 99 for plan in plans}
    return [read(p, store) for p in sorted(plans, key=lambda p: (p.archived, places[p.name], p.name))]


def read_one(out: Path, experiment: str | None = None) -> Reading:
    """Read the current plan of an experiment: the main one, or the only one, unless it is named.

    Raises:
        UsageError: there is none, or several of which none is the main one.
    """
    if not out.is_dir():
        raise UsageError(f"no folder {out}.")
    plans = {plan.experiment: plan for plan in load_plans(out) if not plan.archived}
    chosen = experiment or (MAIN if MAIN in plans or len(plans) != 1 else next(iter(plans)))
    if chosen not in plans:
        raise UsageError(f"{out} holds no experiment {chosen!r}; {did_you_mean(chosen, plans)}")
    return read(plans[chosen], RunStore(out))


def all_predictions(out: Path) -> pd.DataFrame:
    """Every stored prediction under a folder, with all that sets its run apart. Raises UsageError."""
    frames = [reading.results.frame().assign(experiment=reading.plan.name) for reading in read_all(out)]
    # those of nothing would make numbers of seeds floating
    table = pd.concat([frame for frame in frames if len(frame)] or frames, ignore_index=True)
    return table[["experiment", *(name for name in table if name != "experiment")]]


def write_report(readings: Sequence[Reading], out: Path) -> tuple[list[Figure], Path]:
    """All figures, and ``OUT/report.html`` with them."""
    drawn = [reading.write_figures(out) for reading in readings]
    chapters = [reading.chapter(figures) for reading, figures in zip(readings, drawn, strict=True)]
    return [figure for figures in drawn for figure in figures], write_page(chapters, out)
