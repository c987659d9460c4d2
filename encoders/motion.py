"""What moves in a video, step by step: optical flow, its changes of speed and direction, cuts, light."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from encoders.base import Item
from encoders.clock import SECONDS, Clocked
from encoders.decoding import CannotDecode
from encoders.feature import Feature
from encoders.media import opened
from encoders.registry import register

SIDE = 96
"""Pixels of the longer side on which motion is measured."""
SHORTEST = 0.55
"""Frames follow one another by this many steps at least; those between are skipped."""
FILM = 24
"""Frames per second of a file that does not say."""
STILL = 3.0
"""Steps that motion takes at most: a picture that stands for longer has stood still until then."""
SLOW = 0.02
"""Sides per second below which a direction means nothing."""
UNLIKE, SUDDEN = 0.5, 0.3
"""A cut: pictures as unlike as this, and by so much more than the others around them."""
AROUND = 0.5
"""Seconds on each side of a cut that it is compared with."""
NOISE = 0.1
"""Pixels of flow from picture to picture up to which it is the codec's."""
ANGLES = np.arange(8) * np.pi / 4
OF_FRAMES = ("brightness", "contrast")
OF_PAIRS = (
    *(
        "speed",
        "local",
        "peak",
        "camera_x",
        "camera_y",
        "mean_x",
        "mean_y",
        "difference",
        "lighting",
        "unlike",
    ),
    *(f"towards_{degrees}" for degrees in range(0, 360, 45)),
)
OF_CHANGES = ("acceleration", "impact", "turn")
COLUMNS = (*OF_FRAMES, *OF_PAIRS, *OF_CHANGES, "cut")
"""What the numbers of a step are, in order; see `Flow`."""


class Shown(NamedTuple):
    """The pictures of a video: when each appears, uint8 grey (F, h, w), and when the last one ends."""

    at: np.ndarray
    grey: np.ndarray
    end: float


def shown(path: Path, rate: int) -> Shown:
    """Decode the pictures of a video, upright, at most about one a step, as they follow one another in time.

    Raises CannotDecode if the file is broken or no frame of it can be decoded.
    """
    at: list[float] = []
    grey: list[np.ndarray] = []
    end = 0.0
    reformatter = VideoReformatter()
    with opened(path, "video") as media:
        begins, every = media.start, 1 / float(media.stream.average_rate or FILM)
        first: float | None = None
        for number, frame in enumerate(media.frames()):
            stamp = number * every if frame.time is None else frame.time
            first = stamp if first is None else first
            now = begins + stamp - first
            if now > SECONDS:
                break
            end = max(end, now + every)
            if not at or now - at[-1] >= SHORTEST / rate:
                at.append(now)
                grey.append(_small(frame, reformatter, grey[0].shape if grey else None))
    if not at:
        raise CannotDecode("it has no frame that can be decoded")
    return Shown(np.array(at), np.stack(grey), end)


def _small(frame: VideoFrame, reformatter: VideoReformatter, shape: tuple[int, ...] | None) -> np.ndarray:
    """A frame in grey, upright, its longer side SIDE pixels long; or of the shape that the first one had."""
    turns = round(frame.rotation / 90) % 4  # degrees anticlockwise by which the picture is to be turned
    width, height = frame.width, frame.height
    scale = SIDE / max(width, height)
    size = [max(16, round(side * scale)) for side in (height, width)]
    if shape is not None:
        size = list(shape if turns % 2 == 0 else shape[::-1])
    small = reformatter.reformat(frame, size[1], size[0], "gray", interpolation="AREA").to_ndarray()
    return np.ascontiguousarray(np.rot90(small, turns))


@register("video", "flow")
class Flow(Clocked):
    """A sequence of 24 numbers a step of motion, on the clock of `encoders.clock`.

    Dense optical flow (Farneback, SCIA 2003) between successive pictures, made independent of their light by
    equal mean and contrast; in longer sides of the picture per second. `camera` is the median flow, `local`
    what is left without it. Its share towards each of eight directions is the directogram of Davis & Agrawala
    (Visual Rhythm and Beat, SIGGRAPH 2018); `acceleration` is by how much the eight rise from one pair of
    pictures to the next, per second, `impact` by how much they fall, `turn` one less their cosine. A cut is a
    picture unlike the last (one less their correlation) and unlike its neighbours' changes; across it, motion
    goes on as it was.

    In order: mean and deviation of brightness (0 to 1); mean flow, mean and 95 % quantile of the local flow,
    camera to the right and down, mean local flow to the right and down; mean difference of brightness per
    second, change of the mean brightness per second, unlikeness; flow towards 0 (right), 45, ... 315 degrees;
    acceleration, impact, turn; cuts. Of a video without motion or of one picture all flow is 0.

    Args:
        rate: steps per second.
    """

    library = "OpenCV", "opencv-python-headless"

    def prepare(self, item: Item) -> Feature:
        """The steps (T, 24) with their times."""
        video = shown(Path(item), self.rate)
        until = np.append(video.at[1:], video.end)
        levels = video.grey.mean(axis=(1, 2)) / 255
        of_frames = np.stack([levels, video.grey.std(axis=(1, 2)) / 255], axis=1)
        # a picture that stood for long did so until shortly before the next
        starts, ends = np.maximum(video.at[:-1], video.at[1:] - STILL / self.rate), video.at[1:]
        pairs = _pairs(video.grey, ends - starts, np.diff(levels))
        cuts = _cuts(pairs[:, OF_PAIRS.index("unlike")], ends)
        _hold(pairs, cuts)
        middles = (starts + ends) / 2
        changes = _changes(pairs[:, -len(ANGLES) :], np.diff(middles))
        flags = cuts[:, None] / np.maximum((ends - starts)[:, None] * self.rate, 1e-9)
        stretches = [
            (video.at, until, of_frames),
            (
                starts,
                np.append(ends[:-1], video.end)[: len(ends)],
                pairs,
            ),  # the last goes on while it is shown
            (middles[:-1], middles[1:], changes),
            (starts, ends, flags),
        ]
        return self.feature(stretches, video.end)


def _pairs(grey: np.ndarray, seconds: np.ndarray, lighting: np.ndarray) -> np.ndarray:
    """What changes from each picture (F, h, w) to the next, columns OF_PAIRS: (F - 1, 18)."""
    cv2 = opencv()
    towards = np.stack([np.cos(ANGLES), -np.sin(ANGLES)]).astype(np.float32)  # rows go down
    rows = []
    even = [_even(picture) for picture in grey]
    for number, (one, other) in enumerate(pairwise(even)):
        flow = cv2.calcOpticalFlowFarneback(one, other, None, 0.5, 3, 11, 2, 5, 1.1, 0)
        flow = flow.reshape(-1, 2)
        flow[np.hypot(*flow.T) < NOISE] = 0
        flow /= SIDE * seconds[number]
        camera = np.median(flow, axis=0)
        local = flow - camera
        speed = np.hypot(*local.T)
        change = np.abs(grey[number + 1].astype(np.int16) - grey[number]).mean() / 255
        rows.append([
            np.hypot(*flow.T).mean(), speed.mean(), np.quantile(speed, 0.95), *camera, *local.mean(axis=0),
            change / seconds[number], lighting[number] / seconds[number], _unlikeness(one, other),
            *np.maximum(local @ towards, 0).mean(axis=0),
        ])  # fmt: skip
    return np.array(rows, dtype=np.float64).reshape(-1, len(OF_PAIRS))


def _even(picture: np.ndarray) -> np.ndarray:
    """A picture with the mean and contrast that all have, whatever the light."""
    centred = picture - picture.mean()
    deviation = max(float(centred.std()), 2.0)
    even: np.ndarray = np.clip(np.rint(128 + 48 / deviation * centred), 0, 255).astype(np.uint8)
    return even


def _unlikeness(one: np.ndarray, other: np.ndarray) -> float:
    """One less the correlation of two pictures, seen coarsely: 0 for the same, at most 2."""
    cv2 = opencv()
    a, b = (cv2.resize(p, (24, 16), interpolation=cv2.INTER_AREA).astype(np.float64) for p in (one, other))
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt((a**2).sum() * (b**2).sum())
    return float(1 - (a * b).sum() / scale) if scale > 1e-6 else float(np.abs(a - b).max() > 0)


def _cuts(unlike: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Which pairs (P,) have a cut between them."""
    usual = [np.median(unlike[np.abs(at - moment) <= AROUND]) for moment in at]
    return (unlike > UNLIKE) & (unlike > np.array(usual) + SUDDEN) if len(at) else np.zeros(0, dtype=bool)


def _hold(pairs: np.ndarray, cuts: np.ndarray) -> None:
    """Across a cut there is no flow to be measured: put the last one's in its place; at the start, none."""
    flowing = [i for i, name in enumerate(OF_PAIRS) if name not in ("difference", "lighting", "unlike")]
    for number in np.flatnonzero(cuts):
        pairs[number, flowing] = pairs[number - 1, flowing] if number else 0


def _changes(towards: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """How flow by direction (P, 8) changes from pair to pair, columns OF_CHANGES: (P - 1, 3)."""
    step = np.diff(towards, axis=0)
    rise, fall = (np.maximum(sign * step, 0).sum(axis=1) / np.maximum(seconds, 1e-9) for sign in (1, -1))
    length = np.sqrt((towards**2).sum(axis=1) + SLOW**2)
    cosine = ((towards[1:] * towards[:-1]).sum(axis=1) + SLOW**2) / (length[1:] * length[:-1])
    return np.stack([rise, fall, 1 - cosine], axis=1).reshape(-1, len(OF_CHANGES))


def opencv() -> ModuleType:
    """OpenCV, imported where it is used; on one thread, which is quicker for pictures as small as these."""
    import cv2

    cv2.setNumThreads(1)
    return cv2
