"""Commands about how methods compare: `compare` and `power`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.commands.options import OUT
from bench.errors import UsageError
from bench.terminal import console, plain_errors, show

if TYPE_CHECKING:
    from bench.report.comparing import Comparison

METRIC = click.option("--metric", help="What to compare by, such as MAE (default: what was trained for).")
EXPERIMENT = click.option(
    "--experiment", help="Which of a folder's experiments (default: fusion, or the only one)."
)


@click.command()
@click.argument("paths", metavar="OUT|CSV...", nargs=-1, required=True, type=click.Path(path_type=Path))
@METRIC
@EXPERIMENT
@click.option(
    "--rope",
    type=click.FloatRange(min=0),
    help="Differences up to this one count as none, in the metric's unit (0.01); within one dataset.",
)
@click.option(
    "--trained-on",
    type=click.IntRange(min=1),
    metavar="N",
    help="For CSV files of random splits: how many samples each split left to train on.",
)
@click.option("--out", type=click.Path(path_type=Path), default=Path("results/compare"), show_default=True)
@plain_errors
def compare(
    paths: tuple[Path, ...],
    metric: str | None,
    experiment: str | None,
    rope: float | None,
    trained_on: int | None,
    out: Path,
) -> None:
    """Methods within one folder of results, across several (a dataset each), or in CSV files of predictions.

    A CSV file has a row per prediction. Its columns: sample (or id); y_true; y_pred, or p_CLASS for the
    probability of each class; where needed seed or split (which of several test parts or trainings), group
    (samples that count as one) and method (else the file's name is the method's).
    """
    from bench.report.comparing import write_comparison
    from bench.report.writers import glance

    files = [path for path in paths if path.is_file() or path.suffix.lower() == ".csv"]
    if files and len(files) < len(paths):
        raise UsageError("give folders of results or CSV files of predictions, not both.")
    if files and experiment is not None:
        raise UsageError("--experiment is about folders of results; CSV files have none.")
    if not files and trained_on is not None:
        raise UsageError("--trained-on is about CSV files; folders of results know their splits.")
    if len(paths) > 1 and not files:
        if rope is not None:
            raise UsageError("--rope is about differences within one dataset; across datasets ranks count.")
        comparison = _across(paths, metric, experiment)
    else:
        comparison = _within(paths, metric, experiment, rope, trained_on)
    written = write_comparison(comparison, out)
    show(glance(comparison.sheet, comparison.few))
    console.print(*comparison.said, sep="\n")
    console.print(*map(str, written), sep="\n", soft_wrap=True)


def _across(paths: tuple[Path, ...], metric: str | None, experiment: str | None) -> Comparison:
    from bench.compare.across import across
    from bench.labels import short
    from bench.publish import read_one
    from bench.report.captions import listed
    from bench.report.ranks import ranking

    if len({path.resolve() for path in paths}) < len(paths):
        raise UsageError("a folder is given twice; across datasets each counts once.")
    found = [read_one(path, experiment).results for path in paths]
    datasets, folders = [results.plan.dataset for results in found], short(str(p.resolve()) for p in paths)
    names = [
        dataset if datasets.count(dataset) == 1 else f"{dataset} ({folder})"
        for dataset, folder in zip(datasets, folders.values(), strict=True)
    ]
    titles = listed(list(dict.fromkeys(results.plan.experiment for results in found)))
    about = f"Experiment {titles} on {listed(names)}."
    return ranking(across(dict(zip(names, found, strict=True)), metric), about)


def _within(
    paths: tuple[Path, ...],
    metric: str | None,
    experiment: str | None,
    rope: float | None,
    trained_on: int | None,
) -> Comparison:
    from bench.compare.bayes import ROPE
    from bench.compare.field import field_of
    from bench.compare.foreign import read_predictions
    from bench.compare.pooled import pooled
    from bench.publish import read_one
    from bench.report.captions import provenance
    from bench.report.versus import versus

    if paths[0].is_dir():
        results = read_one(paths[0], experiment).results
        field = field_of(results, provenance(results.plan), metric)
    else:
        field = pooled(read_predictions(list(paths)), metric, trained_on)
    return versus(field, ROPE if rope is None else rope)


@click.command()
@click.option("--delta", type=click.FloatRange(min=0, min_open=True), required=True, help="Which difference.")
@METRIC
@EXPERIMENT
@OUT
@plain_errors
def power(delta: float, metric: str | None, experiment: str | None, out: Path) -> None:
    """How many seeds, or samples, it takes to find a difference, from what is stored in OUT."""
    from bench.compare.field import field_of
    from bench.publish import read_one
    from bench.report.captions import about
    from bench.report.needed import Stored, samples_table, seeds_table, sentences

    results = read_one(out, experiment).results
    plan, field = results.plan, field_of(results, about(results.plan), metric)
    tested = field.losses[0].shape[1] if field.losses else 0
    stored = Stored(field.found.parts, field.metric, tested, plan.samples, not plan.fixed)
    console.print(f"{field.about} Smallest difference in {field.metric.name} found in four cases of five:")
    show(seeds_table(stored))
    if field.losses:
        show(samples_table(stored))
    console.print(*sentences(stored, delta), sep="\n")
