"""Writes the dataset's folder: description, table, videos with their music, truth."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from fractions import Fraction
from importlib.resources import files
from pathlib import Path

import av
import numpy as np
import pandas as pd

from bench.data.synthetic import new_folder, synthetic
from bench.data.synthetic.shortvideo import factors, motion, music
from bench.data.synthetic.shortvideo.factors import Design, Engagement, Timing

FEWEST_VIDEOS = 12
EXAMPLE = "examples/shortvideo.toml"
QUICK = {"threads": "1", "aac_coder": "fast"}
"""The other search for the best coding takes three times as long as everything else."""
BEGINS = datetime(2023, 1, 1)
SHAKE = 0.2, 0.9
"""Pixels that the camera shakes by in the best and in the worst production."""


@synthetic("shortvideo", samples="any number (240)", modalities="text, numeric, video, audio")
def generate(root: Path, *, videos: int = 240, seed: int = 0) -> None:
    """Write the dataset to the folder `root`, which must not exist yet (or be empty).

    The same arguments give the same bytes with the same libraries. The folder is written aside, next to
    `root`, and renamed when complete, so that `root` is never half a dataset.

    Args:
        root: where to; folders above it are made as needed.
        videos: how many samples, at least 12.
        seed: not negative.

    Raises:
        ValueError: an argument is out of range.
        FileExistsError: `root` exists and is not an empty folder.
    """
    if videos < FEWEST_VIDEOS:
        raise ValueError(f"videos is {videos}; the generator needs at least {FEWEST_VIDEOS}")
    with new_folder(root, seed) as aside:
        _write(aside, videos, seed)


def _write(root: Path, videos: int, seed: int) -> None:
    (root / "videos").mkdir()
    drawn = factors.design(videos, seed)
    timings = [factors.timing(drawn, video, seed) for video in range(videos)]
    synchronicity = np.array([timing.synchronicity for timing in timings])
    outcome = factors.engagement(drawn, synchronicity, seed)
    cuts = [_write_video(root, drawn, timing, video, seed) for video, timing in enumerate(timings)]
    table = pd.DataFrame(_row(drawn, outcome, video) for video in range(videos))
    table.to_csv(root / "samples.csv", index=False, encoding="utf-8", lineterminator="\n")
    truth = _truth(drawn, timings, cuts, outcome) | {"arguments": {"videos": videos, "seed": seed}}
    _write_text(root / "truth.json", json.dumps(truth, indent=1) + "\n")
    stated = f"Synthetic short videos with known factors (generated with videos={videos}, seed={seed})"
    _write_text(root / "dataset.toml", _description(stated))


def _description(stated: str) -> str:
    """The shipped example of a description, without its first comment, under a description of its own."""
    example = files("bench.data").joinpath(EXAMPLE).read_text(encoding="utf-8")
    lines = [
        f'description = "{stated}"' if line.startswith("description") else line
        for line in example.splitlines()
    ]
    first = next(number for number, line in enumerate(lines) if line.startswith("name"))
    return "\n".join(lines[first:]) + "\n"


def _write_text(path: Path, content: str) -> None:
    path.write_text(content, encoding="utf-8", newline="\n")


def _name(video: int) -> str:
    return f"video-{video:05d}"


def _write_video(root: Path, drawn: Design, timing: Timing, video: int, seed: int) -> np.ndarray:
    """Write one MP4; the moments of its cuts."""
    rng = np.random.default_rng([seed, 3, video])
    first, tempo, seconds = (float(a[video]) for a in (drawn.first, drawn.tempo, drawn.seconds))
    genre = factors.GENRES[drawn.genre[video]]
    intro = int(drawn.intro[video])
    swing, strokes = float(drawn.swing[video]), frozenset(drawn.phrases[video].tolist())
    track = music.Track(genre, tempo, first * 60 / tempo, seconds, swing, intro, strokes)
    cuts = rng.random(len(timing.strokes)) < drawn.cut_rate[video]
    shake = float(np.interp(drawn.quality[video], [-2.5, 2.5], SHAKE[::-1]))
    dance = motion.Dance(seconds, timing.strokes, cuts, shake)
    sound = music.render(track, rng)
    write(root / "videos" / f"{_name(video)}.mp4", dance, sound, rng)
    return np.asarray(timing.strokes[cuts])


def write(path: Path, dance: motion.Dance, sound: np.ndarray, rng: np.random.Generator) -> None:
    """Write pictures and a stereo sound (2, samples) as MP4: MPEG-4 part 2, on one thread, and AAC."""
    with av.open(path, "w", format="mp4") as container:
        pictures = container.add_stream("mpeg4", rate=motion.RATE, options={"threads": "1"})
        pictures.width, pictures.height, pictures.pix_fmt = motion.WIDTH, motion.HEIGHT, "yuv420p"
        pictures.bit_rate = 450_000
        track = container.add_stream("aac", rate=music.RATE, layout="stereo", options=QUICK)
        track.bit_rate = 96_000
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = music.RATE, 0, Fraction(1, music.RATE)
        container.mux(track.encode(frame))
        container.mux(track.encode(None))
        for picture in motion.render(dance, rng):
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(pictures.encode(None))


def _row(drawn: Design, outcome: Engagement, video: int) -> dict[str, str | float]:
    posted = BEGINS + timedelta(days=float(drawn.day[video]))
    return {
        "id": _name(video),
        "influencer_id": f"influencer-{drawn.influencer[video]:04d}",
        "influencer_type": factors.TYPES[drawn.types[video]],
        "genre": factors.GENRES[drawn.genre[video]],
        "followers": round(10 ** (4.2 + 0.6 * float(drawn.followers[video]))),
        "quality": round(50 + 18 * float(drawn.quality[video]), 1),
        "duration": round(float(drawn.seconds[video]), 2),
        "posted": posted.isoformat(sep=" ", timespec="minutes"),
        "hour": posted.hour,
        **{name: int(count[video]) for name, count in outcome.counts.items()},
    }


def _truth(
    drawn: Design, timings: list[Timing], cuts: list[np.ndarray], outcome: Engagement
) -> dict[str, object]:
    """What is known of the dataset beyond its files."""
    logs = np.log1p(outcome.counts["likes"])
    by_video = {
        _name(video): {
            "synchronicity": timing.synchronicity,
            "offset": timing.offset,
            "mismatch": timing.mismatch,
            "dropped": timing.dropped,
            "tempo": float(drawn.tempo[video]),
            "swing": float(drawn.swing[video]),
            "intro": int(drawn.intro[video]),
            "slope": float(drawn.slopes[video]),
            "signal": float(outcome.signal[video]),
            "strokes": np.round(drawn.strokes[video], 4).tolist(),
            "motion_strokes": np.round(timing.strokes, 4).tolist(),
            "cuts": np.round(cuts[video], 4).tolist(),
        }
        for video, timing in enumerate(timings)
    }
    mean = float(np.mean(list(factors.TYPE_SLOPES.values())))
    return {
        "type_slopes": factors.TYPE_SLOPES,
        "genre_slopes": {genre: mean + slope for genre, slope in factors.GENRE_SLOPES.items()},
        "mean_slope": mean,
        "ceiling_r2_realised": float(np.corrcoef(outcome.signal, logs)[0, 1] ** 2),
        "videos": by_video,
    }
