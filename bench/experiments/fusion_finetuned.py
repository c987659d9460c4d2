"""Does it help to train encoders together with a fusion? Every fusion on frozen encoders, and with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from bench.compare.frame import Results
from bench.experiments import arms
from bench.experiments.base import Experiment, experiment
from bench.finetuning import FinetunedSpec
from bench.report.captions import listed
from bench.report.figures.drawing import Drawing
from bench.report.sheet import Sheet
from bench.variants import Choice, Variant

ARMS = arms.Arms(
    first="frozen",
    second="fine-tuned",
    legend="frozen encoders",
    change="Fine-tuning",
    gain=(
        "Gain: how much better a fusion is on the test part with encoders that are trained with it than on "
        "frozen ones, above zero where it is better; by the same recipe, on the same splits. References "
        "learn from the frozen features."
    ),
    share="relative gain",
    title="What fine-tuning gives each fusion",
)


@experiment("fusion-finetuned", title="Fusion methods on frozen encoders, and with them trained")
class FusionFinetuned(Experiment):
    """All rows of the comparison of fusions, and one with trained encoders beside each fusion."""

    trains_encoders = True

    def applies(self, choice: Choice) -> str:
        """It takes encoders to be trained."""
        return (
            "" if choice.finetuned else "no encoders are named to be trained; `bench run --finetune` does it"
        )

    def variants(self, choice: Choice) -> list[Variant]:
        """Two arms for every fusion."""
        return arms.variants(choice, ARMS, "finetuned", lambda variant: not variant.reference)

    def verdict(self, results: Results) -> str:
        """Which fusions it helps for sure."""
        return arms.said_of(results, ARMS)

    def tables(self, results: Results) -> dict[str, pd.DataFrame]:
        """The gain of every fusion."""
        return {"gain": arms.gains(results, ARMS)}

    def sheets(self, results: Results, tables: Mapping[str, pd.DataFrame]) -> Sequence[Sheet]:
        """The same for people, with how encoders were trained."""
        if tables["gain"].empty:
            return []
        sheet = arms.gain_sheet(results, tables["gain"], ARMS)
        return [replace(sheet, caption=f"{sheet.caption} {_settings(results)}".strip())]

    def figures(self, results: Results) -> Sequence[Drawing]:
        """Both arms of every fusion, and the gain."""
        return arms.figure(results, ARMS)


def _settings(results: Results) -> str:
    """How encoders were trained, in a sentence."""
    for row in results.rows:
        spec = row.first.store.spec(row.first.id)
        if isinstance(spec, FinetunedSpec):
            how = spec.finetune
            frozen = f", the first {how.frozen:.0%} of the blocks frozen" if how.frozen else ""
            rank = f", changes of rank {how.rank}" if how.rank else ""
            return (
                f"Trained: {listed(how.encoders)}, learning rate {how.lr:g}, {how.decay:g} times that from "
                f"one block to the one before it{frozen}{rank}."
            )
    return ""
