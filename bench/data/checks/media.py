"""Decoding every media file with the decoders that the encoders use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from bench.executors import local
from encoders import audio, image, video
from encoders.decoding import CannotDecode

CHUNK = 16
"""Files a worker decodes before it tells."""
DECODERS: dict[str, Callable[[Path], object]] = {
    "image": lambda path: image.decode(path, 64),
    "video": lambda path: video.decode(path, video.pairs, video.Motion.size),
    "audio": lambda path: audio.decode(path, audio.LogMel.seconds),
}
"""Modality -> what reads as much of a file as the encoders that need no weights."""

Item = tuple[str, Path]
"""Modality and file."""


def undecodable(
    items: Sequence[Item], *, jobs: int, progress: Callable[[str, int, int], None]
) -> dict[Item, str]:
    """The items that cannot be decoded, with the reason."""
    chunks = [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]
    faults: dict[Item, str] = {}
    done = 0
    for n, found in local(_decode, chunks, jobs) if chunks else ():
        faults |= found
        done += n
        progress("media files", done, len(items))
    # in the order of the items, whichever worker came first
    return {item: faults[item] for item in items if item in faults}


def _decode(items: Sequence[Item]) -> tuple[int, dict[Item, str]]:
    """How many were decoded or not, and the reasons of those that were not."""
    faults = {}
    for item in items:
        try:
            DECODERS[item[0]](item[1])
        except CannotDecode as error:
            faults[item] = str(error)
    return len(items), faults
