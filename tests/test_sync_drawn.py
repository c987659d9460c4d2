"""Videos that the generator did not make, drawn by hand: at which moment of a sound do they fit?"""

from __future__ import annotations

import wave
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import av
import numpy as np
import pytest

from bench.sync.files import own_score
from bench.sync.scorer import Scorer, load
from bench.sync.suggest import motion_of, suggest

FRAMES, HERTZ, SECONDS = 30, 44100, 7.0
MOMENTS = np.cumsum([0.6, 0.45, 0.7, 0.5, 0.85, 0.4, 0.65, 0.55, 0.75, 0.5])
"""Seconds at which something is seen and heard; unevenly, so that one offset only is right."""
TOLERANCE = 0.05
"""By how much the score may change, as results/README states."""
Picture = Iterator[np.ndarray]


def bouncing_ball() -> Picture:
    """A ball that hits the ground at the moments."""
    edges = np.concatenate([[0.0], MOMENTS, [SECONDS + 1]])
    rows, columns = np.mgrid[:96, :128]
    for time in np.arange(int(SECONDS * FRAMES)) / FRAMES:
        turn = int(np.searchsorted(edges, time, side="right"))
        start, end = edges[turn - 1], edges[turn]
        share = (time - start) / (end - start)
        height = 80 * (end - start) * 4 * share * (1 - share)
        ball = (rows - (82 - height)) ** 2 + (columns - 30 - 9 * time) ** 2 < 100
        yield np.where(ball, 230, 40 + rows // 4).astype(np.uint8)


def blinking_square() -> Picture:
    """A square that appears somewhere else at the moments."""
    scene = _scene(96, 128, 1)
    for time in np.arange(int(SECONDS * FRAMES)) / FRAMES:
        picture = scene.copy()
        place = int((time >= MOMENTS).sum())
        top, left = 10 + 37 * place % 50, 12 + 53 * place % 80
        picture[top : top + 34, left : left + 34] = 250 if place % 2 else 10
        yield picture


def pan() -> Picture:
    """A camera that jerks to another direction at the moments."""
    scene, at = _scene(300, 400, 2), np.array([100.0, 130.0])
    ways = np.array([[1.6, 0.3], [-0.4, 1.5], [-1.5, -0.5], [0.5, -1.6]])
    for time in np.arange(int(SECONDS * FRAMES)) / FRAMES:
        since = time - np.concatenate([[-1.0], MOMENTS])[int((time >= MOMENTS).sum())]
        at = np.clip(at + ways[int((time >= MOMENTS).sum()) % 4] * (0.3 + 2 * np.exp(-since * 8)), 0, 200)
        top, left = at.astype(int)
        yield scene[top : top + 96, left : left + 128]


def _scene(height: int, width: int, seed: int) -> np.ndarray:
    blocks = np.random.default_rng(seed).integers(30, 220, (height // 12 + 1, width // 12 + 1))
    return np.kron(blocks, np.ones((12, 12), int))[:height, :width].astype(np.uint8)


def draw(path: Path, pictures: Picture, sound: np.ndarray | None = None, hertz: int = HERTZ) -> Path:
    """Write a video, with a sound (channels, N) where there is one."""
    first = next(pictures)
    height, width = first.shape
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=FRAMES)
        stream.height, stream.width = height, width
        stream.pix_fmt, stream.bit_rate = "yuv420p", 4_000_000
        if sound is not None:
            layout = "mono" if len(sound) == 1 else "stereo"
            track = out.add_stream("pcm_s16le" if path.suffix == ".mkv" else "aac", rate=hertz, layout=layout)
        for grey in chain([first], pictures):
            picture = np.repeat(np.ascontiguousarray(grey)[..., None], 3, axis=2)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        out.mux(stream.encode(None))
        if sound is not None:
            samples = np.ascontiguousarray(sound.T.reshape(1, -1), "<i2")
            frame = av.AudioFrame.from_ndarray(samples, "s16", layout)
            frame.sample_rate = hertz
            to = av.AudioResampler(track.format.name, layout, hertz, track.codec_context.frame_size or None)
            for piece in [*to.resample(frame), *to.resample(None)]:
                out.mux(track.encode(piece))
            out.mux(track.encode(None))
    return path


def clicking(lead: float, hertz: int = HERTZ) -> np.ndarray:
    """A sound (N,) int16 that clicks at the moments, `lead` seconds later."""
    sound = np.zeros(int((lead + SECONDS) * hertz))
    time = np.arange(int(0.09 * hertz)) / hertz
    click = np.exp(-time * 75) * sum(
        np.sin(2 * np.pi * tone * time + tone) for tone in (180, 950, 2300, 5200)
    )
    for moment in MOMENTS:
        place = int((lead + moment) * hertz)
        sound[place : place + len(click)] += click[: len(sound) - place]
    return np.asarray(sound / np.abs(sound).max() * 30000).astype(np.int16)


def clicks(path: Path, lead: float) -> Path:
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, HERTZ, 0, "NONE", "not compressed"))
        out.writeframes(clicking(lead).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    """The networks that are committed, which have seen generated videos only."""
    return load(Path(__file__).parent.parent / "results" / "reference" / "sync")


@pytest.mark.parametrize("pictures", [bouncing_ball, blinking_square, pan])
@pytest.mark.parametrize("lead", [0.77, 1.23])
def test_the_offset_is_found_within_100_ms(
    scorer: Scorer, tmp_path: Path, pictures: Callable[[], Picture], lead: float
) -> None:
    video = draw(tmp_path / "drawn.mp4", pictures())
    (found,), refused = suggest(motion_of(video), [clicks(tmp_path / "clicks.wav", lead)], scorer)
    assert not refused
    assert found.offset == pytest.approx(lead, abs=0.1)


def larger(pictures: Picture, factor: int) -> Picture:
    return (np.kron(picture, np.ones((factor, factor), np.uint8)) for picture in pictures)


@pytest.mark.parametrize(
    ("name", "factor", "hertz", "channels"),
    [
        pytest.param("b.mkv", 1, 44100, 1, id="Matroska"),
        pytest.param("b.mov", 1, 44100, 1, id="QuickTime"),
        pytest.param("b.mp4", 2, 44100, 1, id="twice the size"),
        pytest.param("b.mp4", 1, 48000, 1, id="48 kHz"),
        pytest.param("b.mp4", 1, 44100, 2, id="stereo"),
    ],
)
def test_the_score_hardly_depends_on_how_a_video_is_stored(
    scorer: Scorer, tmp_path: Path, name: str, factor: int, hertz: int, channels: int
) -> None:
    plain = draw(tmp_path / "a.mp4", bouncing_ball(), clicking(0)[None])
    sound = np.repeat(clicking(0, hertz)[None], channels, axis=0)
    other = draw(tmp_path / name, larger(bouncing_ball(), factor), sound, hertz)
    one, two = (own_score(path, scorer) for path in (plain, other))
    assert one is not None
    assert two is not None
    assert two.score == pytest.approx(one.score, abs=TOLERANCE)
