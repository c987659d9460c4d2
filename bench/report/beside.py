"""Our figures beside those that others have printed: the MEMF paper, or whoever used a published dataset."""

from __future__ import annotations

import pandas as pd

from bench.data.published import PUBLISHED, Printed
from bench.plan import Plan


def printed_elsewhere(plan: Plan) -> Printed | None:
    """What others have printed of the plan's dataset, where it compares fusions."""
    published = PUBLISHED.get(plan.dataset)
    return published.printed if published and plan.experiment == "fusion" else None


def beside_printed(printed: Printed, table: pd.DataFrame, best_by: str) -> pd.DataFrame:
    """A row per printed method: each metric as printed, and ours of the same fusion (its best row)."""
    rows = []
    for method, values in printed.rows.items():
        ours = table[table["method"] == printed.ours.get(method, "")].sort_values(best_by)
        row = {"method": method, "ours": printed.ours.get(method, "–")}
        for metric, value in values.items():
            row[f"{metric} printed"] = f"{value:.4g}"
            row[f"{metric} here"] = f"{ours[metric].iloc[0]:.4f}" if len(ours) else "–"
        rows.append(row)
    return pd.DataFrame(rows)
