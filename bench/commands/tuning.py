"""The command `tune`: a search for each method's own settings."""

from __future__ import annotations

from typing import Any

import click

from bench.commands.options import training
from bench.commands.training import as_request
from bench.errors import UsageError
from bench.terminal import console, plain_errors, show


@click.command()
@click.option("--trials", type=click.IntRange(1, 100_000), default=30, show_default=True, help="Per method.")
@click.option(
    "--budget",
    type=click.Choice(["equal", "trials"]),
    default="equal",
    show_default=True,
    help="equal: as many trials and training FLOPs for every fusion; trials: as many trials, all of the "
    "preset's epochs.",
)
@training
@plain_errors
def tune(trials: int, budget: str, force: bool, save_models: bool, **options: Any) -> None:
    """Search each method's own settings by the validation part of every split; then `bench run --tuned`.

    The test part is not read. What is stored is not done again: the same command goes on where it was, more
    --trials add to those that are there, and of fewer as many count.
    """
    from bench.errors import BenchError
    from bench.progress import TerminalReporter
    from bench.report.tuning import write_tuning
    from bench.request import resolve
    from bench.store import RunStore
    from bench.tune import search_all, searches_of
    from bench.workflow import prepare

    if force or save_models:
        raise UsageError("bench tune keeps no runs and has no use for --force and --save-models.")
    request = as_request(("fusion",), force=False, save_models=False, **options)
    asked = resolve(request)
    RunStore(request.out)  # refuses a folder that cannot be written
    with TerminalReporter(console) as reporter:
        prepared = prepare(request, asked, reporter)
        searches = searches_of(prepared.jobs, asked.preset.fusions, equal=budget == "equal")
        made = search_all(
            searches,
            trials,
            processes=request.jobs,
            executor=request.executor,
            timeout=asked.timeout,
            progress=lambda done, total: reporter.working("tuning", done, total),
        )
    written = write_tuning(prepared.plans[0], searches, request.out)
    console.print(*map(str, written.paths), sep="\n", soft_wrap=True)
    show(written.glance)
    failed = sum(trial.state == "failed" for search in searches for trial in search.trials)
    stored = sum(len(search.trials) for search in searches) - made
    console.print(f"{made} trials made, {stored} already stored, {failed} failed; then: bench run --tuned")
    hopeless = [search for search in searches if all(trial.value is None for trial in search.trials)]
    if hopeless:
        first = hopeless[0]
        why = first.trials[0].error
        raise BenchError(f"every trial of {first.spec.method}, seed {first.spec.seed} failed; first: {why}")
