"""Sounds of every awkward kind are heard as the plain one of the same content is, or are refused by name."""

import av
import numpy as np
import pytest
from media import one, save_sound, save_video
from strangers import ENCODERS

from encoders import Feature, Undecodable
from encoders.audio import RATE, decode

SECONDS = 2.0
STEREO, ALL_ROUND = np.sqrt(2), 2 + np.sqrt(2)
"""How much louder the same sound is in two channels, and in five around; see `audio.decode`."""


def tone(rate: int) -> np.ndarray:
    """Two tones that get louder, below what 8 kHz can hold."""
    at = np.arange(int(SECONDS * rate)) / rate
    return 0.05 * (1 + at) * (np.sin(2 * np.pi * 440 * at) + np.sin(2 * np.pi * 1250 * at))


def save(path, codec="pcm_s16le", fmt="s16", rate=16000, layout="mono", into=None):
    """Write the tones, in every channel (but that for the bass) or in one of them."""
    channels = len(av.AudioLayout(layout).channels)
    wave = np.zeros((channels, int(SECONDS * rate)))
    heard = [into] if into is not None else [n for n in range(channels) if channels < 6 or n != 3]
    wave[heard] = tone(rate)
    scale = {"u8": 127, "s16": 2**15 - 1, "s32": 2**31 - 1}.get(fmt.rstrip("p"), 1)
    kind = {"u8": np.uint8, "s16": np.int16, "s32": np.int32, "dbl": np.float64}.get(
        fmt.rstrip("p"), np.float32
    )
    samples = (wave * scale + (128 if fmt == "u8" else 0)).astype(kind)
    if not fmt.endswith("p"):
        samples = np.ascontiguousarray(samples.T).reshape(1, -1)
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(samples, format=fmt, layout=layout)
        frame.sample_rate = rate
        out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


RIGHT = {
    **{f"{rate}.wav": ({"rate": rate}, 1) for rate in (8000, 11025, 16000, 22050, 44100, 48000, 96000)},
    "8-bit.wav": ({"codec": "pcm_u8", "fmt": "u8"}, 1),
    "24-bit.wav": ({"codec": "pcm_s24le", "fmt": "s32"}, 1),
    "32-bit.wav": ({"codec": "pcm_s32le", "fmt": "s32"}, 1),
    "float.wav": ({"codec": "pcm_f32le", "fmt": "flt"}, 1),
    "double.wav": ({"codec": "pcm_f64le", "fmt": "dbl"}, 1),
    "stereo.wav": ({"layout": "stereo", "rate": 44100}, STEREO),
    "left.wav": ({"layout": "stereo", "into": 0}, 1 / STEREO),
    "5.1.wav": ({"layout": "5.1", "rate": 48000}, ALL_ROUND),
    "5.1-centre.wav": ({"layout": "5.1", "rate": 48000, "into": 2}, 1),
    "7.1-centre.wav": ({"layout": "7.1", "into": 2}, 1),
    "lossless.flac": ({"codec": "flac", "layout": "stereo", "rate": 44100}, STEREO),
    "track.mp4": ({"codec": "aac", "fmt": "fltp", "rate": 44100}, 1),
    "track.mka": ({"codec": "pcm_s16be"}, 1),
    "a-wave.mp3": ({}, 1),
}
"""File -> how the tones are written, and how loud they are then."""


@pytest.mark.parametrize("name", RIGHT)
def test_an_awkward_sound_is_what_it_is(tmp_path, capfd, name):
    how, loud = RIGHT[name]
    path = tmp_path / name
    if name == "a-wave.mp3":
        save(tmp_path / "a.wav").rename(path)
    else:
        save(path, **how)
    wave, plain = decode(path, 60), tone(RATE)
    assert wave.dtype == np.float32
    assert len(wave) == pytest.approx(SECONDS * RATE, abs=0.05 * RATE)  # codecs pad
    heard, expected = spectrum(wave), spectrum(plain)
    for pitch in (440, 1250):
        assert heard[pitch] == pytest.approx(loud * expected[pitch], rel=0.03)
    assert isinstance(one(ENCODERS["audio"], path), Feature)
    assert "".join(capfd.readouterr()) == ""


def spectrum(wave: np.ndarray) -> dict[int, float]:
    """The strength of both tones over the middle second."""
    middle = wave[RATE // 2 : RATE * 3 // 2]
    at = np.arange(RATE) / RATE
    return {pitch: abs((middle * np.exp(-2j * np.pi * pitch * at)).mean()) for pitch in (440, 1250)}


def test_loudness_is_all_that_channels_change(tmp_path):
    """Of logmel's 133 numbers: power in tens of dB moves by a constant, all else stays."""
    mono = one(ENCODERS["audio"], save(tmp_path / "a.wav")).values
    stereo = one(ENCODERS["audio"], save(tmp_path / "b.wav", layout="stereo")).values
    strong = mono[:40] > -6
    assert (stereo - mono)[:40][strong] == pytest.approx(2 * np.log10(STEREO), abs=0.02)
    assert stereo[125:132] == pytest.approx(mono[125:132], abs=0.05)


def test_sound_of_a_film(tmp_path):
    wave = decode(save_video(tmp_path / "a.mp4"), 60)
    assert len(wave) == pytest.approx(RATE, rel=0.1)
    assert wave.std() > 0.1


@pytest.mark.parametrize(("samples", "rate"), [(1, 8000), (50, 16000), (399, 16000), (2, 96000)])
def test_a_very_short_sound_is_padded_or_named(tmp_path, samples, rate):
    result = one(ENCODERS["audio"], save_sound(tmp_path / "a.wav", np.ones(samples) / 2, rate))
    assert isinstance(result, Feature) or result == Undecodable("it has no sample")
    assert isinstance(result, Feature) or samples <= 2


def test_silence_and_nothing(tmp_path):
    silent = one(ENCODERS["audio"], save_sound(tmp_path / "a.wav", np.zeros(16000)))
    assert np.isfinite(silent.values).all()
    assert silent.values[:40] == pytest.approx(-10)
    empty = one(ENCODERS["audio"], save_sound(tmp_path / "b.wav", np.zeros(0)))
    assert isinstance(empty, Undecodable)


def test_beyond_full_scale_nothing_is_clipped(tmp_path):
    path = tmp_path / "a.wav"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("pcm_f32le", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(20 * tone(RATE).astype(np.float32)[None], "flt", "mono")
        frame.sample_rate = RATE
        out.mux(stream.encode(frame))
    assert decode(path, 60) == pytest.approx(20 * tone(RATE), abs=1e-3)


def test_a_cut_sound_is_heard_as_far_as_it_goes(tmp_path):
    path = save(tmp_path / "a.wav")
    path.write_bytes(path.read_bytes()[:40000])
    wave = decode(path, 60)
    assert wave == pytest.approx(tone(RATE)[: len(wave)], abs=1e-3)
    assert len(wave) == pytest.approx(20000, abs=100)
