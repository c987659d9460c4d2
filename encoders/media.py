"""Opening video and audio files with PyAV (FFmpeg)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from encoders.base import CannotDecode, reason


@contextmanager
def opened(path: Path, kind: str) -> Iterator[tuple[InputContainer, VideoStream | AudioStream]]:
    """Open a file and its first stream of a kind, "video" or "audio".

    Every fault of the file, here or in the body of the ``with``, becomes CannotDecode.
    """
    try:
        # A playlist may name addresses elsewhere; only this machine's files are read.
        with av.open(
            str(path), options={"protocol_whitelist": "file"}, metadata_errors="replace"
        ) as container:
            streams = container.streams.video if kind == "video" else container.streams.audio
            if not streams:
                raise CannotDecode(f"it has no {kind} stream")
            yield container, streams[0]
    except (av.FFmpegError, OSError, ValueError) as error:
        raise CannotDecode(reason(error, path)) from error


def duration(container: InputContainer, stream: VideoStream | AudioStream) -> float:
    """The stated length in seconds, 0 if the file states none."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else 0.0
