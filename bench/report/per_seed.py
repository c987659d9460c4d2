"""What every seed gave: the numbers that all tables and tests are computed from."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from bench.metrics import of_task
from bench.plan import Plan
from bench.report.missing import EXPERIMENT, run_areas
from bench.store import RunStore

COUNTS = ("n_train", "n_test", "params", "flops", "seconds", "epochs")


def per_seed(plan: Plan, store: RunStore) -> pd.DataFrame:
    """One row per row of the plan and stored seed: names, metrics, sizes, cost, and what a method chose."""
    lines = []
    for row in plan.rows:
        for seed, run in enumerate(row.runs):
            if not store.complete(run):
                continue
            metrics = store.metrics(run, row.scored)
            areas = run_areas(plan, row, run, store) if plan.experiment == EXPERIMENT else {}
            lines.append(
                {
                    "method": row.method,
                    "backbone": row.encoders.get("image", ""),
                    "text": row.encoders.get("text", ""),
                    "weights": row.weights,
                    "variant": row.variant,
                    "seed": seed,
                    **{m.name: metrics[m.name] for m in of_task(plan.target.task)},
                    **areas,
                    **{name: metrics.get(name) for name in COUNTS},
                    "chosen": metrics.get("chosen", ""),
                }
            )
    return pd.DataFrame(lines)


def chosen_of(seeds: pd.DataFrame) -> list[str]:
    """What methods that choose among entities chose: a sentence for each row of the plan."""
    if seeds.empty or not seeds["chosen"].any():
        return []
    names = ["method", "variant", "backbone", "text"]
    choosing = seeds[seeds["chosen"] != ""]
    setting = [n for n in names if n == "method" or len(set(choosing[n])) > 1]
    sentences = []
    for key, runs in choosing.groupby(setting, sort=False):
        counts = Counter(runs["chosen"]).most_common()
        said = ", ".join(f"{entity} ({n} of {len(runs)} seeds)" for entity, n in counts)
        extras = ", ".join(filter(None, key[1:]))
        sentences.append(f"{key[0]}{f' ({extras})' if extras else ''} chose: {said}")
    return sentences
