"""The embedded dataset `shortvideo`: real files, planted synchronicity, engagement that follows from it."""

import json
import tomllib
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.linear_model import LinearRegression

import encoders
from bench.cli import main
from bench.data.catalog import load
from bench.data.dataset import Dataset, read_dataset
from bench.data.proposal import propose
from bench.data.schema import Schema, read_schema
from bench.data.synthetic.shortvideo import factors, generate, music, phrase
from bench.errors import DataError, UsageError
from bench.request import Request, resolve
from bench.workflow import choice_of
from encoders.motion import COLUMNS as MOTION
from encoders.music import COLUMNS as MUSIC
from fusions import Source

VIDEOS = 12
EXAMPLE = Path(str(factors.__file__)).parents[2] / "examples" / "shortvideo.toml"
PICTURE, SOUND = Source("motion", "video"), Source("music", "audio")


@pytest.fixture(scope="module")
def truth(short_folder: Path) -> dict[str, Any]:
    return json.loads((short_folder / "truth.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def sequences(short_folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Name of a video -> its music (T, 43) and motion (T, 24)."""
    paths = sorted((short_folder / "videos").iterdir())
    heard, seen = (
        [result.values for result in encoders.get(m, n).encode(paths)]
        for m, n in (("audio", "music"), ("video", "flow"))
    )
    return {path.stem: both for path, both in zip(paths, zip(heard, seen, strict=True), strict=True)}


# ---------------------------------------------------------------------------------------------- files


def contents(root: Path) -> dict[str, bytes]:
    return {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}


def test_it_is_made_by_name_and_the_same_arguments_give_the_same_bytes(short_folder, tmp_path):
    again = tmp_path / "again"
    result = CliRunner().invoke(main, ["data", "make", "shortvideo", str(again), "--videos", "12"])
    assert result.exit_code == 0, result.output
    assert contents(again) == contents(short_folder)
    with pytest.raises(UsageError, match="has nothing called streams"):
        load("shortvideo", streams=20)


def test_another_seed_gives_other_posts():
    one, other = (factors.design(VIDEOS, seed) for seed in (0, 1))
    assert not np.allclose(one.tempo, other.tempo)


def test_every_video_has_its_picture_and_its_sound(short_folder):
    samples = pd.read_csv(short_folder / "samples.csv")
    assert len(samples) == VIDEOS
    for row in samples.itertuples():
        with av.open(str(short_folder / "videos" / f"{row.id}.mp4")) as file:
            picture, sound = file.streams.video[0], file.streams.audio[0]
            assert (picture.width, picture.height, picture.average_rate) == (160, 96, 30)
            assert (sound.rate, sound.channels) == (44100, 2)
            for stream in (picture, sound):
                assert float(stream.duration * stream.time_base) == pytest.approx(row.duration, abs=0.06)


def test_the_description_is_the_example_that_ships(short_folder, tmp_path):
    example, written = read_schema(EXAMPLE), read_schema(short_folder / "dataset.toml")
    assert written.model_dump(exclude={"description"}) == example.model_dump(exclude={"description"})
    for name in ("samples.csv", "videos"):
        (tmp_path / name).symlink_to(short_folder / name)
    assert load(str(tmp_path), allow_links=(short_folder,)).schema == example


def test_picture_and_sound_are_the_same_files(short_folder):
    data = read_dataset(short_folder)
    assert data.raw(PICTURE).items == data.raw(SOUND).items
    assert {PICTURE, SOUND} <= data.schema.ordered
    assert data.target == pytest.approx(np.log1p(data.raw_target))


def test_several_targets(short_folder):
    raw = tomllib.loads((short_folder / "dataset.toml").read_text(encoding="utf-8"))
    counts = ["likes", "comments", "shares", "plays"]
    raw["target"] = {"columns": counts, "transform": "log1p"}
    each = Dataset(short_folder, Schema.model_validate(raw)).each
    assert [one.schema.target.column for one in each] == counts


@pytest.mark.parametrize(("arguments", "what"), [({"videos": 3}, "at least 12"), ({"seed": -1}, "negative")])
def test_arguments_out_of_range(tmp_path, arguments, what):
    with pytest.raises(ValueError, match=what):
        generate(tmp_path / "no", **arguments)
    assert not (tmp_path / "no").exists()


def test_a_folder_in_use_stays_as_it_is(short_folder):
    with pytest.raises(FileExistsError, match="choose another folder"):
        generate(short_folder)


# --------------------------------------------------------------------------------------- what is planted


def test_synchronicity_is_what_is_left_of_phase_tempo_and_strokes(truth):
    for video in truth["videos"].values():
        strokes, moved = np.array(video["strokes"]), np.array(video["motion_strokes"])
        middle = strokes[:, None] - moved
        nearest = np.abs(middle).min(axis=0) * video["tempo"] / 60
        assert video["dropped"] == pytest.approx(1 - len(moved) / len(strokes))
        if nearest.max() < 0.35:  # else the nearest stroke may be another one's
            expected = max(0, np.cos(2 * np.pi * nearest).sum() / len(strokes))
            assert video["synchronicity"] == pytest.approx(expected, abs=2e-3)


def test_synchronicity_covers_its_range_and_comes_as_wanted():
    drawn = factors.design(240, 1)
    found = np.array([factors.timing(drawn, video, 1).synchronicity for video in range(240)])
    assert found.min() >= 0
    assert found.max() <= 1
    assert np.histogram(found, bins=5, range=(0, 1))[0].min() >= 15
    assert np.corrcoef(found, drawn.wanted)[0, 1] > 0.97


def test_without_losses_motion_is_on_the_strokes():
    drawn = factors.design(20, 0)
    drawn.wanted[:] = 1
    for video in range(20):
        timing = factors.timing(drawn, video, 0)
        assert (timing.offset, timing.mismatch, timing.dropped, timing.synchronicity) == (0, 0, 0, 1)
        assert timing.strokes == pytest.approx(drawn.strokes[video])


def test_a_naive_regression_is_fooled_and_a_controlled_one_is_not():
    """Mean over 20 draws of the slopes by influencer type, genres held equal."""
    naive, controlled = np.mean([slopes(seed) for seed in range(20)], axis=0)
    planted = np.array(list(factors.TYPE_SLOPES.values()))
    assert (naive > planted + 0.7).all()
    assert controlled == pytest.approx(planted, abs=0.25)
    assert 0 in planted
    assert planted.min() < 0


def slopes(seed: int) -> list[np.ndarray]:
    drawn = factors.design(240, seed)
    s = np.array([factors.timing(drawn, video, seed).synchronicity for video in range(240)])
    likes = np.log1p(factors.engagement(drawn, s, seed).counts["likes"])
    of_type, of_genre = np.eye(4)[drawn.types], np.eye(6)[drawn.genre] - 1 / 6
    hour = np.cos(2 * np.pi * (drawn.day % 1 * 24 - 20) / 24)
    by_type = [s[:, None] * of_type, of_type, of_genre[:, 1:], s[:, None] * of_genre[:, 1:]]
    controls = np.stack([drawn.followers, drawn.quality, drawn.tempo, hour], axis=1)
    return [
        LinearRegression(fit_intercept=False).fit(np.hstack(columns), likes).coef_[:4]
        for columns in (by_type, [*by_type, controls])
    ]


def test_counts_are_as_dispersed_as_stated():
    drawn = factors.design(20_000, 0)
    found = factors.engagement(drawn, np.zeros(20_000), 0)
    mean = np.exp(found.log_mean + factors.LOG_RATES["plays"])
    excess = (found.counts["plays"] - mean) ** 2 - mean
    assert np.mean(excess / mean**2) == pytest.approx(1 / factors.VIRALITY, rel=0.1)


# --------------------------------------------------------------------------- what can be seen and heard


def mean_at(moments: list[float], series: np.ndarray) -> float:
    """The mean of a series at some moments, as a multiple of its mean."""
    times = (np.arange(len(series)) + 0.5) / 15
    return float(np.interp(moments, times, series).mean() / series.mean())


def test_strokes_do_not_come_again_a_beat_or_a_bar_later():
    """Where there is a stroke, there is one a beat or a bar later about as often as anywhere."""
    struck = np.zeros((300, 96), bool)
    for seed, row in enumerate(struck):
        row[(at := phrase.draw(np.random.default_rng(seed)))[at < 96]] = True
    for later in (4, 8, 16):
        assert 0.15 < struck[:, later:][struck[:, :-later]].mean() < 0.3


def test_strokes_are_heard_and_motion_is_seen_when_they_happen(truth, sequences):
    for name, video in truth["videos"].items():
        onset, speed_up = (
            sequences[name][0][:, MUSIC.index("onset")],
            sequences[name][1][:, MOTION.index("acceleration")],
        )
        moved = np.array(video["motion_strokes"])
        lags = np.arange(-4, 5) / 30
        assert abs(lags[np.argmax([mean_at(moved + lag, speed_up) for lag in lags])]) <= 1 / 30
        assert mean_at(moved, speed_up) > 1.7
        if video["intro"] == 0:
            assert mean_at(video["strokes"], onset) > 1.3


def test_cuts_are_found(truth, sequences):
    planted = {name: len(video["cuts"]) for name, video in truth["videos"].items()}
    found = {name: sequences[name][1][:, MOTION.index("cut")].sum() for name in planted}
    assert sum(planted.values()) > 0
    assert np.mean([abs(found[name] - planted[name]) for name in planted]) < 0.5


@pytest.mark.parametrize("genre", factors.GENRES)
def test_a_genre_keeps_its_tempo_and_its_swing(genre):
    strokes = frozenset(range(0, 64, 4))
    track = music.Track(genre, 120.0, 0.0, 4.0, 0.0, 0, strokes)
    wave = music.render(track, np.random.default_rng(0))
    assert wave.shape == (2, 4 * music.RATE)
    assert np.abs(wave).max() <= 1
    swung = music.render(track._replace(swing=0.3), np.random.default_rng(0))
    assert np.abs(swung - wave).max() > 0.1
    quiet = music.render(track._replace(intro=4), np.random.default_rng(0))
    halves = [np.square(half).mean() for half in np.split(quiet, 2, axis=1)]
    assert halves[0] < 0.1 * halves[1]


# ---------------------------------------------------------------------------------------------- its use


def test_a_description_suggests_encoders_and_people_overrule_it(short_folder):
    schema = read_schema(short_folder / "dataset.toml")

    def chosen(**said: Any) -> dict[str, str]:
        return choice_of(resolve(Request(fusions="concat", **said)), schema).encoder_set()

    assert chosen() == {"video": "flow", "audio": "music", "text": "hashing"}
    assert chosen(encoders={"video": "motion"})["video"] == "motion"
    assert chosen(settings=("encoders.audio=logmel",)) == {
        "video": "flow",
        "audio": "logmel",
        "text": "hashing",
    }
    other = schema.model_copy(update={"encoders": {"audio": "musik"}})
    with pytest.raises(DataError, match=r"\[encoders\].*no audio encoder 'musik', did you mean 'music'"):
        choice_of(resolve(Request(fusions="concat")), other)


@pytest.mark.parametrize("name", ["owner/model", "../folder", ""])
def test_a_description_names_no_model_elsewhere(short_folder, name):
    raw = tomllib.loads((short_folder / "dataset.toml").read_text(encoding="utf-8"))
    with pytest.raises(ValueError, match="encoders"):
        Schema.model_validate({**raw, "encoders": {"audio": name}})


def test_suggested_encoders_do_not_make_other_data(short_folder):
    data = read_dataset(short_folder)
    without = Dataset(short_folder, data.schema.model_copy(update={"encoders": {}}))
    assert without.fingerprint == data.fingerprint


def test_sequences_serve_every_kind_of_fusion(short_folder, tmp_path, undrawn):
    options = ["--seeds", "1", "--executor", "inline", "--device", "cpu", "--set", "training.epochs=1"]
    options += ["--set", "model.dim=8", "--out", str(tmp_path), "--fusion", "mult,mbt,lstm,memf,concat"]
    result = CliRunner().invoke(main, ["run", "--data", str(short_folder), *options])
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "tables" / "fusion.csv")
    assert np.isfinite(table["MSE"]).all()
    assert {"mult", "mbt", "lstm", "memf", "concat"} <= set(table["method"])


def test_a_folder_of_short_videos_is_recognised(short_folder, tmp_path):
    for name in ("samples.csv", "videos"):
        (tmp_path / name).symlink_to(short_folder / name)
    text = propose(tmp_path, (short_folder,))
    schema = Schema.model_validate(tomllib.loads(text))
    (entity,) = schema.entities.values()
    assert (schema.target.column, schema.target.transform) == ("likes", "log1p")
    assert entity.video == entity.audio == ["videos/{id}.mp4"]
    assert schema.encoders == {"video": "flow", "audio": "music"}
    assert not {"comments", "shares", "plays"} & {*entity.numeric, *entity.text}
    assert {"influencer_type", "genre"} <= set(entity.text)
    assert "known only afterwards" in " ".join(text.replace("#", "").split())
    assert 'group = "influencer_id"' in text
    assert Dataset(tmp_path, schema, allow_links=(short_folder,)).ids


def test_silent_videos_get_no_sound(short_folder, tmp_path):
    pd.read_csv(short_folder / "samples.csv").to_csv(tmp_path / "samples.csv", index=False)
    (tmp_path / "videos").mkdir()
    for path in (short_folder / "videos").iterdir():
        with av.open(str(path)) as read, av.open(str(tmp_path / "videos" / path.name), "w") as out:
            stream = out.add_stream_from_template(read.streams.video[0])
            for packet in read.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    out.mux(packet)
    schema = Schema.model_validate(tomllib.loads(propose(tmp_path)))
    (entity,) = schema.entities.values()
    assert (entity.video, entity.audio, schema.encoders) == (["videos/{id}.mp4"], [], {})
