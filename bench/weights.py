"""Weights of encoders: what takes the place of pretrained ones that cannot be had, what can be trained."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from functools import cache

import encoders
from bench.config import Preset
from bench.errors import UsageError, did_you_mean
from bench.request import Resolved, get_encoder
from bench.variants import Choice

log = logging.getLogger("bench")


def to_be_had(
    asked: Resolved, defaults: Mapping[str, str], encoded: Collection[str]
) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """Modality -> the encoders asked for, and its default, as far as their weights are to be had.

    With ``--weights auto``, the encoder of the modality that needs no weights takes the place of a text,
    video or audio transformer without: a random one says next to nothing, and takes long to say it. Random
    networks for pictures stay.

    Args:
        asked: the request.
        defaults: modality -> encoder.
        encoded: the modalities that the data have.

    Raises:
        UsageError: weights are not to be had, and the name alone tells of no network that could be random.
    """
    wanted, used = dict(asked.encoders), dict(defaults)
    if asked.preset.encoders.weights == "auto":
        for modality in sorted(encoded):
            names = [_instead(modality, name, asked.preset) for name in wanted.get(modality, ())]
            if names:
                wanted[modality] = tuple(dict.fromkeys(names))
            elif modality in used:
                used[modality] = _instead(modality, used[modality], asked.preset)
    return wanted, used


def check_trained(choice: Choice, preset: Preset) -> None:
    """Raise UsageError if an encoder is to be trained that cannot be, or one of what the data have not."""
    for modality in choice.finetuned:
        if modality not in choice.encoded:
            raise UsageError(
                f"--finetune {modality}: {choice.schema.name} has nothing of it to encode; "
                f"{did_you_mean(modality, sorted(choice.encoded))}"
            )
        for name in choice.encoders.get(modality) or (choice.defaults[modality],):
            encoder = get_encoder(modality, name, preset)
            if not isinstance(encoder, encoders.Network) or not encoder.trainable:
                others = [e.name for e in encoders.networks() if e.modality == modality and e.trainable]
                raise UsageError(
                    f"--finetune {modality}: {name} has no weights that could be trained in full precision; "
                    f"these and others have: {', '.join(others)} (--encoder {modality}=NAME)."
                )


def warn_of_size(chosen: Mapping[str, encoders.Encoder], asked: Resolved) -> None:
    """Say so where a size of pictures is set by hand and weights have their own."""
    image = chosen.get("image")
    if image is not None and "image_size" in asked.settled and "size" in image.unread:
        log.warning("encoders.image_size is of random weights: %s has its own size of pictures", image.stamp)


def _instead(modality: str, name: str, preset: Preset) -> str:
    encoder = get_encoder(modality, name, preset)
    if not isinstance(encoder, encoders.Network) or not encoder.stand_in:
        return name
    missing = _refusal(modality, name, "pretrained")
    if missing and _refusal(modality, name, "random"):  # the name is that of weights, or they are dangerous
        raise UsageError(missing)
    if missing:
        _warn(name, missing, encoder.stand_in)
    return encoder.stand_in if missing else name


def _refusal(modality: str, name: str, weights: str) -> str:
    """Why an encoder cannot have such weights; "" where it can."""
    try:
        _ = encoders.get(modality, name, weights=weights).weights
    except encoders.WeightsUnavailable as error:
        return str(error)
    return ""


@cache
def _warn(name: str, why: str, stand_in: str) -> None:
    log.warning(
        "%s. %s, which needs none, takes the place of %s: a random one would say nothing (--weights random "
        "takes it all the same; `bench weights` says how to get the pretrained ones).",
        why.partition(encoders.GET)[0],
        stand_in,
        name,
    )
