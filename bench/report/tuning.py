"""What `bench tune` says of its searches: the settings it chose, every trial, what mattered, what it cost.

tables/: tune.md tune.csv tune-trials.csv tune-importance.csv; figures/: tune.png tune.svg
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator
from scipy.stats import rankdata

from bench.files import write_text
from bench.plan import Plan
from bench.report.captions import about, seeds_of, settings_of
from bench.report.figures.drawing import Drawing, save
from bench.report.figures.style import TWO_COLUMNS, canvas, key, look, mark, settings, shown
from bench.report.sheet import Cell, Column, Line, Sheet
from bench.report.writers import comma_separated, markdown
from bench.space import space
from bench.tune import Search, Trial, best_of, primary_of

FEWEST = 4
"""Trials below which nothing is said of what mattered."""


@dataclass(frozen=True)
class Found:
    """A search with its trials.

    Attributes:
        name: of its method, as tables have it.
        best: the trial that was chosen; None where all failed.
    """

    name: str
    search: Search
    trials: list[Trial]
    best: Trial | None

    @property
    def budget(self) -> int:
        """Floating-point operations that its trials might spend; 0 where they are not limited."""
        return self.search.allowance * len(self.trials)

    @property
    def spent(self) -> int:
        """Those that they did spend."""
        return sum(trial.flops for trial in self.trials)

    @property
    def default(self) -> float:
        """What the preset's settings, trial 0, gave on the validation part; NaN if it failed."""
        return next((t.value for t in self.trials if t.number == 0 and t.value is not None), float("nan"))

    @property
    def best_so_far(self) -> np.ndarray:
        """(T,) the best complete trial up to each one; NaN before the first."""
        sign = 1 if primary_of(self.search.spec).lower_is_better else -1
        values = [
            sign * trial.value if trial.state == "complete" and trial.value is not None else np.inf
            for trial in self.trials
        ]
        best = np.minimum.accumulate(values)
        return np.where(np.isfinite(best), sign * best, np.nan)


@dataclass(frozen=True)
class Written:
    """What was written, and the few columns that fit a terminal."""

    paths: list[Path]
    glance: pd.DataFrame


def write_tuning(plan: Plan, searches: Sequence[Search], out: Path) -> Written:
    """Write tables and figure of some searches; `plan` has the default rows that they start from."""
    label, found = plan.labels(), []
    names = {run: label(row) for row in plan.rows for run in row.runs}
    for search in searches:
        trials = search.trials
        best = best_of(trials, primary_of(search.spec))
        found.append(Found(names[search.spec.id], search, trials, best))
    sheet, importance = _sheet(plan, found), importances(found)
    text = [f"# {sheet.title}", "", sheet.caption, "", markdown(sheet), ""]
    if not importance.empty:
        text += ["## What mattered", "", IMPORTANCE, "", markdown(_importance_sheet(importance)), ""]
    text += [f"Regenerate: `{plan.command}`", ""] if plan.command else []
    tables = {
        "tune.md": "\n".join(text),
        "tune.csv": comma_separated(sheet),
        "tune-trials.csv": all_trials(found).to_csv(index=False),
        **({} if importance.empty else {"tune-importance.csv": importance.to_csv(index=False)}),
    }
    for name, content in tables.items():
        write_text(out / "tables" / name, content)
    with matplotlib.rc_context(settings()):
        (out / "figures").mkdir(parents=True, exist_ok=True)
        figure = save(_figure(plan, found), out / "figures")
    glance = [
        {
            "method": one.name, "seed": one.search.spec.seed, "trials": len(one.trials),
            "default": f"{one.default:.4f}",
            "best": "" if one.best is None else f"{one.best.value:.4f}",
            "FLOPs of budget": f"{one.spent / one.budget:.0%}" if one.budget else "–",
            "seconds": f"{sum(trial.seconds for trial in one.trials):.0f}",
        }
        for one in found
    ]  # fmt: skip
    return Written([*(out / "tables" / name for name in tables), figure.path_png], pd.DataFrame(glance))


def all_trials(found: Sequence[Found]) -> pd.DataFrame:
    """One row per trial: what was tried, what it gave, what it cost; a column for every setting."""
    lines: list[dict[str, Any]] = []
    for one in found:
        for trial, best in zip(one.trials, one.best_so_far, strict=True):
            lines.append(
                {
                    "method": one.name, "seed": one.search.spec.seed, "search": one.search.spec.id,
                    **trial.model_dump(exclude={"settings", "course"}), "epochs_done": len(trial.course),
                    "best_so_far": best, **trial.settings,
                }
            )  # fmt: skip
    return pd.DataFrame(lines)


def _sheet(plan: Plan, found: Sequence[Found]) -> Sheet:
    """One row per method and split."""
    metric = primary_of(found[0].search.spec).name
    columns = (
        Column("method"), Column("seed", "plain"), Column("trials", "count"), Column("pruned", "count"),
        Column("failed", "count"), Column(f"default {metric}", "metric"), Column(f"best {metric}", "metric"),
        Column("budget GFLOPs", "plain"), Column("spent GFLOPs", "plain"), Column("seconds", "amount"),
        Column("settings"),
    )  # fmt: skip
    lines = []
    for one in found:
        states = [trial.state for trial in one.trials]
        recipe = {} if one.best is None else one.best.recipe
        chosen = " ".join(f"{name}={value}" for name, value in recipe.items() if value is not None)
        cells = (
            Cell(one.name), Cell(one.search.spec.seed, "plain"), Cell(len(states), "count"),
            Cell(states.count("pruned"), "count"), Cell(states.count("failed"), "count"),
            Cell(one.default, "metric"), Cell(one.best.value if one.best else None, "metric"),
            Cell(one.budget / 1e9 or None, "plain"), Cell(one.spent / 1e9 or None, "plain"),
            Cell(sum(trial.seconds for trial in one.trials), "amount"), Cell(chosen),
        )  # fmt: skip
        lines.append(Line(cells))
    equal = any(one.budget for one in found)
    caption = (
        f"{about(plan)} {seeds_of(plan)} {settings_of(plan, plan.rows)} {metric} on the validation part of "
        "every split; the test part was not read, and the best of many trials is better here than it will be "
        f"there. Default: trial 0, the settings of the preset. {BUDGETS[equal]}"
    )
    return Sheet("tune", caption, columns, tuple(lines), title="Settings found for each method")


BUDGETS = {
    True: "Budget: the same for every fusion, in each trial the training of the costliest bundled fusion by "
    "the preset; cheaper ones might train longer, until early stopping. Spent is what trials trained before "
    "they were pruned or stopped early. Operations of references are not counted; they have as many trials.",
    False: "Budget: as many trials for every method, each with the epochs of the preset at most.",
}


IMPORTANCE = (
    "Share of the variance of the trials' ranks in their split that a setting explains by itself and with "
    "others (functional ANOVA), over the trials of all splits that did not fail; pruned ones count with what "
    "they had reached."
)


def importances(found: Sequence[Found]) -> pd.DataFrame:
    """What each setting explains of how good trials are: method, setting, importance, and trials used."""
    lines = []
    for name in dict.fromkeys(one.name for one in found):
        of_it = [one for one in found if one.name == name]
        for setting, (share, used) in _importances(of_it).items():
            lines.append({"method": name, "setting": setting, "importance": share, "trials": used})
    return pd.DataFrame(lines)


def _importances(found: Sequence[Found]) -> dict[str, tuple[float, int]]:
    import optuna  # it takes a second, which no other report should need
    from optuna.distributions import BaseDistribution, IntDistribution

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study()
    for one in found:
        values = space(one.search.spec)
        # a setting of one value has nothing to say
        places: dict[str, BaseDistribution] = {
            k: IntDistribution(0, len(v) - 1) for k, v in values.items() if len(v) > 1
        }
        known = [trial for trial in one.trials if trial.value is not None]
        ranks = rankdata([trial.value for trial in known]) / max(1, len(known))
        for trial, rank in zip(known, ranks, strict=True):
            at = {setting: values[setting].index(trial.settings[setting]) for setting in places}
            study.add_trial(optuna.trial.create_trial(value=rank, params=at, distributions=places))
    if len(study.trials) < FEWEST or len({trial.value for trial in study.trials}) < 2:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {setting: (float(share), len(study.trials)) for setting, share in shares.items()}


def _importance_sheet(table: pd.DataFrame) -> Sheet:
    """A row per method, its settings by importance."""
    lines = []
    for name, of_it in table.groupby("method", sort=False):
        ordered = of_it.sort_values("importance", ascending=False)
        said = ", ".join(f"{row.setting} {row.importance:.2f}" for row in ordered.itertuples())
        lines.append(Line((Cell(name), Cell(said), Cell(int(ordered["trials"].iloc[0]), "count"))))
    columns = (Column("method"), Column("settings, the most important first"), Column("trials", "count"))
    return Sheet("tune-importance", "", columns, tuple(lines))


def _figure(plan: Plan, found: Sequence[Found]) -> Drawing:
    """The best value so far by trial, relative to the default recipe's, the mean over splits."""
    metric = primary_of(found[0].search.spec)
    figure = canvas(TWO_COLUMNS, 3.6)
    ax = figure.subplots()
    names = list(dict.fromkeys(one.name for one in found))
    for i, name in enumerate(names):
        curves = [one.best_so_far / one.default for one in found if one.name == name]
        shortest = min(map(len, curves))
        mean = np.mean([curve[:shortest] for curve in curves], axis=0)
        colour, marker = look(i)
        style = ("-", "--", ":", "-.")[(i // 9) % 4]
        ax.plot(
            np.arange(1, shortest + 1), mean, color=colour, linestyle=style, marker=marker, ms=3,
            markevery=max(1, shortest // 10), linewidth=1, drawstyle="steps-post",
        )  # fmt: skip
    ax.axhline(1, color="0.3", linewidth=0.8, linestyle=":")
    ax.set_xlabel("trials")
    ax.set_ylabel(f"best validation {metric.name} so far,\nrelative to the preset's settings")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid()
    key(figure, [mark(i, shown(name, 24)) for i, name in enumerate(names)])
    text = (
        f"{about(plan)} {seeds_of(plan)} {settings_of(plan, plan.rows)} Means over splits, on the "
        "validation part; what of it holds on the test part, `bench run --tuned` says."
    )
    return Drawing("tune", "Best settings found against the number of trials", text, figure)
