"""Opening video and audio files with PyAV (FFmpeg), as files from anywhere: one file, nothing beside it.

FFmpeg knows formats that are lists of other files or addresses (HLS, concat, DASH, SDP, numbered images) and
tells a format by the content, whatever the name. Only the containers of FORMATS are opened, the others not
even read; the file is read by this module, and FFmpeg is refused every further one.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from encoders.decoding import CannotDecode, decoding

FORMATS = (
    *("mov", "matroska", "avi", "flv", "asf", "mpeg", "mpegts", "ogg", "gif"),
    *("wav", "w64", "mp3", "aac", "ac3", "flac", "aiff", "caf", "au", "amr", "wv", "tta", "voc"),
)
"""FFmpeg's names of the containers that are opened; "mov" is MP4 too, "matroska" WebM."""
STRETCH = 2**26
"""Bytes that are read for one packet at most: without a frame in 64 MB, there will be none."""
PACKETS = 2**22
"""Packets of one file, over a day of video and sound."""
PIXELS = 2**26
"""Pixels of one frame, twice those of 8K."""
RATES = range(100, 2**20)
"""Sampling rates of sound in Hz; resampling from others takes gigabytes."""
SECONDS = 600.0
"""Processor time for one file."""
OPTIONS = {
    "format_whitelist": ",".join(FORMATS),
    "protocol_whitelist": "file",
    "max_pixels": str(PIXELS),
}


class _Limited(io.FileIO):
    """A file that ends where reading on is hopeless: after STRETCH bytes without a packet, or SECONDS.

    It ends instead of raising, because FFmpeg reads on after an error, and PyAV prints the second one.
    """

    def __init__(self, path: Path):
        super().__init__(path)
        self.start = time.process_time()
        self.unrewarded = 0
        self._fault = ""

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size) or b""
        self.unrewarded += len(data)
        if self.unrewarded > STRETCH:
            self._fault = f"{STRETCH >> 20} MB of it hold no frame"
        return b"" if self._exhausted() else data

    def _exhausted(self) -> bool:
        if time.process_time() - self.start > SECONDS:
            self._fault = f"decoding it takes more than {SECONDS / 60:.0f} minutes"
        return bool(self._fault)

    def check(self) -> None:
        """Raise CannotDecode if a limit was reached."""
        if self._exhausted():
            raise CannotDecode(self._fault)


class Opened:
    """An open file and one of its streams.

    Attributes:
        container: the file.
        stream: its first video or audio stream.
    """

    def __init__(self, file: _Limited, container: InputContainer, kind: str):
        streams = container.streams.video if kind == "video" else container.streams.audio
        # the picture of a record's cover is no video
        moving = [one for one in streams if not one.disposition & Disposition.attached_pic]
        if not moving:
            raise CannotDecode(f"it has no {kind} stream")
        self.container = container
        self.stream: VideoStream | AudioStream = moving[0]
        self._file = file
        self._check_size()

    def _check_size(self) -> None:
        if self.stream.codec_context is None:
            raise CannotDecode("there is no decoder for its codec")
        if isinstance(self.stream, VideoStream):
            codec = self.stream.codec_context
            codec.options = {"max_pixels": OPTIONS["max_pixels"]}  # a stream may grow on its way
            if codec.width * codec.height > PIXELS:
                raise CannotDecode(f"its frames have {codec.width} x {codec.height} pixels")

    def packets(self) -> Iterator[Packet[Any]]:
        """The packets of the stream, within the limits; the last ones are empty and flush the decoder."""
        for number, packet in enumerate(self.container.demux()):  # of all streams: each shows that it goes on
            self._file.unrewarded = 0
            self._file.check()
            if number >= PACKETS:
                raise CannotDecode(f"it has more than {PACKETS:,} packets")
            if packet.stream_index == self.stream.index:
                yield packet
        self._file.check()

    def frames(self) -> Iterator[Any]:
        """The decoded frames of the stream, av.VideoFrame or av.AudioFrame."""
        for packet in self.packets():
            for frame in packet.decode():
                if isinstance(frame, av.AudioFrame) and frame.sample_rate not in RATES:
                    raise CannotDecode(f"its sampling rate is {frame.sample_rate} Hz")
                yield frame

    def seek(self, stamp: int) -> None:
        """Go on from the last key frame up to a moment, which is in the stream's own units."""
        self.container.seek(stamp, stream=self.stream)
        self._file.unrewarded = 0

    @property
    def start(self) -> float:
        """When the stream begins, in seconds after the file does: the other stream may begin earlier."""
        starts, base = self.stream.start_time, self.stream.time_base
        if starts is None or base is None or self.container.start_time is None:
            return 0.0
        begins = float(starts * base)
        return max(0.0, begins - self.container.start_time / av.time_base)

    @property
    def duration(self) -> float:
        """The stated length in seconds, 0 if the file states none."""
        if self.stream.duration and self.stream.time_base:
            return float(self.stream.duration * self.stream.time_base)
        return self.container.duration / av.time_base if self.container.duration else 0.0


@contextmanager
def opened(path: Path, kind: str) -> Iterator[Opened]:
    """Open a file and its first stream of a kind, "video" or "audio".

    Every fault of the file, here or in the body of the ``with``, becomes CannotDecode.
    """
    with decoding(path), _Limited(path) as file:
        try:
            container = av.open(file, "r", options=OPTIONS, metadata_errors="replace", io_open=_refuse)
        except av.FFmpegError as error:
            file.check()
            if isinstance(error, av.ArgumentError):  # FFmpeg's answer for a format that is not on the list
                raise CannotDecode("it is in no video or audio format that is read here") from error
            raise
        with container:
            yield Opened(file, container, kind)


def _refuse(url: str, flags: int, options: dict[str, str]) -> NoReturn:
    raise CannotDecode("it refers to another file")
