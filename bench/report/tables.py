"""Tables from stored runs: mean over seeds with spread, as Markdown, CSV and LaTeX."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from bench.metrics import LOWER_IS_BETTER, METRICS
from bench.paper.printed import fusion_row
from bench.plan import Plan, PlanRow
from bench.stats import corrected_interval, corrected_paired_test, holm
from bench.store import RunStore

DECIMALS = 4
BEST_BY = "MSE"
"""The metric that verdicts are about: the one that is trained for."""


def rows_of(plan: Plan, store: RunStore) -> pd.DataFrame:
    """One row per row of the plan that has results; the columns are those of the CSV file."""
    rows = [_row(row, store) for row in plan.rows]
    return pd.DataFrame([row for row in rows if row])


def _row(row: PlanRow, store: RunStore) -> dict[str, object]:
    found = [store.metrics(run) for run in row.runs if (store.root / run / "metrics.json").is_file()]
    if not found:
        return {}
    values: dict[str, object] = {
        "method": row.method,
        "backbone": row.encoders.get("image", ""),
        "text": row.encoders.get("text", ""),
        "weights": row.weights,
    }
    n_train, n_test = found[0]["n_train"], found[0]["n_test"]
    for metric in METRICS:
        x = [run[metric] for run in found]
        values[metric] = float(np.mean(x))
        values[f"{metric}_low"], values[f"{metric}_high"] = corrected_interval(x, n_train, n_test)
        values[f"{metric}_sd"] = float(np.std(x, ddof=1)) if len(x) > 1 else float("nan")
    values |= {
        "seeds": len(found),
        "n_test": n_test,
        "params": found[0]["params"],
        "seconds": float(np.mean([run["seconds"] for run in found])),
        "reference": row.reference,
    }
    printed = fusion_row(row.method, str(values["backbone"]))
    for metric in METRICS:
        values[f"paper_{metric}"] = float("nan") if printed is None else float(printed[metric])
    return values


def write_tables(plan: Plan, store: RunStore, out: Path) -> list[Path]:
    """Write ``tables/EXPERIMENT.{md,csv,tex}``; the paths."""
    table = rows_of(plan, store)
    folder = out / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "md": markdown(plan, table, verdict(plan, store)),
        "csv": table.drop(columns=[c for c in table if c.endswith("_sd")]).to_csv(index=False),
        "tex": latex(plan, table),
    }
    paths = []
    for suffix, content in contents.items():
        paths.append(folder / f"{plan.experiment}.{suffix}")
        paths[-1].write_text(content, encoding="utf-8")
    return paths


def verdict(plan: Plan, store: RunStore) -> str:
    """Which fusions cannot be told from the best one, by Holm-corrected paired tests over seeds."""
    squared = {
        _label(row): [store.metrics(run)[BEST_BY] for run in row.runs]
        for row in plan.rows
        if not row.reference and all((store.root / run / "metrics.json").is_file() for run in row.runs)
    }
    if len(squared) < 2:
        return ""
    if plan.seeds < 2:
        return "One seed: no spread, no test, no verdict. Use --seeds 3 or more."
    run = next(r.runs[0] for r in plan.rows if not r.reference and _label(r) in squared)
    sizes = store.metrics(run)
    best = min(squared, key=lambda name: float(np.mean(squared[name])))
    p = holm({
        name: corrected_paired_test(np.subtract(x, squared[best]), sizes["n_train"], sizes["n_test"])
        for name, x in squared.items() if name != best
    })  # fmt: skip
    worse = [name for name, value in p.items() if value < 0.05]
    same = [name for name, value in p.items() if not value < 0.05]
    text = f"Lowest mean {BEST_BY}: {best}. "
    if not worse:
        return text + (
            f"With {plan.seeds} seeds, no other fusion can be told from it "
            "(paired corrected t-test, Holm, 5 %): read the order of the rows as chance."
        )
    told = f"Told from it (paired corrected t-test over {plan.seeds} seeds, Holm, 5 %): {', '.join(worse)}. "
    return text + told + (f"Not told from it: {', '.join(same)}." if same else "")


def caption(plan: Plan, table: pd.DataFrame) -> str:
    """What every table says of itself: dataset, samples, seeds, weights."""
    broken = f" {plan.undecodable} items could not be decoded and are absent." if plan.undecodable else ""
    stamps = [w for w in table["weights"].unique() if w]
    weights = f" Weights: {'; '.join(stamps)}." if stamps else ""
    return (
        f"{plan.title} ({plan.paper} of the paper). Dataset {plan.dataset}: {plan.samples} samples, "
        f"{table['n_test'].iloc[0]} in each test part; target {plan.target}. {plan.seeds} seeds, "
        f"each its own split; mean ± standard deviation over seeds. Preset {plan.preset}.{weights}{broken}"
    )


def markdown(plan: Plan, table: pd.DataFrame, verdict_text: str) -> str:
    """The table for people: caption, rows best first, references marked, the paper's figures beside ours."""
    shown = _formatted(table, bold="**{}**", reference="{} (reference)", plus_minus=" ± ")
    lines = [f"# {plan.title}", "", caption(plan, table), "", _pipe(shown), ""]
    if verdict_text:
        lines += [verdict_text, ""]
    lines += [
        "Bold: best fusion by mean. Rows marked (reference) use no fusion: does fusion help at all?",
        "The CSV file beside this one has 95 % intervals (Nadeau-Bengio, corrected for overlapping splits).",
        "",
    ]
    beside = table[table[f"paper_{BEST_BY}"].notna()]
    if not beside.empty:
        lines += [
            "## Beside the paper", "",
            "Not like for like: the paper's data are not public; its weights differ; one run a method.",
            "", _pipe(_beside_paper(beside)), "",
        ]  # fmt: skip
    if plan.command:
        lines += [f"Regenerate: `{plan.command}`", ""]
    return "\n".join(lines)


def at_a_glance(table: pd.DataFrame) -> pd.DataFrame:
    """The few columns that fit a terminal, best first."""
    shown = _formatted(table, bold="{}", reference="{} *", plus_minus=" ± ")
    columns = [c for c in ("method", "backbone", "MSE", "R2_score", "seconds") if c in shown]
    return shown[columns].rename(columns={"method": "method (* reference)"})


def latex(plan: Plan, table: pd.DataFrame) -> str:
    """The table for a paper; its preamble needs the package booktabs."""
    shown = _formatted(table, bold=r"\textbf{{{}}}", reference=r"\textit{{{}}}", plus_minus=r" $\pm$ ")
    body = [" & ".join(_escaped(str(c)) for c in row) + r" \\" for row in shown.itertuples(index=False)]
    return "\n".join([
        r"\begin{table*}", r"\centering", r"\footnotesize", r"\setlength{\tabcolsep}{3pt}",
        rf"\caption{{{_escaped(caption(plan, table))}}}", rf"\label{{tab:{plan.experiment}}}",
        rf"\begin{{tabular}}{{{'l' * 2}{'r' * (shown.shape[1] - 2)}}}", r"\toprule",
        " & ".join(_escaped(c) for c in shown.columns) + r" \\", r"\midrule",
        *body, r"\bottomrule", r"\end{tabular}", r"\end{table*}", "",
    ])  # fmt: skip


def _formatted(table: pd.DataFrame, *, bold: str, reference: str, plus_minus: str) -> pd.DataFrame:
    """Cells as text, best first; encoder columns only where the dataset has such a modality."""
    table = table.sort_values(BEST_BY, kind="stable")
    fused = table[~table["reference"]]
    shown = pd.DataFrame({"method": [
        reference.format(m) if r else m for m, r in zip(table["method"], table["reference"], strict=True)
    ]})  # fmt: skip
    for column in ("backbone", "text"):
        if table[column].any():
            shown[column] = table[column].replace("", "–").to_numpy()
    for metric in METRICS:
        best = (
            (fused[metric].min() if metric in LOWER_IS_BETTER else fused[metric].max())
            if len(fused)
            else None
        )
        cells = []
        for value, sd, is_reference in zip(
            table[metric], table[f"{metric}_sd"], table["reference"], strict=True
        ):
            text = f"{value:.{DECIMALS}f}"
            text = bold.format(text) if value == best and not is_reference else text
            cells.append(text + (f"{plus_minus}{sd:.{DECIMALS}f}" if np.isfinite(sd) else ""))
        shown[metric] = cells
    shown["params"] = [f"{p:,}" if p else "–" for p in table["params"]]
    shown["seconds"] = [f"{s:.1f}" for s in table["seconds"]]
    return shown


def _beside_paper(table: pd.DataFrame) -> pd.DataFrame:
    shown = table[["method", "backbone"]].reset_index(drop=True)
    for metric in METRICS:
        ours, theirs = table[metric].to_numpy(), table[f"paper_{metric}"].to_numpy()
        pairs = zip(ours, theirs, strict=True)
        shown[f"{metric} ours / paper (difference)"] = [f"{o:.4f} / {t:.4f} ({o - t:+.4f})" for o, t in pairs]
    return shown


def _pipe(table: pd.DataFrame) -> str:
    lines = ["| " + " | ".join(table.columns) + " |", "|" + "---|" * table.shape[1]]
    return "\n".join(
        lines + ["| " + " | ".join(map(str, row)) + " |" for row in table.itertuples(index=False)]
    )


def _label(row: PlanRow) -> str:
    backbone = row.encoders.get("image")
    return f"{row.method} ({backbone})" if backbone else row.method


def _escaped(text: str) -> str:
    """Text safe in LaTeX; what already is a command (bold, ±) stays."""
    text = text.replace("±", r"$\pm$").replace("–", "--")
    for sign in "%&_#":
        text = text.replace(sign, "\\" + sign)
    return text
