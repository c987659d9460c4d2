"""What decides a number: the settings of a run, presets, and `--set key=value`."""

from __future__ import annotations

import json
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.errors import UsageError, did_you_mean

PRESETS = Path(str(files("bench"))) / "presets"

Positive = Annotated[int, Field(ge=1, le=2**31)]
Share = Annotated[float, Field(gt=0, lt=1)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Scalar = bool | int | float | str | None
Option = Scalar | list[Scalar]
"""A value of a fusion's own option."""


LONGEST = 80
"""Characters of a wrong value that a message repeats."""
SECTIONS = ("model", "trunk", "head", "training", "encoders")
"""What `--set SECTION.key=value` can change besides a fusion's options; trunk and head are parts of model."""


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HeadConfig(_Settings):
    """The shared DNN head."""

    hidden: tuple[Positive, ...] = (64,)
    dropout: Rate = 0.1


class TrunkConfig(_Settings):
    """The shared trunk; `slots=False, dropout=0` is the paper to the letter."""

    slots: bool = True
    dropout: Rate = 0.0


class ModelConfig(_Settings):
    """Sizes every method shares."""

    dim: Positive = 32
    heads: Positive = 4
    layers: Positive = 1
    dropout: Rate = 0.1
    trunk: TrunkConfig = TrunkConfig()
    head: HeadConfig = HeadConfig()

    @property
    def shared_options(self) -> dict[str, Any]:
        """Constructor options that every fusion gets, if it has them."""
        return {"heads": self.heads, "layers": self.layers, "dropout": self.dropout}


class TrainingConfig(_Settings):
    """Adam with StepLR and early stopping; step_size counts epochs."""

    epochs: Positive = 40
    patience: Positive = 10
    batch_size: Positive = 32
    lr: Annotated[float, Field(gt=0)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    step_size: Positive = 50
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.98
    clip: Annotated[float, Field(gt=0)] = 1.0
    averaging: Rate = 0.0
    """Decay per step of the moving average of weights that is kept; 0 keeps the weights of one epoch."""
    validation: Share = 0.15
    test: Share = 0.2
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Of the training part that is learned from; the other parts stay as they are."""
    split: Literal["auto", "random", "kfold", "official", "time"] = "auto"
    """How the test part is chosen; auto is official where the dataset has such a split, else random."""
    missing: Literal["keep", "drop"] = "keep"
    """Whether samples without one of the sources are kept, or dropped from every part as in the paper."""
    source_dropout: Rate = 0.0
    """Chance that a source of a training sample is hidden in an epoch."""


class EncoderConfig(_Settings):
    """Which encoder serves each modality, and where its weights come from."""

    image: str = "resnet50"
    text: str = "hashing"
    video: str = "motion"
    audio: str = "logmel"
    image_size: Annotated[int, Field(ge=32, le=2048)] = 112
    hashing_width: Annotated[int, Field(ge=16, le=2**20)] = 256
    """Buckets of the text encoder hashing: more of them, fewer words that share one."""
    text_cleaning: bool = False
    """Whether hashing counts only words that are no stop words."""
    text_pooling: Literal["mean", "cls"] = "mean"
    """What a Hugging Face text encoder makes of its tokens."""
    audio_sequence: bool = False
    """Whether wav2vec2 gives a feature for every frame, in place of their mean."""
    video_sequence: bool = False
    """Whether videomae gives a feature for every tubelet, in place of their mean."""
    weights: Literal["auto", "pretrained", "random"] = "auto"

    @property
    def defaults(self) -> dict[str, str]:
        """Modality -> encoder."""
        return {"image": self.image, "text": self.text, "video": self.video, "audio": self.audio}


class Preset(_Settings):
    """A named set of defaults, as a TOML file has them.

    Attributes:
        fusions: fusion name -> its own options.
    """

    description: str = ""
    seeds: Positive = 3
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    encoders: EncoderConfig = EncoderConfig()
    fusions: dict[str, dict[str, Option]] = {}


def preset_names() -> list[str]:
    """The shipped presets."""
    return sorted(path.stem for path in PRESETS.glob("*.toml"))


def load_preset(name: str) -> Preset:
    """A shipped preset by name, or a TOML file of one's own. Raises UsageError."""
    path = Path(name) if name.endswith(".toml") else PRESETS / f"{name}.toml"
    if not path.is_file():
        raise UsageError(f"no preset {name!r}; {did_you_mean(name, [*preset_names(), 'FILE.toml'])}")
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise UsageError(f"{path} is nested too deeply to be a preset.") from None
    except ValueError as error:  # not TOML, not UTF-8, or an integer of thousands of digits
        raise UsageError(f"{path} is not valid TOML: {str(error)[:LONGEST]}") from None
    return _validated(raw, str(path))


def with_settings(preset: Preset, settings: list[str]) -> Preset:
    """Apply ``key=value`` settings: ``training.lr=0.01``, or ``mfb.factor=3`` for one fusion."""
    raw = preset.model_dump()
    for setting in settings:
        key, equals, text = setting.partition("=")
        section, dot, field = key.strip().partition(".")
        if not equals or not dot:
            raise UsageError(f"--set {setting!r}: write key=value, such as training.lr=0.01 or mfb.factor=3.")
        value = _parsed(text.strip())
        if section in SECTIONS:
            _assign(raw["model"][section] if section in raw["model"] else raw[section], field, value, setting)
        else:
            raw["fusions"].setdefault(section, {})[field] = value
    return _validated(raw, "--set")


def _assign(target: dict[str, Any], field: str, value: Any, setting: str) -> None:
    head, dot, rest = field.partition(".")
    if head not in target or bool(dot) != isinstance(target[head], dict):
        raise UsageError(f"--set {setting!r}: no setting {field!r}; {did_you_mean(head, target)}")
    if dot:
        _assign(target[head], rest, value, setting)
    else:
        target[head] = value


def _parsed(text: str) -> Any:
    """A JSON value, or the bare text. Raises UsageError for one that no setting can have."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
    except (ValueError, RecursionError):  # thousands of digits or of brackets
        raise UsageError(f"--set: {text[:LONGEST]}… is no value of any setting.") from None


def _validated(raw: dict[str, Any], where: str) -> Preset:
    try:
        return Preset.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        given = repr(first["input"])
        given = given if len(given) <= LONGEST else f"{given[:LONGEST]}…"
        raise UsageError(f"{where}: {name}: {first['msg'].lower()} (given: {given}).") from None
