"""Media files that claim, or are, more than can be read: a part is taken, or they are given up."""

import struct

import numpy as np
import pytest
from media import one, save_video
from strangers import ENCODERS, refused

from encoders import Feature, audio, media, video

pytestmark = pytest.mark.usefixtures("nothing_to_be_found")


def wav(rate=8000, channels=1, length=2**31):
    layout = struct.pack("<HHIIHH", 1, channels, rate, rate * channels % 2**32, channels % 2**16, 8)
    return (
        b"RIFF"
        + struct.pack("<I", length)
        + b"WAVEfmt \x10\0\0\0"
        + layout
        + b"data"
        + struct.pack("<I", length)
    )


def sparse(path, head=b"", size=2**30):
    with path.open("wb") as file:
        file.write(head)
        file.truncate(size)
    return path


def test_of_a_sound_of_days_a_minute_is_read(tmp_path, monkeypatch):
    path = sparse(tmp_path / "a.wav", wav())
    read = []

    class Counted(media._Limited):
        def read(self, size=-1, /):
            data = super().read(size)
            read.append(len(data))
            return data

    monkeypatch.setattr(media, "_Limited", Counted)
    assert len(audio.decode(path, 60)) == 60 * audio.RATE
    assert sum(read) < 2**21


@pytest.mark.parametrize("suffix", [".mp3", ".wav", ".mp4", ".flac", ".aac"])
def test_a_gigabyte_of_nothing_is_given_up(tmp_path, monkeypatch, capfd, suffix):
    monkeypatch.setattr(media, "STRETCH", 2**22)
    refused(sparse(tmp_path / f"a{suffix}"), "audio", capfd)
    refused(sparse(tmp_path / f"b{suffix}", b"ID3\4\0\0\0\0\0\0"), "audio", capfd)


@pytest.mark.parametrize("rate", [0, 1, 2**31 - 1])
def test_an_absurd_sampling_rate(tmp_path, capfd, rate):
    refused(sparse(tmp_path / "a.wav", wav(rate=rate), 2**20), "audio", capfd)


@pytest.mark.parametrize("channels", [0, 1000, 65535])
def test_an_absurd_number_of_channels(tmp_path, capfd, channels):
    refused(sparse(tmp_path / "a.wav", wav(channels=channels), 2**20), "audio", capfd)


@pytest.mark.parametrize(
    ("constant", "value", "reason"),
    [
        ("PACKETS", 5, "it has more than 5 packets"),
        ("SECONDS", -1.0, "takes more than"),
        ("PIXELS", 100, "its frames have 64 x 48 pixels"),
        ("STRETCH", 100, "hold no frame"),
    ],
)
def test_limits_for_one_file(tmp_path, monkeypatch, capfd, constant, value, reason):
    path = save_video(tmp_path / "a.mp4")
    assert isinstance(one(ENCODERS["video"], path), Feature)
    monkeypatch.setattr(media, constant, value)
    assert reason in refused(path, "video", capfd)


def test_packets_of_other_streams_show_that_a_file_goes_on(tmp_path, monkeypatch):
    path = save_video(tmp_path / "a.mkv", frames=1500)  # its sound ends after a second
    alone = audio.decode(path, 60)
    little = media.OPTIONS | {"probesize": "5000"}  # else opening reads all of it
    monkeypatch.setattr(media, "OPTIONS", little)
    monkeypatch.setattr(media, "STRETCH", path.stat().st_size // 2)
    assert np.array_equal(audio.decode(path, 60), alone)
    assert len(video.decode(path, video.pairs, 32).pixels) == 32
