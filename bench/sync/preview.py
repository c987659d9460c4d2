"""A video with another sound: the picture stream copied as it is, the new sound at an offset."""

from __future__ import annotations

import os
from pathlib import Path

import av
import numpy as np

from bench.errors import DataError
from encoders.audio import decode
from encoders.decoding import CannotDecode
from encoders.media import opened

HERTZ = 44100
CHUNK = 1024
FADE = 0.02
"""Seconds in which the sound starts and ends."""


def write_preview(video: Path, track: Path, offset: float, seconds: float, out: Path) -> None:
    """Write an MP4 with the pictures of one file and the sound of another.

    Args:
        video: whose picture stream is copied, packet by packet.
        track: whose sound is heard.
        offset: which moment of the track is heard at the start of the video, in seconds; negative: the sound
            begins that much later.
        seconds: length of the sound.
        out: written aside and renamed.

    Raises:
        DataError: the pictures are in no form that an MP4 can hold, or the sound cannot be decoded.
    """
    sound = _placed(decode(track, max(0.0, offset) + seconds, HERTZ), offset, seconds)
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = out.with_name(f".{out.name}.{os.getpid()}.mp4")
    try:
        with opened(video, "video") as media, av.open(aside, "w", format="mp4") as target:
            pictures = target.add_stream_from_template(media.stream)
            heard = target.add_stream("aac", rate=HERTZ, layout="mono")
            for packet in media.packets():
                if packet.dts is not None:
                    packet.stream = pictures
                    target.mux(packet)
            for start in range(0, len(sound), CHUNK):
                frame = av.AudioFrame.from_ndarray(sound[None, start : start + CHUNK], "fltp", "mono")
                frame.sample_rate, frame.pts = HERTZ, start
                target.mux(heard.encode(frame))
            target.mux(heard.encode(None))
        aside.replace(out)
    except (av.FFmpegError, ValueError, CannotDecode) as error:
        reason = " ".join(str(error).split())[:160]
        raise DataError(f"no preview of {video.name} can be written ({reason}).") from None
    finally:
        aside.unlink(missing_ok=True)


def _placed(wave: np.ndarray, offset: float, seconds: float) -> np.ndarray:
    """The part of a sound that is heard, of this length, silent where there is none; ends faded."""
    begin = round(offset * HERTZ)
    heard = wave[max(0, begin) :]
    heard = np.pad(heard, (max(0, -begin), 0))[: round(seconds * HERTZ)]
    fade = np.minimum(np.arange(len(heard)), np.arange(len(heard))[::-1]) / (FADE * HERTZ)
    heard = heard * np.minimum(fade, 1.0)
    return np.pad(heard, (0, max(0, round(seconds * HERTZ) - len(heard)))).astype(np.float32)
