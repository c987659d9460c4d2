"""Fine-tuning: which encoders are trained together with a fusion, how, and the spec of such a run.

It stands beside `bench.config` and `bench.spec`, and not in them: their source is part of the id of every
run, and the id of a run on frozen encoders has nothing to do with this.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bench.config import Rate
from bench.errors import UsageError, did_you_mean
from bench.spec import RunSpec

SECTION = "finetune"
"""What `--set finetune.key=value` changes."""


class Finetuning(BaseModel):
    """How encoders are trained.

    Attributes:
        encoders: the modalities whose encoders are.
        lr: learning rate of the block next to the fusion. 2e-5 is the least of those that BERT's authors
            recommend (Devlin et al., NAACL 2019, A.3).
        decay: from one block of a network to the one before it the learning rate falls by this factor.
        frozen: share of a network's blocks, those nearest to its input, that stay as they are.
        rank: of the change of every matrix, the cheap form (LoRA): few numbers to train and to keep, in as
            much time; all else stays as it is. 0 for a change of any rank of all weights.
        checkpointing: whether items are embedded again on the way back, so that memory holds what a few of
            them need, however many a sample has; a third more time.
        mixed: whether networks train in bfloat16 on a GPU; on the CPU it has no effect.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    encoders: Annotated[tuple[str, ...], Field(min_length=1)]
    lr: Annotated[float, Field(gt=0)] = 2e-5
    decay: Annotated[float, Field(gt=0, le=1)] = 0.9
    frozen: Rate = 0.0
    rank: Annotated[int, Field(ge=0, le=4096)] = 0
    checkpointing: bool = True
    mixed: bool = True


class FinetunedSpec(RunSpec):
    """Everything that decides the number of a run that trains encoders."""

    finetune: Finetuning


_SPECS: TypeAdapter[RunSpec] = TypeAdapter(FinetunedSpec | RunSpec)


def read_spec(content: bytes) -> RunSpec:
    """The spec of a stored run, of either kind. Raises ValidationError if it is none."""
    return _SPECS.validate_json(content)


def is_setting(setting: str) -> bool:
    """Whether `--set` with this value is about fine-tuning."""
    return setting.partition(".")[0].strip() == SECTION


def finetuning(encoders: Sequence[str], settings: Sequence[str]) -> Finetuning | None:
    """What is asked for; None for nothing.

    Args:
        encoders: modalities.
        settings: of `--set`, all that `is_setting`.

    Raises:
        UsageError: a setting is wrong, or there is one and no encoder to be trained.
    """
    if not encoders:
        if settings:
            raise UsageError(
                f"--set {settings[0]}: no encoder is fine-tuned here; add --finetune, say, text."
            )
        return None
    values: dict[str, Any] = {}
    for setting in settings:
        key, _, value = setting.partition("=")
        values[key.strip().removeprefix(f"{SECTION}.")] = value.strip()
    known = [name for name in Finetuning.model_fields if name != "encoders"]
    for name in values:
        if name not in known:
            raise UsageError(f"--set {SECTION}.{name}: no such setting; {did_you_mean(name, known)}")
    try:
        return Finetuning.model_validate({"encoders": tuple(sorted(set(encoders))), **values})
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(
            f"--set {SECTION}.{first['loc'][0]}: {first['msg'].lower()} (given: {first['input']!r:.80})."
        ) from None
