"""When the frames of a video are shown, and how to decode some of them without all the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame

from encoders.decoding import CannotDecode
from encoders.media import Opened

INDEXED = ("mov", "matroska")
"""Containers, among FFmpeg's names of each, that know where every key frame begins."""
WORTH = 8
"""Frames that are rather decoded than jumped over: a jump empties the decoder."""


class Inexact(CannotDecode):
    """A jump led to other frames than the file promises."""


class Timeline(NamedTuple):
    """The frames of a video in the order in which they are shown.

    Attributes:
        stamps: what the file says of when each is shown, in units of `tick`; None where it does not say so of
            every frame.
        keys: which can be decoded without others, (N,) bool.
        tick: seconds.
        last: how long the last one is shown, in ticks; 0 if the file does not say.
    """

    stamps: np.ndarray | None
    keys: np.ndarray
    tick: float = 0.0
    last: int = 0

    @classmethod
    def of(cls, media: Opened) -> Timeline:
        """That of an open file, whose packets are read to the end and not decoded."""
        packets = [p for p in media.packets() if p.size and not p.is_discard]
        keys = np.array([p.is_keyframe for p in packets], dtype=bool)
        stamps = [p.pts for p in packets if p.pts is not None]
        known = len(set(stamps)) == len(packets) > 0
        if media.stream.time_base is None or not known:
            return cls(None, keys)
        order = np.argsort(stamps)
        last = packets[order[-1]].duration or 0
        return cls(np.array(stamps, np.int64)[order], keys[order], float(media.stream.time_base), last)

    @property
    def period(self) -> float:
        """Ticks from frame to frame: the commonest where they differ; 0 if that is not known."""
        return 0.0 if self.stamps is None or len(self.stamps) < 2 else float(np.median(np.diff(self.stamps)))

    @property
    def even(self) -> bool:
        """Whether each frame is shown within half a frame of where an even rate would have it."""
        if self.stamps is None or len(self.stamps) < 3:
            return True
        first, last = self.stamps[0], self.stamps[-1]
        grid = np.linspace(first, last, len(self.stamps))
        half = (last - first) / (len(self.stamps) - 1) / 2
        return bool(np.abs(self.stamps - grid).max() < half)

    @property
    def end(self) -> float:
        """Seconds from the first frame until the last one is over; 0 if that is not known."""
        if self.stamps is None or not len(self.stamps):
            return 0.0
        return float(self.stamps[-1] - self.stamps[0] + (self.last or self.period)) * self.tick

    @property
    def slots(self) -> int:
        """How many frames there are; at a variable rate, how many there would be at an even one."""
        if self.even or not self.period:
            return len(self.keys)
        return max(1, round(self.end / self.tick / self.period))

    def shown(self, slot: int) -> int:
        """The frame that is seen in a slot, each of which is one period long."""
        if self.even or self.stamps is None:
            return slot
        moment = self.stamps[0] + (slot + 0.5) * self.period
        return int(np.searchsorted(self.stamps, moment, side="right")) - 1

    def jumping(self, media: Opened, wanted: list[int]) -> Iterator[tuple[int, VideoFrame]]:
        """The wanted frames with their places, going on from the last key frame before each that is far.

        A frame is recognised by its stamp. What is shown before a key frame, but stored after it, may lean on
        frames further back, and is decoded from the key frame before.

        Raises:
            Inexact: a frame does not come up where it should, so all are to be decoded in turn.
        """
        if self.stamps is None or not set(INDEXED) & set(media.container.format.name.split(",")):
            yield from in_turn(media, wanted)
            return
        places = {stamp: place for place, stamp in enumerate(self.stamps.tolist())}
        starts = np.flatnonzero(self.keys)
        frames, last = media.frames(), -1
        for target in wanted:
            start = starts[np.searchsorted(starts, target, side="right") - 1] if len(starts) else 0
            if last + WORTH < start <= target:
                frames = self._from(media, int(self.stamps[start]))
            for frame in frames:
                last = places.get(frame.pts, len(places))
                if last > target:
                    raise Inexact
                if last == target:
                    yield target, frame
                    break

    def _from(self, media: Opened, stamp: int) -> Iterator[VideoFrame]:
        try:
            media.seek(stamp)
        except FFmpegError as error:
            raise Inexact from error
        return media.frames()


def in_turn(media: Opened, wanted: list[int]) -> Iterator[tuple[int, VideoFrame]]:
    """The wanted frames with their places, which are counted from the first."""
    for place, frame in enumerate(media.frames() if wanted else ()):
        if place in wanted:
            yield place, frame
        if place >= wanted[-1]:
            break
