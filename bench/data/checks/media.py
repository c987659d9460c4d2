"""Decoding every media file with the decoders that the encoders use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from bench.executors import find
from bench.failure import Failure
from encoders import audio, get, image, names, video
from encoders.decoding import CannotDecode

DECODERS: dict[str, Callable[[Path], object]] = {
    "image": lambda path: image.decode(path, 64),
    "video": lambda path: video.decode(path, video.pairs, video.Motion.size),
    "audio": lambda path: audio.decode(path, audio.LogMel.seconds),
}
"""Modality -> what reads as much of a file as the encoders that need no weights; of others see `_decoder`."""

Item = tuple[str, Path]
"""Modality and file."""


def undecodable(
    items: Sequence[Item], *, jobs: int, executor: str, progress: Callable[[str, int, int], None]
) -> dict[Item, str]:
    """The items that cannot be decoded, with the reason."""
    faults: dict[Item, str] = {}
    with closing(find(executor)(_fault, items, jobs)) as answers:
        for done, (item, fault) in enumerate(answers, start=1):
            if isinstance(fault, Failure):
                fault = f"its decoder crashed: {fault.reason}"
            if fault:
                faults[item] = fault
            progress("media files", done, len(items))
    # in the order of the items, whichever worker came first
    return {item: faults[item] for item in items if item in faults}


def _fault(item: Item) -> str:
    """Why an item cannot be decoded, or nothing."""
    modality, path = item
    try:
        _decoder(modality)(path)
    except CannotDecode as error:
        return str(error)
    return ""


def _decoder(modality: str) -> Callable[[Path], object]:
    """What reads a file of a modality: where nothing is said above, what its first encoder prepares."""
    return DECODERS.get(modality) or get(modality, names(modality)[0], weights="random").prepare
