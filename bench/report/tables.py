"""The table of an experiment: a sheet from its numbers, files from the sheet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from bench.compare.frame import Results
from bench.labels import short
from bench.metrics import COMPANION, METRICS, PRIMARY, Metric, leading
from bench.plan import Plan
from bench.report.captions import about, intervals_of, listed, seeds_of, settings_of
from bench.report.numbers import GAPS, per_seed
from bench.report.sheet import Cell, Column, Kind, Line, Sheet, digits, plain_sheet
from bench.report.writers import comma_separated, glance, latex, markdown

HIDDEN_FACTS = frozenset({"histogram"})
"""Facts that are drawn, not tabulated."""
LETTERS = "Rows that share a letter cannot be distinguished (all pairs at once, 5 %)."


# -- the sheet ----------------------------------------------------------------------------------------------

ENCODER, METRIC = 2, 12
ORDER = {
    "method": 0, "target": 0, "variant": 1, "weights": 3, "gap": 5, "letters": 6, "gap_reference": 8,
    "params": 9, "flops": 10, "seconds": 11, "seeds": 13,
}  # fmt: skip
"""The places of columns that people see; encoders are 2, the primary metric 4, its companion 7, others 12."""
TITLES = {
    "gap": "gap to best", "gap_reference": "gap to best reference", "params": "parameters", "flops": "FLOPs"
}  # fmt: skip
FOR_PROGRAMS: Mapping[str, Kind] = {
    "n_test": "plain",
    "capped": "plain",
    "reference": "text",
    "estimand": "text",
}


def results_sheet(plan: Plan, table: pd.DataFrame, metrics: Mapping[str, Metric]) -> Sheet:
    """The rows of `numbers`, best first where they can be ranked; of several targets one after the other."""
    primary = metrics[PRIMARY[plan.target.task]]
    parts = [part for _, part in table.groupby("target", sort=False)] if plan.targets else [table]
    ranked = all(is_ranked(plan, part) for part in parts)
    if ranked:
        rising = primary.lower_is_better
        parts = [part.sort_values(primary.name, ascending=rising, kind="stable") for part in parts]
    table = pd.concat(parts)
    known = (table.notna() & (table != "")).any()
    compared_by = [name for name in (*GAPS, "letters") if known.get(name, False)]
    apart, shown = [*setting_apart(table), *compared_by], shown_metrics(table, metrics)
    best = pd.concat([best_of(part, shown, metrics) for part in parts])
    sorts = ranked and len(parts) == 1
    columns = [
        replace(column, order=column.best) if sorts and column.name == primary.name else column
        for column in (_column(name, apart, shown, plan.target.task, metrics) for name in table)
        if column is not None
    ]
    paths = {name: short(table[name]) for name in encoder_columns(table)}
    lines = []
    for i, row in table.iterrows():
        cells = (
            _cell(row, column, column.name in best and bool(best.loc[i, column.name]), primary.name)
            for column in columns
        )
        labelled = [
            replace(cell, label=paths[column.name][cell.value]) if column.name in paths else cell
            for column, cell in zip(columns, cells, strict=True)
        ]
        lines.append(Line(tuple(labelled), bool(row["reference"]), _tag(row, plan.seeds)))
    over = "mean over seeds" if plan.seeds > 1 else "one seed"
    return Sheet(f"table-{plan.name}", f"{plan.title}: {over}", tuple(columns), tuple(lines))


def _column(
    name: str, apart: Sequence[str], shown: Sequence[str], task: str, metrics: Mapping[str, Metric]
) -> Column | None:
    """The column of a sheet for one of the numbers; None for an interval's end or a deviation."""
    title = TITLES.get(name, "")
    if name in metrics:
        way = "ascending" if metrics[name].lower_is_better else "descending"
        places = {PRIMARY[task]: 4, COMPANION[task]: 7}
        # what an experiment measures beside the metrics is what it is about
        place = places.get(name, METRIC if name in METRICS else 7) if name in shown else None
        return Column(name, "metric", shown=place, interval=True, asked=place == METRIC, best=way)
    if name in GAPS:
        way = "ascending" if metrics[PRIMARY[task]].lower_is_better else "descending"
        place = ORDER[name] if name in apart else None
        return Column(name, "change", shown=place, interval=True, title=title, best=way)
    if name.removesuffix("_low").removesuffix("_high") in GAPS:
        return None
    if name.removesuffix("_sd").removesuffix("_low").removesuffix("_high") in metrics:
        return None
    if name in FOR_PROGRAMS or name.startswith("paper_"):
        return Column(name, FOR_PROGRAMS.get(name, "plain"), shown=None)
    if name in ("params", "flops", "seconds"):
        return Column(name, "amount", shown=ORDER[name], title=title)
    if name == "seeds":
        return Column(name, "count", shown=ORDER[name], asked=True, best="descending")
    return Column(name, shown=ORDER.get(name, ENCODER) if name in apart else None)


def _cell(row: pd.Series, column: Column, best: bool, primary: str) -> Cell:
    value = row[column.name]
    if not column.interval:
        return Cell(value, column.kind)
    sd, low, high = (float(row.get(f"{column.name}_{end}", np.nan)) for end in ("sd", "low", "high"))
    value = float(value)
    # a gap is as exact as what it is a gap of
    label = digits(value, sign="+", like=row[primary]) if column.kind == "change" and value else ""
    return Cell(value, column.kind, label if np.isfinite(value) else "", sd, low, high, best)


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
    rows = zip(table[name].str.split("[:@]", regex=True).str[0], table["weights"], strict=True)
    return all(not encoder or f" {encoder} (" in f" {weights}" for encoder, weights in rows)


def common_encoders(plan: Plan) -> list[str]:
    """The encoders that all fusions have in common, but for those that the weights of its rows name."""
    found: dict[str, dict[str, None]] = {}
    for row in plan.rows:
        for modality, encoder in row.encoded_by.items() if not row.reference else ():
            found.setdefault(modality, {})[encoder] = None
    alone = [next(iter(names)) for names in found.values() if len(names) == 1]
    return [name for name in alone if not name.endswith(")")]


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


def shown_metrics(table: pd.DataFrame, metrics: Mapping[str, Metric], everything: bool = True) -> list[str]:
    """The metrics that say something about some row; without `everything` those that people see unasked."""
    few = {*PRIMARY.values(), *COMPANION.values()}
    return [
        name for name in metrics
        if name in table and table[name].notna().any() and (everything or name in few or name not in METRICS)
    ]  # fmt: skip


def printed_columns(plan: Plan, table: pd.DataFrame, metrics: Mapping[str, Metric]) -> list[str]:
    """The columns that a printed page has room for: the leading metrics, others in place of a blank one."""
    shown, first = shown_metrics(table, metrics), leading(plan.target.task)
    others = ["Acc2", "Pearson"] if not set(first) <= set(shown) else []
    return [*setting_apart(table), *(m for m in shown if m in (*first, *others)), "params"]


def at_a_glance(plan: Plan, table: pd.DataFrame, metrics: Mapping[str, Metric]) -> pd.DataFrame:
    """The few columns that fit a terminal, among them all that set rows apart."""
    few = [PRIMARY[plan.target.task], "letters", COMPANION[plan.target.task], "seconds"]
    return glance(results_sheet(plan, table, metrics), [*setting_apart(table), *few])


def caption(plan: Plan, table: pd.DataFrame, metrics: Mapping[str, Metric], shown: Sequence[str]) -> str:
    """What a table says of itself: data, samples, seeds, weights, and of the metrics that it shows."""
    over = " Mean ± standard deviation over seeds." if plan.seeds > 1 else ""
    main = PRIMARY[plan.target.task]
    same = table[(table["seeds"] > 1) & table[main].notna() & table[f"{main}_sd"].isna()]
    over += f" The same for every seed: {', '.join(dict.fromkeys(same['method']))}." if len(same) else ""
    fewest, most = table["n_test"].min(), table["n_test"].max()
    tested = f"{most}" if fewest == most else f"{fewest} to {most}"
    common = common_encoders(plan)
    over += f" All on {listed(common)}." if common else ""
    unit = f" [{plan.target.unit}]" if plan.target.unit else ""
    measured = shown_metrics(table, metrics)
    notes = [m.note if m.name in shown else m.blank * (m.name not in measured) for m in metrics.values()]
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
    everything: bool = False,
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
        everything: whether the Markdown file has every metric, as the CSV file always has.
    """
    plan = results.plan
    facts = facts_of(plan)
    if not table.empty:
        sheet = results_sheet(plan, table, results.metrics)
        few = printed_columns(plan, table, results.metrics)
        text = markdown_page(results, table, sheet, verdicts, beside, everything)
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
    results: Results,
    table: pd.DataFrame,
    sheet: Sheet,
    verdicts: Sequence[str],
    beside: Sequence[Sheet],
    everything: bool,
) -> str:
    """The table for people: what can be said, rows best first, caption, other tables beside it."""
    plan, shown = results.plan, shown_metrics(table, results.metrics, everything)
    lines = [f"# {plan.title}", "", caption(plan, table, results.metrics, shown), ""]
    lines += [markdown(sheet, everything), ""]
    lines += [line for said in (*verdicts, *chosen_of(results)) for line in (said, "")]
    reading = ["Bold: best fusion by mean."] if any(c.best for r in sheet.lines for c in r.cells) else []
    if table["reference"].any():
        reading.append("Rows marked (reference) use no fusion: does fusion help at all?")
    if sheet.has_intervals:
        more = "" if everything else "all metrics and "
        reading.append(f"The CSV file beside this one has {more}95 % intervals ({intervals_of(plan)}).")
    if "letters" in [column.name for column in sheet.visible().columns]:
        reading.append(LETTERS)
    lines += [" ".join(reading), ""] if reading else []
    for other in beside:
        lines += [f"## {other.title}", "", *([other.caption, ""] if other.caption else [])]
        lines += [markdown(other), ""] if other.lines else []
    return "\n".join(lines + _regenerate(plan))


def _regenerate(plan: Plan) -> list[str]:
    return [f"Regenerate: `{plan.command}`", ""] if plan.command else []
