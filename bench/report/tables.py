"""The table of an experiment: numbers from its results, a sheet from the numbers, files from the sheet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from bench.compare.frame import COSTS, Results, Row
from bench.compare.tests import varies
from bench.compare.verdict import comparable, compared
from bench.labels import differing, short
from bench.metrics import COMPANION, METRICS, PRIMARY, Metric, leading, of_task
from bench.plan import Plan, PlanRow
from bench.report.captions import about, intervals_of, listed, seeds_of, settings_of
from bench.report.sheet import Cell, Column, Line, Sheet, plain_sheet
from bench.report.writers import comma_separated, glance, latex, markdown

Printed = Callable[[PlanRow], Mapping[str, Any] | None]
"""Row -> what the paper prints for it, by metric; None for nothing."""

COLUMNS = {"image": "backbone", "text": "text"}
"""Modality -> the column that has its encoder in every table; others have one where they differ."""
HIDDEN_FACTS = frozenset({"histogram"})
"""Facts that are drawn, not tabulated."""


# -- numbers ------------------------------------------------------------------------------------------------


def numbers(results: Results, printed: Printed = lambda row: None) -> pd.DataFrame:
    """One row per row of the plan that has results; the columns up to `seconds` are a contract.

    They are those of the CSV file, with the standard deviation over seeds of every metric, ``MSE_sd``.
    """
    first = leading(results.plan.target.task)
    others = [m for m in of_task(results.plan.target.task) if not m.leading]
    measures = [m for m in results.metrics.values() if m.name not in METRICS]
    gaps: dict[str, dict[str, Any]] = {}
    for one in results.each:
        gaps |= gaps_of(one)
    lines = []
    for row in results.rows:
        measured = row.first.measured
        line: dict[str, Any] = {**_names(row.row, results.plan)}
        line |= _measured(row, [results.metrics[name] for name in first])
        line |= {"seeds": len(row.runs), "n_test": row.tested, "params": measured["params"]}
        line |= {"seconds": row.cost("seconds")} | gaps.get(row.row.identity, NO_GAP)
        line |= {"flops": measured["flops"], "capped": row.capped}
        line |= _measured(row, others)
        line |= {"reference": row.row.reference, "variant": row.row.variant}
        theirs = printed(row.row)
        theirs = {} if theirs is None else theirs  # which has no metrics of classes
        line |= {f"paper_{m}": float(theirs.get(m, "nan")) for m in first}
        lines.append(line | _measured(row, measures))
    return pd.DataFrame(lines)


GAPS = ("gap", "gap_reference")
NO_GAP: dict[str, Any] = {
    **dict.fromkeys(("gap", "gap_low", "gap_high"), float("nan")),
    "letters": "",
    **dict.fromkeys(("gap_reference", "gap_reference_low", "gap_reference_high"), float("nan")),
}


def gaps_of(results: Results) -> dict[str, dict[str, Any]]:
    """Identity of a row -> its gaps to the best row and the best reference, its letters: all simultaneous."""
    rows = comparable(results, references=True)
    found = compared(results, rows)
    if found is None:
        return {}
    letters = found.letters()
    reference = next((name for name in found.order if rows[name].row.reference), None)
    gaps = {}
    for name, row in rows.items():
        line = NO_GAP | {"letters": letters[name]} | ({"gap": 0.0} if name == found.best else {})
        for column, other in zip(GAPS, (found.best, reference), strict=True):
            if other not in (None, name):
                gap = found.gap(name, other)
                line |= {column: gap.value, f"{column}_low": gap.low, f"{column}_high": gap.high}
        gaps[row.row.identity] = line
    return gaps


def per_seed(results: Results) -> pd.DataFrame:
    """One row per row of the plan and stored seed: names, metrics, sizes, cost, and what a method chose."""
    lines = []
    for row in results.rows:
        names = _names(row.row, results.plan) | {"variant": row.row.variant}
        for run in row.runs.values():
            scores = {name: run.values.get(name, float("nan")) for name in results.metrics}
            sizes = {"n_train": run.measured["n_train"], "n_test": len(run.answers.true)}
            costs = {name: run.measured[name] for name in (*COSTS, "chosen")}
            lines.append(names | {"seed": run.seed} | scores | sizes | costs)
    return pd.DataFrame(lines)


def _names(row: PlanRow, plan: Plan) -> dict[str, str]:
    """The columns that name a row."""
    more = differing([other.encoders for other in plan.rows if not other.reference])
    columns = {**COLUMNS, **{m: m for m in more if m not in COLUMNS}}
    encoders = {column: row.encoders.get(modality, "") for modality, column in columns.items()}
    target = {"target": row.target} if plan.targets else {}
    return {"method": row.method, **encoders, "weights": row.weights, **target}


def _measured(row: Row, metrics: Sequence[Metric]) -> dict[str, float]:
    """Mean, interval and deviation over seeds of each metric."""
    values: dict[str, float] = {}
    for metric in metrics:
        x = row.values(metric.name)
        values[metric.name] = float(np.mean(x))
        values[f"{metric.name}_low"], values[f"{metric.name}_high"] = row.interval(metric)
        with np.errstate(over="ignore"):  # a run that diverged
            values[f"{metric.name}_sd"] = float(np.std(x, ddof=1)) if varies(x) else float("nan")
    return values


# -- the sheet ----------------------------------------------------------------------------------------------

ORDER = {
    "method": 0,
    "target": 0,
    "variant": 1,
    "weights": 3,
    "letters": 4,
    "params": 7,
    "seconds": 7,
    "seeds": 8,
}
"""The order of columns that people see; encoders are 2, metrics 5."""
ENCODER, METRIC, GAP = 2, 5, 6
FOR_PROGRAMS = ("n_test", "flops", "capped", "reference")


def results_sheet(plan: Plan, table: pd.DataFrame, metrics: Mapping[str, Metric]) -> Sheet:
    """The rows of `numbers`, best first where they can be ranked; of several targets one after the other."""
    primary = metrics[PRIMARY[plan.target.task]]
    parts = [part for _, part in table.groupby("target", sort=False)] if plan.targets else [table]
    ranked = all(is_ranked(plan, part) for part in parts)
    if ranked:
        rising = primary.lower_is_better
        parts = [part.sort_values(primary.name, ascending=rising, kind="stable") for part in parts]
    table = pd.concat(parts)
    compared_by = [name for name in (*GAPS, "letters") if (table[name].notna() & (table[name] != "")).any()]
    apart, shown = [*setting_apart(table), *compared_by], shown_metrics(table, metrics)
    best = pd.concat([best_of(part, shown, metrics) for part in parts])
    way = "ascending" if primary.lower_is_better else "descending"
    columns = [
        replace(column, order=way) if ranked and len(parts) == 1 and column.name == primary.name else column
        for column in (_column(name, apart, shown, metrics) for name in table)
        if column is not None
    ]
    paths = {name: short(table[name]) for name in encoder_columns(table)}
    lines = []
    for i, row in table.iterrows():
        cells = (
            _cell(row, column, column.name in best and bool(best.loc[i, column.name])) for column in columns
        )
        labelled = [
            replace(cell, label=paths[column.name][cell.value]) if column.name in paths else cell
            for column, cell in zip(columns, cells, strict=True)
        ]
        lines.append(Line(tuple(labelled), bool(row["reference"]), _tag(row, plan.seeds)))
    over = "mean over seeds" if plan.seeds > 1 else "one seed"
    return Sheet(f"table-{plan.name}", f"{plan.title}: {over}", tuple(columns), tuple(lines))


def _column(
    name: str, apart: Sequence[str], shown: Sequence[str], metrics: Mapping[str, Metric]
) -> Column | None:
    """The column of a sheet for one of the numbers; None for an interval's end or a deviation."""
    if name in metrics:
        return Column(name, "metric", shown=METRIC if name in shown else None, interval=True)
    if name in GAPS:
        return Column(name, "metric", shown=GAP if name in apart else None, interval=True)
    if name.removesuffix("_low").removesuffix("_high") in GAPS:
        return None
    if name.removesuffix("_sd").removesuffix("_low").removesuffix("_high") in metrics:
        return None
    if name in FOR_PROGRAMS or name.startswith("paper_"):
        return Column(name, "text" if name == "reference" else "plain", shown=None)
    if name in ("params", "seeds", "seconds"):
        return Column(name, "seconds" if name == "seconds" else "count", shown=ORDER[name])
    return Column(name, shown=ORDER.get(name, ENCODER) if name in apart else None)


def _cell(row: pd.Series, column: Column, best: bool) -> Cell:
    value = row[column.name]
    if not column.interval:
        return Cell(value, column.kind)
    sd, low, high = (float(row.get(f"{column.name}_{end}", np.nan)) for end in ("sd", "low", "high"))
    return Cell(float(value), "metric", sd=sd, low=low, high=high, best=best)


def _tag(row: pd.Series, seeds: int) -> str:
    """What sets a row apart from those that compete."""
    tags = ["reference"] if row["reference"] else []
    tags += [f"{row['seeds']} of {seeds} seeds"] if row["seeds"] < seeds else []
    return ", ".join(tags)


def encoder_columns(table: pd.DataFrame) -> list[str]:
    """The columns of encoders, which stand between method and weights."""
    names = list(table)
    return names[1 : names.index("weights")]


def setting_apart(table: pd.DataFrame) -> list[str]:
    """The columns that its rows need: method, what differs, and where weights come from."""
    fused = table[~table["reference"].astype(bool)]
    needed = [name for name in ("variant", "weights", "target") if name in table and table[name].any()]
    for name in encoder_columns(table):
        needed += [name] if len(set(fused[name])) > 1 and not _stamped(fused, name) else []
    return ["method", *needed]


def _stamped(table: pd.DataFrame, name: str) -> bool:
    """Whether the encoders of a column are named by the stamps of their weights already."""
    rows = zip(table[name], table["weights"], strict=True)
    return all(not encoder or f" {encoder} (" in f" {weights}" for encoder, weights in rows)


def common_encoders(table: pd.DataFrame) -> list[str]:
    """The encoders that all rows have in common and that no column repeats."""
    fused = table[~table["reference"].astype(bool)]
    hidden = (name for name in encoder_columns(table) if name not in setting_apart(table))
    found = [set(fused[name]) - {""} for name in hidden if not _stamped(fused, name)]
    return [short(values)[next(iter(values))] for values in found if len(values) == 1]


def is_ranked(plan: Plan, table: pd.DataFrame) -> bool:
    """Whether rows are shown best first: not where they were scored on different test samples."""
    return plan.ranked and len(set(table["n_test"])) == 1


def best_of(table: pd.DataFrame, shown: Sequence[str], metrics: Mapping[str, Metric]) -> pd.DataFrame:
    """Whether each measured value is the best mean of a fusion: row by column of bool.

    None is where nothing is compared. A row with fewer seeds or test samples than others is never best: they
    may have been the easy ones.
    """
    most = (table["seeds"] == table["seeds"].max()) & (table["n_test"] == table["n_test"].max())
    fused = ~table["reference"].astype(bool) & most
    best = pd.DataFrame(False, index=table.index, columns=list(shown))
    if fused.sum() > 1:
        for name in shown:
            values = table.loc[fused, name]
            top = values.min() if metrics[name].lower_is_better else values.max()
            best[name] = fused & (table[name] == top)
    return best


def shown_metrics(table: pd.DataFrame, metrics: Mapping[str, Metric]) -> list[str]:
    """The metrics that say something about some row."""
    return [name for name in metrics if name in table and table[name].notna().any()]


def printed_columns(plan: Plan, table: pd.DataFrame, metrics: Mapping[str, Metric]) -> list[str]:
    """The columns that a printed page has room for: the leading metrics, others in place of a blank one."""
    shown, first = shown_metrics(table, metrics), leading(plan.target.task)
    others = ["Acc2", "Pearson"] if not set(first) <= set(shown) else []
    return [*setting_apart(table), *(m for m in shown if m in (*first, *others)), "params"]


def at_a_glance(plan: Plan, table: pd.DataFrame, metrics: Mapping[str, Metric]) -> pd.DataFrame:
    """The few columns that fit a terminal, among them all that set rows apart."""
    few = [PRIMARY[plan.target.task], COMPANION[plan.target.task], "seconds"]
    return glance(results_sheet(plan, table, metrics), [*setting_apart(table), *few])


def caption(plan: Plan, table: pd.DataFrame, metrics: Mapping[str, Metric], shown: Sequence[str]) -> str:
    """What a table says of itself: data, samples, seeds, weights, and of the metrics that it shows."""
    over = " Mean ± standard deviation over seeds." if plan.seeds > 1 else ""
    main = PRIMARY[plan.target.task]
    same = table[(table["seeds"] > 1) & table[main].notna() & table[f"{main}_sd"].isna()]
    over += f" The same for every seed: {', '.join(dict.fromkeys(same['method']))}." if len(same) else ""
    fewest, most = table["n_test"].min(), table["n_test"].max()
    tested = f"{most}" if fewest == most else f"{fewest} to {most}"
    common = common_encoders(table)
    over += f" All on {listed(common)}." if common else ""
    unit = f" [{plan.target.unit}]" if plan.target.unit else ""
    notes = [m.note if m.name in shown else m.blank for m in metrics.values()]
    said = "".join(f" {note.format(unit=unit)}" for note in dict.fromkeys(filter(None, notes)))
    return (
        f"{about(plan)} {tested} samples in each test part. {seeds_of(plan)}{over} "
        f"{settings_of(plan, plan.rows)}{said}"
    )


def chosen_of(results: Results) -> list[str]:
    """What methods that choose among entities chose: a sentence for each row of the plan."""
    sentences = []
    name = results.plan.labels()
    for row in results.rows:
        counts = Counter(run.measured["chosen"] for run in row.runs.values() if run.measured["chosen"])
        said = ", ".join(f"{entity} ({n} of {len(row.runs)} seeds)" for entity, n in counts.most_common())
        sentences += [f"{name(row.row)} chose: {said}"] if said else []
    return sentences


# -- files --------------------------------------------------------------------------------------------------


def write_tables(
    results: Results,
    table: pd.DataFrame,
    out: Path,
    *,
    verdicts: Sequence[str] = (),
    beside: Sequence[Sheet] = (),
    more: Mapping[str, pd.DataFrame] = MappingProxyType({}),
) -> list[Path]:
    """Write ``tables/EXPERIMENT.{md,csv,tex}``; the paths, none if there is nothing to show.

    Every number of them can be computed again from ``tables/EXPERIMENT-seeds.csv``, one row per run.

    Args:
        results: of the experiment.
        table: its `numbers`.
        out: the folder.
        verdicts: what the results allow to be said, one for every target.
        beside: further tables of the Markdown file.
        more: further tables by name, each a file ``EXPERIMENT-NAME.csv``.
    """
    plan = results.plan
    facts = facts_of(plan)
    if not table.empty:
        sheet = results_sheet(plan, table, results.metrics)
        few = printed_columns(plan, table, results.metrics)
        text = markdown_page(results, table, sheet, verdicts, beside)
        tex = latex(sheet, caption(plan, table, results.metrics, few), few)
    elif facts:
        sheet = facts[0]
        text = "\n".join([f"# {plan.title}", "", stated(plan), "", markdown(sheet), "", *_regenerate(plan)])
        tex = latex(sheet, stated(plan), [column.name for column in sheet.columns])
    else:
        return []
    folder = out / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for suffix, content in (("md", text), ("csv", comma_separated(sheet)), ("tex", tex)):
        paths.append(folder / f"{plan.name}.{suffix}")
        paths[-1].write_text(content, encoding="utf-8")
    for name, other in {"seeds": per_seed(results), **more}.items():
        if not other.empty:
            paths.append(folder / f"{plan.name}-{name}.csv")
            other.to_csv(paths[-1], index=False)
    return paths


def facts_of(plan: Plan) -> list[Sheet]:
    """What an experiment states without runs, one table each."""
    return [
        plain_sheet(f"facts-{plan.name}-{i}", name.replace("_", " ").capitalize(), rows)
        for i, (name, rows) in enumerate(plan.facts.items())
        if rows and name not in HIDDEN_FACTS
    ]


def stated(plan: Plan) -> str:
    """What a table of facts says of itself."""
    return f"{about(plan)} Preset {plan.preset}."


def markdown_page(
    results: Results, table: pd.DataFrame, sheet: Sheet, verdicts: Sequence[str], beside: Sequence[Sheet]
) -> str:
    """The table for people: caption, rows best first, what can be said, other tables beside it."""
    plan, shown = results.plan, shown_metrics(table, results.metrics)
    lines = [f"# {plan.title}", "", caption(plan, table, results.metrics, shown), "", markdown(sheet), ""]
    lines += [line for said in (*verdicts, *chosen_of(results)) for line in (said, "")]
    reading = ["Bold: best fusion by mean."] if any(c.best for r in sheet.lines for c in r.cells) else []
    if table["reference"].any():
        reading.append("Rows marked (reference) use no fusion: does fusion help at all?")
    if sheet.has_intervals:
        reading.append(f"The CSV file beside this one has 95 % intervals ({intervals_of(plan)}).")
    lines += [" ".join(reading), ""] if reading else []
    for other in beside:
        lines += [f"## {other.title}", "", *([other.caption, ""] if other.caption else [])]
        lines += [markdown(other), ""] if other.lines else []
    return "\n".join(lines + _regenerate(plan))


def _regenerate(plan: Plan) -> list[str]:
    return [f"Regenerate: `{plan.command}`", ""] if plan.command else []
