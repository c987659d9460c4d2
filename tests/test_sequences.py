"""Sequences per time step: the clock, what is heard of music and seen of motion, whatever holds them."""

import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from media import one

import encoders
from encoders import Undecodable, UnknownEncoder
from encoders.clock import events, pooled, steps, times
from encoders.motion import COLUMNS as MOTION
from encoders.music import COLUMNS as MUSIC
from encoders.music import HERTZ, _spectra, phase, rhythm, sound

CLICKS = 0.25 + 0.5 * np.arange(8)
"""Seconds of the clicks: 120 beats a minute."""


def clicks(rate: int = 44100, seconds: float = 4.5, channels: int = 1) -> np.ndarray:
    """A short tone at every one of CLICKS, (channels, samples)."""
    at = np.arange(int(seconds * rate)) / rate
    since = at[:, None] - CLICKS
    tone = np.where(
        since >= 0, np.exp(-np.maximum(since, 0) / 0.02) * np.sin(2 * np.pi * 900 * since), 0
    ).sum(1)
    return np.repeat(0.5 * tone[None], channels, axis=0)


def save_wave(path: Path, samples: np.ndarray, rate: int) -> Path:
    with wave.open(str(path), "wb") as out:
        out.setparams((len(samples), 2, rate, 0, "NONE", "not compressed"))
        out.writeframes((samples.T * 32767).astype("<i2").tobytes())
    return path


def scene(size: int = 120, shift: float = 0.0, seed: int = 0) -> np.ndarray:
    """A grey picture (size, 160 / 120 size) of smooth random texture, moved to the right."""
    across, down = np.meshgrid(np.arange(size * 4 // 3) / size - shift, np.arange(size) / size)
    waves = np.random.default_rng(seed).normal(0, 9, (12, 2))
    phases = np.random.default_rng(seed + 1).uniform(0, 6, 12)
    total = sum(np.sin(x * across + y * down + p) for (x, y), p in zip(waves, phases, strict=True))
    return np.clip(128 + 22 * total, 0, 255).astype(np.uint8)


def save_pictures(
    path: Path, pictures: list, at: list | None = None, rate: int = 30, turned: int = 0
) -> Path:
    """Write grey pictures as nearly lossless video, at some moments in seconds or evenly."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=rate)
        stream.height, stream.width = pictures[0].shape
        stream.pix_fmt, stream.bit_rate = "yuv420p", 8_000_000
        stream.codec_context.time_base = Fraction(1, 600)
        if turned:
            stream.set_display_rotation(turned)
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="gray").reformat(format="yuv420p")
            frame.time_base = Fraction(1, 600)
            frame.pts = round(600 * (number / rate if at is None else at[number]))
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def hears(path: Path) -> np.ndarray:
    return one(encoders.get("audio", "music"), path).values


def sees(path: Path, rate: int = 15) -> np.ndarray:
    return one(encoders.get("video", "flow", rate=rate), path).values


def column(values: np.ndarray, name: str, names: tuple[str, ...] = MOTION) -> np.ndarray:
    return values[:, names.index(name)]


# ---------------------------------------------------------------------------------------------- clock


def test_a_step_has_the_mean_over_its_time():
    starts, ends = np.array([0.0, 0.25]), np.array([0.25, 1.0])
    values = np.array([[4.0], [8.0]])
    assert pooled(starts, ends, values, 1.0, 2).ravel() == pytest.approx([6.0, 8.0])
    # a stretch that ends early leaves the rest at 0
    assert pooled(starts, np.array([0.25, 0.5]), values, 1.5, 2).ravel() == pytest.approx([6.0, 0, 0])
    # of a step that the file cuts short, the mean over what there is
    assert pooled(starts, ends, values, 0.75, 2).ravel() == pytest.approx([6.0, 8.0])
    # a gap between two stretches, too
    assert pooled(np.array([0.0, 0.75]), np.array([0.25, 1.0]), values, 1.0, 2).ravel() == pytest.approx(
        [2, 4]
    )
    assert pooled(np.zeros(0), np.zeros(0), np.zeros((0, 3)), 0.1, 15).tolist() == [[0.0] * 3] * 2


def test_an_event_counts_one_wherever_it_falls(rng):
    at = np.sort(rng.uniform(0, 9.9, 30)) + 0.03 * np.arange(30)
    counted = pooled(*events(at, 0.02, 15), 12.0, 15)
    assert counted.sum() == pytest.approx(30)
    assert np.array_equal(np.flatnonzero(pooled(*events(np.array([1.0 + 1 / 30]), 0.02, 15), 2.0, 15)), [15])


@pytest.mark.parametrize(
    ("seconds", "count"), [(0.0, 1), (1 / 15, 1), (0.1, 2), (2.0, 30), (2.001, 30), (2.01, 31)]
)
def test_steps_cover_the_file(seconds, count):
    assert steps(seconds, 15) == count
    assert times(count, 15)[-1] == pytest.approx((count - 0.5) / 15)


@pytest.mark.parametrize(("modality", "name"), [("audio", "music"), ("video", "flow")])
def test_the_rate_is_an_option(modality, name):
    for rate in (1, 61, 15.0, "15"):
        with pytest.raises(UnknownEncoder, match="rate must be a whole number of 2 to 60"):
            encoders.get(modality, name, rate=rate)


def test_both_sequences_are_on_one_clock(short_folder):
    path = sorted((short_folder / "videos").iterdir())[0]
    for rate in (15, 30):
        heard, seen = (
            one(encoders.get(m, n, rate=rate), path) for m, n in (("audio", "music"), ("video", "flow"))
        )
        both = min(len(heard.times), len(seen.times))
        assert abs(len(heard.times) - len(seen.times)) <= 0.07 * rate  # AAC fills its last frame
        assert np.array_equal(heard.times[:both], seen.times[:both])
        assert heard.times[:2] == pytest.approx([0.5 / rate, 1.5 / rate])
        assert (heard.values.shape[1], seen.values.shape[1]) == (len(MUSIC), len(MOTION))


# ---------------------------------------------------------------------------------------------- music


def test_onsets_tempo_and_beats_of_clicks(tmp_path):
    heard = rhythm(_spectra(sound(save_wave(tmp_path / "a.wav", clicks(), 44100)))[0])
    peaks = [
        heard.at[abs(heard.at - moment) < 0.2][heard.onset[abs(heard.at - moment) < 0.2, 0].argmax()]
        for moment in CLICKS
    ]
    assert peaks == pytest.approx(CLICKS, abs=0.02)
    assert np.median(heard.tempo) == pytest.approx(120, abs=3)
    found = heard.beats[(heard.beats > 0.5) & (heard.beats < 3.5)]
    assert found == pytest.approx(CLICKS[1:-1][: len(found)], abs=0.03)
    assert len(found) == 6
    assert heard.pulse.max() <= 1


def test_phase_goes_on_before_and_after_the_beats():
    assert phase(np.array([1.0, 1.5, 2.5]), np.array([1.0, 1.25, 2.0])) == pytest.approx([0, 0.5, 1.5])
    assert phase(np.array([1.0, 1.5, 2.0]), np.array([0.0, 0.75, 2.5, 3.25])) == pytest.approx(
        [-2, -0.5, 3, 4.5]
    )
    assert np.isnan(phase(np.array([1.0]), np.array([0.0, 2.0]))).all()


@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (48000, 1), (48000, 2), (22050, 1)])
def test_music_hardly_depends_on_rate_and_channels(tmp_path, rate, channels):
    plain = hears(save_wave(tmp_path / "a.wav", clicks(), 44100))
    other = hears(save_wave(tmp_path / "b.wav", clicks(rate, channels=channels), rate))
    assert np.abs(other - plain).max() / plain.std(axis=0).max() < 0.02


def test_music_does_not_depend_on_the_volume(tmp_path):
    plain = hears(save_wave(tmp_path / "a.wav", clicks(), 44100))
    quiet = hears(save_wave(tmp_path / "b.wav", clicks() / 4, 44100))
    assert quiet == pytest.approx(plain, abs=0.1)  # rounded to 16 bits


def test_silence_has_no_rhythm_and_no_harmony(tmp_path):
    silent = hears(save_wave(tmp_path / "a.wav", np.zeros((1, 66150)), 44100))
    assert np.isfinite(silent).all()
    of_sound = [MUSIC.index("loudness"), *(i for i, name in enumerate(MUSIC) if name.startswith("mel_"))]
    assert not np.delete(silent, of_sound, axis=1).any()
    assert np.ptp(silent, axis=0).max() < 1e-6


def test_a_very_short_sound_is_one_step(tmp_path):
    assert hears(save_wave(tmp_path / "a.wav", clicks()[:, 11025:11125], 44100)).shape == (1, len(MUSIC))


def test_a_video_without_sound_has_no_music(tmp_path):
    result = one(encoders.get("audio", "music"), save_pictures(tmp_path / "a.mp4", [scene()] * 4))
    assert isinstance(result, Undecodable)
    assert result.reason == "it has no audio stream"


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_a_track_that_begins_late_is_late(tmp_path, container):
    path = tmp_path / f"late.{container}"
    with av.open(str(path), "w") as out:
        picture = out.add_stream("mpeg4", rate=10)
        picture.height, picture.width = scene().shape
        picture.pix_fmt = "yuv420p"
        voice = out.add_stream("aac", rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(clicks().astype(np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 44100, 44100, Fraction(1, 44100)
        for packet in [*voice.encode(frame), *voice.encode(None)]:
            out.mux(packet)
        for _ in range(55):
            still = av.VideoFrame.from_ndarray(scene(), format="gray").reformat(format="yuv420p")
            out.mux(picture.encode(still))
        out.mux(picture.encode())
    late = sound(path)
    first = np.flatnonzero(np.abs(late) > 0.2 * np.abs(late).max())[0] / HERTZ
    assert first == pytest.approx(1.25, abs=0.01)


# --------------------------------------------------------------------------------------------- motion

SPEED = 0.15
"""Picture heights of 120 pixels a second; of the longer side, three quarters of it."""


def panned(count: int = 60, size: int = 120) -> list[np.ndarray]:
    """A texture that moves to the right for the first half, then to the left; 30 frames a second."""
    there = np.minimum(np.arange(count), count - np.arange(count)) * SPEED / 30
    return [scene(size, shift) for shift in there]


def test_flow_has_the_speed_and_the_direction_of_the_picture(tmp_path):
    seen = sees(save_pictures(tmp_path / "a.mp4", panned()))
    assert seen.shape == (30, len(MOTION))
    assert column(seen, "speed")[2:13] == pytest.approx(0.75 * SPEED, rel=0.3)  # less at the edges
    assert column(seen, "camera_x")[2:13] == pytest.approx(0.75 * SPEED, rel=0.2)
    assert column(seen, "camera_x")[17:28] == pytest.approx(-0.75 * SPEED, rel=0.2)
    assert np.abs(column(seen, "camera_y")).max() < 0.01
    # what the camera does is no motion of what it shows
    assert column(seen, "local").max() < 0.3 * SPEED


def moving(count: int = 60, size: int = 120, factor: float = 1.0) -> list[np.ndarray]:
    """A bright square that stands, moves to the right from 1 s, and down from 1.5 s; 30 frames a second."""
    pictures = []
    for number in range(count):
        right = 2.0 * min(max(number - 30, 0), 15)
        down = 2.0 * max(number - 45, 0)
        picture = scene(size) // 2
        x, y = (round(size / 120 * value) for value in (40 + right, 30 + down))
        side = size // 3
        picture[y : y + side, x : x + side] = 128 + scene(size, seed=5)[:side, :side] // 2
        pictures.append(np.clip(picture * factor, 0, 255).astype(np.uint8))
    return pictures


def test_speeding_up_and_turning_are_seen_when_they_happen(tmp_path):
    seen = sees(save_pictures(tmp_path / "a.mp4", moving()))
    assert column(seen, "local")[:14].max() < 0.1 * column(seen, "local")[16:].min()
    assert column(seen, "acceleration").argmax() in (14, 15)  # 1 s is where step 15 begins
    assert column(seen, "turn")[4:].argmax() + 4 in (14, 15, 22)
    assert column(seen, "turn")[[22, 23]].max() > 0.2
    assert column(seen, "towards_0")[18] > 3 * column(seen, "towards_270")[18]
    assert column(seen, "towards_270")[26] > 3 * column(seen, "towards_0")[26]


def test_a_still_picture_does_not_move(tmp_path):
    seen = sees(save_pictures(tmp_path / "a.mp4", [scene()] * 30))
    still = [i for i, name in enumerate(MOTION) if name not in ("brightness", "contrast")]
    assert np.abs(seen[:, still]).max() < 0.05
    single = sees(save_pictures(tmp_path / "b.mp4", [scene()]))
    assert single.shape == (1, len(MOTION))
    assert not single[:, still].any()
    flat = sees(save_pictures(tmp_path / "c.mp4", [np.full((120, 160), 90, np.uint8)] * 5))
    assert np.isfinite(flat).all()
    assert not flat[:, still].any()


def test_a_cut_is_one_cut_and_no_motion(tmp_path):
    pictures = [scene(seed=0)] * 31 + [scene(seed=7)] * 30
    cut = sees(save_pictures(tmp_path / "a.mp4", pictures))
    assert column(cut, "cut").sum() == pytest.approx(1, abs=1e-3)
    assert column(cut, "cut")[[14, 15]].sum() == pytest.approx(1, abs=1e-3)
    assert column(cut, "speed").max() < 0.05


def test_light_is_neither_motion_nor_a_cut(tmp_path):
    brighter = [*moving(30, factor=0.7)[:15], *moving(30)[15:]]
    lit = sees(save_pictures(tmp_path / "a.mp4", brighter))
    assert column(lit, "cut").sum() == 0
    assert column(lit, "lighting").max() > 0.5
    assert column(lit, "local").max() < 0.05
    assert np.diff(column(lit, "brightness")).max() > 0.05


def test_a_variable_frame_rate_changes_little(tmp_path):
    every = panned()
    kept = [n for n in range(60) if n % 4 != 1]  # gaps of one and of two thirtieths
    even = sees(save_pictures(tmp_path / "a.mp4", every))
    uneven = sees(save_pictures(tmp_path / "b.mkv", [every[n] for n in kept], [n / 30 for n in kept]))
    assert len(even) == len(uneven)
    camera = MOTION.index("camera_x")
    assert np.corrcoef(even[:, camera], uneven[:, camera])[0, 1] > 0.99
    assert uneven[2:13, camera] == pytest.approx(even[2:13, camera], rel=0.1)


def test_a_picture_that_stands_for_long_moves_only_at_its_end(tmp_path):
    first, second = scene(), scene(shift=0.02)
    seen = sees(save_pictures(tmp_path / "a.mkv", [first, first, second, second], [0, 0.1, 2.0, 2.1]))
    assert column(seen, "speed")[4:26].max() < 1e-3
    assert column(seen, "speed")[27:30].min() > 0.05


def test_a_turned_video_is_seen_upright(tmp_path):
    plain = sees(save_pictures(tmp_path / "a.mp4", moving()))
    lying = [np.ascontiguousarray(np.rot90(picture, -1)) for picture in moving()]
    turned = sees(save_pictures(tmp_path / "b.mp4", lying, turned=90))
    for name in ("local", "mean_x", "mean_y", "towards_0", "towards_270", "acceleration"):
        assert np.corrcoef(column(plain, name), column(turned, name))[0, 1] > 0.99, name


@pytest.mark.parametrize(("container", "size"), [("mkv", 120), ("avi", 120), ("mp4", 240)])
def test_container_and_size_change_little(tmp_path, container, size):
    plain = sees(save_pictures(tmp_path / "a.mp4", moving()))
    other = sees(save_pictures(tmp_path / f"b.{container}", moving(size=size)))
    assert plain.shape == other.shape
    for name in ("local", "acceleration", "towards_0", "towards_270", "difference"):
        assert np.corrcoef(column(plain, name), column(other, name))[0, 1] > 0.97, name
    assert column(other, "local").mean() == pytest.approx(column(plain, "local").mean(), rel=0.1)
