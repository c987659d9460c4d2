"""Tables from stored runs: mean over seeds with spread, as Markdown, CSV and LaTeX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bench.metrics import METRICS, leading, of_task
from bench.paper.printed import printed_row
from bench.plan import Plan, PlanRow
from bench.report.beside import beside_printed, printed_elsewhere
from bench.report.missing import AREA_NOTE, AREAS, EXPERIMENT, by_source, run_areas, shown_by_source
from bench.report.names import ENCODERS, NAMES, setting_apart, stamped
from bench.report.per_seed import chosen_of, per_seed
from bench.report.seeds import interval_over_seeds, intervals_of, overlap_of, seeds_of
from bench.report.verdicts import BEST_BY, verdict
from bench.stats import varies
from bench.store import RunStore

PAPER_DATASET = "livestream"
"""Only beside a dataset of the paper's kind do the paper's figures say anything."""
DECIMALS = 4
LARGE = 1000
"""A number from here on is shown without decimals."""
HUGE = 1e12
"""A number from here on is shown as a power of ten."""
HIDDEN_FACTS = frozenset({"histogram"})
"""Facts that are drawn, not tabulated."""


def rows_of(plan: Plan, store: RunStore) -> pd.DataFrame:
    """One row per row of the plan that has results; the columns are those of the CSV file."""
    rows = [_row(plan, row, store) for row in plan.rows]
    return pd.DataFrame([row for row in rows if row])


def _row(plan: Plan, row: PlanRow, store: RunStore) -> dict[str, object]:
    runs = [run for run in row.runs if store.complete(run)]
    found = [store.metrics(run, row.scored) for run in runs]
    if not found:
        return {}
    values: dict[str, object] = {
        "method": row.method,
        "backbone": row.encoders.get("image", ""),
        "text": row.encoders.get("text", ""),
        "weights": row.weights,
    }
    # the columns up to `seconds` are a contract; what is added comes after them
    overlap = overlap_of(plan, found[0])
    values |= _measured(leading(plan.target.task), found, overlap)
    values |= {
        "seeds": len(found),
        "n_test": found[0]["n_test"],
        "params": found[0]["params"],
        "seconds": float(np.mean([run["seconds"] for run in found])),
        "flops": found[0]["flops"],
    }
    values |= _measured([m.name for m in of_task(plan.target.task) if not m.leading], found, overlap)
    values |= {"reference": row.reference, "variant": row.variant}
    printed = None
    if plan.dataset == PAPER_DATASET:
        printed = printed_row(plan.experiment, row.method, row.variant, row.encoders)
    for metric in leading(plan.target.task):
        values[f"paper_{metric}"] = float("nan") if printed is None else float(printed[metric])
    if plan.experiment == EXPERIMENT:
        with_areas = [m | run_areas(plan, row, run, store) for m, run in zip(found, runs, strict=True)]
        values |= _measured(list(AREAS), with_areas, overlap)
    return values


def _measured(
    metrics: Sequence[str], found: Sequence[Mapping[str, Any]], overlap: tuple[int, int]
) -> dict[str, float]:
    """Mean, interval and deviation over seeds of each metric."""
    values: dict[str, float] = {}
    for metric in metrics:
        x = [run.get(metric, np.nan) for run in found]
        values[metric] = float(np.mean(x))
        column = AREAS.get(metric, metric)
        with np.errstate(over="ignore"):  # a run that diverged
            values[f"{metric}_low"], values[f"{metric}_high"] = interval_over_seeds(x, overlap, column)
            values[f"{metric}_sd"] = float(np.std(x, ddof=1)) if varies(x) else float("nan")
    return values


def write_tables(plan: Plan, store: RunStore, out: Path) -> list[Path]:
    """Write ``tables/EXPERIMENT.{md,csv,tex}``; the paths, none if there is nothing to show.

    Every number of them can be computed again from ``tables/EXPERIMENT-seeds.csv``, one row per run. Sources
    that were taken away have a file of their own, ``tables/missing-sources.csv``.
    """
    table, seeds = rows_of(plan, store), per_seed(plan, store)
    sources = by_source(plan, store) if plan.experiment == EXPERIMENT else pd.DataFrame()
    if not table.empty:
        contents = {
            "md": markdown(plan, table, verdict(plan, store), sources, chosen_of(seeds)),
            "csv": table.drop(columns=[c for c in table if c.endswith("_sd")]).to_csv(index=False),
            "tex": latex(
                plan,
                f"{caption(plan, table, printed_metrics(table))} {_shared(table)}",
                _formatted(plan, table, LATEX),
            ),
        }
    elif not (stated := facts_of(plan)).empty:
        said = f"{plan.title} ({plan.paper} of the paper). Dataset {plan.dataset}, {plan.samples} samples."
        said += f" Target {plan.target.label}. Preset {plan.preset}."
        shown = stated.map(lambda v: f"{v:.4g}" if isinstance(v, float) else str(v))
        contents = {
            "md": "\n".join([f"# {plan.title}", "", said, "", pipe(shown), "", *_regenerate(plan)]),
            "csv": stated.to_csv(index=False),
            "tex": latex(plan, said, shown),
        }
    else:
        return []
    folder = out / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for suffix, content in contents.items():
        paths.append(folder / f"{plan.name}.{suffix}")
        paths[-1].write_text(content, encoding="utf-8")
    for what, more in (("seeds", seeds), ("sources", sources)):
        if not more.empty:
            paths.append(folder / f"{plan.name}-{what}.csv")
            more.to_csv(paths[-1], index=False)
    return paths


def facts_of(plan: Plan) -> pd.DataFrame:
    """The table of an experiment that states facts without runs; empty if it has none."""
    tables = [rows for name, rows in plan.facts.items() if name not in HIDDEN_FACTS]
    return pd.DataFrame(tables[0]) if tables and not plan.rows else pd.DataFrame()


def caption(plan: Plan, table: pd.DataFrame, metrics: Sequence[str] = ()) -> str:
    """What a table says of itself: dataset, samples, seeds, weights, and of its metrics (default: all)."""
    broken = f" {plan.undecodable} items could not be decoded and are absent." if plan.undecodable else ""
    over = " Mean ± standard deviation over seeds." if plan.seeds > 1 else ""
    same = table[(table["seeds"] > 1) & table[BEST_BY].notna() & table[f"{BEST_BY}_sd"].isna()]
    over += f" The same for every seed: {', '.join(dict.fromkeys(same['method']))}." if len(same) else ""
    stamps = [w for w in table["weights"].unique() if w]
    weights = f" Weights: {'; '.join(stamps)}." if stamps else ""
    paper = f" ({plan.paper} of the paper)" if plan.paper else ""
    said = "".join(f" {note}" for note in notes(plan, metrics or shown_columns(table)))
    return (
        f"{plan.title}{paper}. Dataset {plan.dataset}: {plan.samples} samples, "
        f"{_tested(table)} in each test part; target {plan.target.label}. {seeds_of(plan)}{over} "
        f"Preset {plan.preset}.{weights}{broken}{said}"
    )


def _tested(table: pd.DataFrame) -> str:
    """How many test samples the rows were scored on."""
    fewest, most = table["n_test"].min(), table["n_test"].max()
    return f"{most}" if fewest == most else f"{fewest} to {most}"


def notes(plan: Plan, metrics: Sequence[str]) -> list[str]:
    """What has to be said of the metrics that a table shows: what is left blank, and in which unit."""
    unit = f" [{plan.target.unit}]" if plan.target.unit else ""
    said = [m.note if m.name in metrics else m.blank for m in of_task(plan.target.task)]
    areas = [AREA_NOTE] if set(AREAS) & set(metrics) else []
    return [note.format(unit=unit) for note in said if note] + areas


def decimal(value: float, decimals: int = DECIMALS) -> str:
    """A number as tables show it: with decimals, unless it is so large that they mean nothing."""
    if abs(value) >= HUGE:
        return f"{value:.3g}"
    return f"{value:.{decimals}f}" if abs(value) < LARGE else f"{value:,.0f}"


def is_ranked(plan: Plan, table: pd.DataFrame) -> bool:
    """Whether rows are shown best first: not where they were scored on different test samples."""
    return plan.ranked and len(set(table["n_test"])) == 1


def comparable(table: pd.DataFrame) -> pd.Series:
    """The rows of most seeds and most test samples: others had other samples, maybe easier ones."""
    return (table["seeds"] == table["seeds"].max()) & (table["n_test"] == table["n_test"].max())


def best_of(table: pd.DataFrame) -> pd.DataFrame:
    """Whether each measured value is the best mean of a fusion: row by column of bool.

    None is where nothing is compared. A row with fewer seeds than others is never best: they may have been
    the easy ones.
    """
    fused = ~table["reference"].astype(bool) & comparable(table)
    best = pd.DataFrame(False, index=table.index, columns=shown_columns(table))
    if fused.sum() > 1:
        for name in best:
            values = table.loc[fused, name]
            best[name] = fused & (table[name] == (values.min() if lower_is_better(name) else values.max()))
    return best


def shown_metrics(table: pd.DataFrame) -> list[str]:
    """The metrics that say something about some row."""
    return [metric for metric in METRICS if metric in table and table[metric].notna().any()]


def printed_metrics(table: pd.DataFrame) -> list[str]:
    """The metrics that a printed page has room for: the paper's, or others in place of a blank one."""
    shown = shown_metrics(table)
    others = ["Acc2", "Pearson"] if "MAPE" not in shown else []
    return [metric for metric in shown if METRICS[metric].leading or metric in others]


def shown_columns(table: pd.DataFrame) -> list[str]:
    """The columns of measured values: metrics, and the areas under them where there are any."""
    return shown_metrics(table) + [area for area in AREAS if area in table and table[area].notna().any()]


def lower_is_better(column: str) -> bool:
    """Which way a metric, or the area under it, gets better."""
    return METRICS[AREAS.get(column, column)].lower_is_better


def markdown(
    plan: Plan, table: pd.DataFrame, verdict_text: str, sources: pd.DataFrame, chosen: Sequence[str] = ()
) -> str:
    """The table for people: caption, rows best first, references marked, the paper's figures beside ours."""
    shown = _formatted(plan, table, MARKDOWN)
    lines = [f"# {plan.title}", "", caption(plan, table), "", pipe(shown), ""]
    lines += [line for said in (verdict_text, *chosen) if said for line in (said, "")]
    reading = ["Bold: best fusion by mean."] if best_of(table).any(axis=None) else []
    if table["reference"].any():
        reading.append("Rows marked (reference) use no fusion: does fusion help at all?")
    lines += [" ".join(reading)] if reading else []
    if table[[f"{name}_low" for name in shown_columns(table)]].notna().any(axis=None):
        lines.append(f"The CSV file beside this one has 95 % intervals ({intervals_of(plan)}).")
    lines += [] if lines[-1] == "" else [""]
    beside = table[table[f"paper_{BEST_BY}"].notna()]
    if not beside.empty:
        lines += [
            "## Beside the paper", "",
            "Not like for like: the paper's data are not public; its weights differ; one run a method.",
            "", pipe(_beside_paper(beside)), "",
        ]  # fmt: skip
    if (printed := printed_elsewhere(plan)) is not None:
        lines += [f"## Beside {printed.source}", "", printed.unlike, ""]
        lines += [pipe(beside_printed(printed, table, BEST_BY)), ""] if printed.rows else []
    if not sources.empty:
        lines += [
            "## Area by source", "", pipe(shown_by_source(sources)), "",
            "Loss: R2_score with the source missing from all test samples minus that with it missing from "
            "none; below zero, the method gets worse. Means over seeds [95 % interval].", "",
        ]  # fmt: skip
    return "\n".join(lines + _regenerate(plan))


def _regenerate(plan: Plan) -> list[str]:
    return [f"Regenerate: `{plan.command}`", ""] if plan.command else []


def at_a_glance(plan: Plan, table: pd.DataFrame) -> pd.DataFrame:
    """The few columns that fit a terminal, among them all that set rows apart."""
    shown = _formatted(plan, table, PLAIN)
    return shown[[*setting_apart(stamped(table)), "MSE", "R2_score", "seconds"]]


def latex(plan: Plan, said: str, shown: pd.DataFrame) -> str:
    """The table for a paper; its preamble needs the package booktabs."""
    body = [" & ".join(_escaped(str(c)) for c in row) + r" \\" for row in shown.itertuples(index=False)]
    lines = [
        r"\begin{table*}",
        r"\centering",
        r"\scriptsize",
        r"\setlength{\tabcolsep}{3pt}",
        rf"\caption{{{_escaped(said)}}}",
        rf"\label{{tab:{plan.name}}}",
        rf"\sbox0{{\begin{{tabular}}{{{''.join('l' if c in NAMES else 'r' for c in shown.columns)}}}",
        r"\toprule",
        " & ".join(_escaped(c) for c in shown.columns) + r" \\",
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}}",
        # wider than the page: shrunk to it where graphicx is loaded
        r"\ifdim\wd0>\textwidth\ifdefined\resizebox",
        r"\resizebox{\textwidth}{!}{\usebox0}\else\usebox0\fi\else\usebox0\fi",
        r"\end{table*}",
        "",
    ]
    return "\n".join(lines)


class Markup(NamedTuple):
    """How a kind of file writes a best value, a reference and a spread, and with how many decimals."""

    bold: str
    reference: str
    spread: str
    decimals: int


MARKDOWN = Markup("**{}**", "{} (reference)", " ± {}", DECIMALS)
LATEX = Markup(r"\textbf{{{}}}", r"\textit{{{}}}", r"{{\tiny$\pm${}}}", DECIMALS - 1)
PLAIN = Markup("{}", "{} *", " ± {}", DECIMALS)


def _formatted(plan: Plan, table: pd.DataFrame, markup: Markup) -> pd.DataFrame:
    """Cells as text; columns that name a row only where there is something in them."""
    table = stamped(table)
    if is_ranked(plan, table):
        table = table.sort_values(BEST_BY, kind="stable")
    methods = zip(table["method"], table["reference"], strict=True)
    shown = pd.DataFrame({"method": [markup.reference.format(m) if r else m for m, r in methods]})
    # a printed page is narrow: encoders without a stamp that all rows share stand in the caption
    needed = setting_apart(table) if markup is LATEX else [name for name in NAMES if table[name].any()]
    for column in needed[1:]:
        shown[column] = table[column].replace("", "–").to_numpy()
    best = best_of(table)
    for metric in printed_metrics(table) if markup is LATEX else shown_columns(table):
        cells = []
        for value, sd, bold in zip(table[metric], table[f"{metric}_sd"], best[metric], strict=True):
            text = decimal(value, markup.decimals)
            text = markup.bold.format(text) if bold else text
            text += markup.spread.format(decimal(sd, markup.decimals)) if np.isfinite(sd) else ""
            cells.append(text if np.isfinite(value) else "–")
        shown[metric] = cells
    shown["params"] = [f"{p:,}" if p else "–" for p in table["params"]]
    if markup is LATEX:
        return shown
    shown["seconds"] = [f"{s:.1f}" for s in table["seconds"]]
    return shown


def _shared(table: pd.DataFrame) -> str:
    """The encoders that all rows of a table have in common, as a sentence; "" if there are none."""
    fused = stamped(table[~table["reference"]])
    common = {modality: set(fused[column]) for column, modality in ENCODERS.items()}
    said = [f"{names.pop()} for {m}s" for m, names in common.items() if len(names) == 1 and names != {""}]
    return f"Encoders: {', '.join(said)}." if said else ""


def _beside_paper(table: pd.DataFrame) -> pd.DataFrame:
    names = stamped(table)
    shown = names[[name for name in NAMES if names[name].any()]].reset_index(drop=True)
    for metric in (name.removeprefix("paper_") for name in table if name.startswith("paper_")):
        ours, theirs = table[metric].to_numpy(), table[f"paper_{metric}"].to_numpy()
        pairs = zip(ours, theirs, strict=True)
        shown[f"{metric} ours / paper (difference)"] = [f"{o:.4f} / {t:.4f} ({o - t:+.4f})" for o, t in pairs]
    return shown


def pipe(table: pd.DataFrame) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(table.columns) + " |", "|" + "---|" * table.shape[1]]
    return "\n".join(
        lines + ["| " + " | ".join(map(str, row)) + " |" for row in table.itertuples(index=False)]
    )


def _escaped(text: str) -> str:
    """Text safe in LaTeX; what already is a command (bold, ±) stays."""
    text = text.replace("±", r"$\pm$").replace("–", "--")
    for sign in "%&_#":
        text = text.replace(sign, "\\" + sign)
    return text
