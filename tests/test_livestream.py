import inspect
import json
import tomllib
import wave
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bench.data.synthetic.livestream import audio, factors, folder, generate, image, text, video

STREAMS = 50
DEFAULT = inspect.signature(generate).parameters["streams"].default
INTERACTIONS = ("entity", "modality", "none")
ORDER = ["commodity", "anchor", "video", "room", "audio"]
# The paper's Tables 1-4, by table of the folder.
ATTRIBUTES = {
    "anchors.csv": "broadCasterField categoryName nick tags HeadImage"
    " avg30DayView avgComment avgLike commentCount fansCount followTopCount likeCount score",
    "commodities.csv": "title itemRights brandName shopName categoryName image couponPrice price",
    "samples.csv": "title tag headImage duration videos audios sales",
}


def contents(root: Path) -> dict[str, bytes]:
    return {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made") / "deep" / "livestream"
    generate(root, streams=STREAMS)
    return root


@pytest.fixture(scope="module")
def samples(made: Path) -> pd.DataFrame:
    return pd.read_csv(made / "samples.csv")


@pytest.fixture(scope="module")
def truth(made: Path) -> dict[str, Any]:
    return json.loads((made / "truth.json").read_text(encoding="utf-8"))


def test_layout(made: Path) -> None:
    assert sorted(path.name for path in made.iterdir()) == [
        *("anchors.csv", "audio", "commodities.csv", "dataset.toml", "images", "samples.csv", "truth.json"),
        "video",
    ]
    assert [path.name for path in made.parent.iterdir()] == [made.name], "something was left aside"


@pytest.mark.parametrize("table", ATTRIBUTES)
def test_attributes_of_the_paper_are_all_there_and_complete(made: Path, table: str) -> None:
    columns = pd.read_csv(made / table)
    assert set(ATTRIBUTES[table].split()) <= set(columns)
    assert not columns.isna().to_numpy().any()
    assert columns["id"].is_unique


def test_description_names_existing_columns(made: Path) -> None:
    described = tomllib.loads((made / "dataset.toml").read_text(encoding="utf-8"))
    assert described["target"] == {"column": "sales", "transform": "log10", "unit": "yuan"}
    assert set(described["entities"]) == set(ORDER)
    samples = pd.read_csv(made / described["samples"]["table"])
    for entity in described["entities"].values():
        assert entity.get("key", "id") in samples
        table = pd.read_csv(made / entity["table"]) if "table" in entity else samples
        for kind in ("text", "image", "numeric", "video", "audio"):
            assert set(entity.get(kind, [])) <= set(table)
        assert set(entity.get("log", [])) <= set(entity.get("numeric", []))


def test_keys_lead_to_rows_and_entities_recur(made: Path, samples: pd.DataFrame) -> None:
    anchors = set(pd.read_csv(made / "anchors.csv")["id"])
    commodities = set(pd.read_csv(made / "commodities.csv")["id"])
    items = samples["commodity_ids"].str.split("|")
    assert len(anchors) == 20
    assert set(samples["anchor_id"]) == anchors
    assert len(commodities) == 30
    assert set(items.explode()) <= commodities
    assert set(items.str.len()) == {1, 2, 3, 4, 5, 6}
    assert all(len(set(of_stream)) == len(of_stream) for of_stream in items)
    assert items.explode().value_counts().max() > 1
    assert set(samples["videos"].str.split("|").str.len()) == {1, 2, 3}


def test_media_decode_and_none_is_spare(made: Path, samples: pd.DataFrame) -> None:
    pictures = {*samples["headImage"]}
    pictures |= {
        *pd.read_csv(made / "anchors.csv")["HeadImage"],
        *pd.read_csv(made / "commodities.csv")["image"],
    }
    clips = {*samples["videos"].str.split("|").explode()}
    sounds = {*samples["audios"].str.split("|").explode()}
    media = {name for name in contents(made) if "/" in name}
    assert media == pictures | clips | sounds
    for name in pictures:
        with Image.open(made / name) as picture:
            picture.load()
            assert (picture.format, picture.size, picture.mode) == ("JPEG", (96, 96), "RGB")
    for name in clips:
        with av.open(made / name) as container:
            shapes = [frame.to_ndarray(format="rgb24").shape for frame in container.decode(video=0)]
        assert shapes == [(64, 64, 3)] * 16
    for name in sounds:
        with wave.open(str(made / name)) as sound:
            assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, 8000)
            assert sound.getnframes() == 12_000


def test_same_arguments_give_the_same_bytes_and_another_seed_others(made: Path, tmp_path: Path) -> None:
    factors.design.cache_clear()
    generate(tmp_path / "again", streams=STREAMS)
    assert contents(tmp_path / "again") == contents(made)
    generate(tmp_path / "other", streams=STREAMS, seed=1)
    mine, other = contents(made), contents(tmp_path / "other")
    assert all(mine[name] != other[name] for name in mine.keys() & other.keys())


def test_interactions_share_every_file_but_the_target(made: Path, tmp_path: Path) -> None:
    generate(tmp_path / "none", streams=STREAMS, interaction="none")
    mine, other = contents(made), contents(tmp_path / "none")
    assert mine.keys() == other.keys()
    assert {name for name in mine if mine[name] != other[name]} == {
        "samples.csv",
        "dataset.toml",
        "truth.json",
    }


def test_truth_agrees_with_the_samples(samples: pd.DataFrame, truth: dict[str, Any]) -> None:
    assert truth["arguments"] == {"streams": STREAMS, "interaction": "entity", "seed": 0}
    assert list(truth["signal"]) == list(samples["id"])
    signal, log_sales = np.array(list(truth["signal"].values())), np.log10(samples["sales"])
    assert np.corrcoef(signal, log_sales)[0, 1] ** 2 == pytest.approx(truth["ceiling_r2_realised"], abs=1e-9)
    error = np.mean((log_sales - signal) ** 2)
    assert 1 - error / np.var(log_sales) == pytest.approx(truth["ceiling_r2_realised"], abs=5e-3)
    for shares in ("entity_shares", "entity_shares_realised", "term_shares"):
        assert sum(truth[shares].values()) == pytest.approx(1)
    for stream, levels in zip(samples.itertuples(), truth["levels"].values(), strict=True):
        assert len(levels["commodity.text"]) == len(stream.commodity_ids.split("|"))
        assert set(levels) == {
            f"{entity}.{kind}" for entity, kinds in factors.FACTORS.items() for kind in kinds
        }


@pytest.fixture(scope="module", params=[0, 1])
def drawn(request: pytest.FixtureRequest) -> tuple[factors.Design, int]:
    return factors.design(DEFAULT, request.param), request.param


@pytest.mark.parametrize("interaction", INTERACTIONS)
def test_calibration_and_ceiling_at_the_default_size(
    drawn: tuple[factors.Design, int], interaction: factors.Interaction
) -> None:
    outcome = factors.sales(drawn[0], interaction, drawn[1])
    log_sales = np.log10(outcome.yuan)
    assert log_sales.mean() == pytest.approx(4.99, abs=2e-3)
    assert log_sales.std() == pytest.approx(1.07, abs=2e-3)
    assert log_sales.min() >= 1.3
    assert log_sales.max() <= 8.0
    assert outcome.clipped <= 4
    assert outcome.ceiling == pytest.approx(factors.CEILING, abs=5e-3)
    realised = factors.shapley(factors.realised_worth(outcome.parts))
    assert sorted(realised, key=realised.__getitem__, reverse=True) == ORDER
    products = [values for term, values in outcome.parts.items() if len(term.factors) == 2]
    share = np.var(np.sum(products, axis=0)) / np.var(outcome.signal) if products else 0.0
    assert share == pytest.approx(0.0 if interaction == "none" else 0.32, abs=0.03)


def test_levels_are_as_frequent_as_stated(drawn: tuple[factors.Design, int]) -> None:
    for levels in (drawn[0].anchor, drawn[0].commodity, drawn[0].room, drawn[0].video, drawn[0].audio):
        wanted = len(levels) * np.array([20, 1, 1, 1, 1, 1, 20]) / 45
        for column in levels.T:
            assert np.abs(np.bincount(column, minlength=7) - wanted).max() < 1


@pytest.mark.parametrize("interaction", INTERACTIONS)
def test_terms_have_unit_variance_and_are_uncorrelated(
    drawn: tuple[factors.Design, int], interaction: factors.Interaction
) -> None:
    columns = np.stack([drawn[0].column(term.factors) for term in factors.terms(interaction)])
    assert np.abs(np.cov(columns) - np.eye(len(columns))).max() < 0.3


@pytest.mark.parametrize("interaction", INTERACTIONS)
def test_shares_of_the_population_are_as_stated(interaction: factors.Interaction) -> None:
    worth = factors.population_worth(interaction)
    shares = {"commodity": 0.36, "anchor": 0.28, "video": 0.16, "room": 0.12, "audio": 0.08}
    assert factors.shapley(worth) == pytest.approx(shares)
    losses = factors.leave_one_out(worth)
    assert sorted(losses, key=losses.__getitem__, reverse=True) == ORDER
    parts = factors.terms(interaction)
    assert all(term.share > 0 for term in parts)
    products = [term for term in parts if len(term.factors) == 2]
    assert sum(term.share for term in products) == pytest.approx(0.0 if interaction == "none" else 0.32)
    for term in products:
        kinds = {factor.split(".")[1] for factor in term.factors}
        assert (len(term.entities), len(kinds)) == ((1, 2) if interaction == "entity" else (2, 1))


def test_the_levels_make_the_sales(samples: pd.DataFrame, truth: dict[str, Any]) -> None:
    """The signal again, from nothing but the levels and shares in truth.json, as the package's text says."""

    def z(levels: Any) -> np.ndarray:
        return (np.asarray(levels) - 3) / np.sqrt(370 / 45)

    raw = []
    for levels in truth["levels"].values():
        total = 0.0
        for name, share in truth["term_shares"].items():
            values = np.prod([z(levels[factor]) for factor in name.split("*")], axis=0)
            scale = np.sqrt(np.mean(1 / np.arange(1, 7))) if name.startswith("commodity") else 1.0
            total += np.sqrt(share) * np.mean(values) / scale
        raw.append(total)
    assert np.corrcoef(raw, list(truth["signal"].values()))[0, 1] == pytest.approx(1, abs=1e-12)


def test_text_tells_its_level_in_every_attribute(
    made: Path, samples: pd.DataFrame, truth: dict[str, Any]
) -> None:
    commodities = pd.read_csv(made / "commodities.csv").set_index("id")
    for stream, levels in zip(samples.itertuples(), truth["levels"].values(), strict=True):
        for item, level in zip(stream.commodity_ids.split("|"), levels["commodity.text"], strict=True):
            for attribute, vocabulary in text.VOCABULARIES["commodity"].items():
                written = commodities.loc[item, attribute]
                assert sum(word in written for word in vocabulary.high) == level
                assert sum(word in written for word in vocabulary.low) == 6 - level


def test_vocabularies_tell_high_from_low() -> None:
    for attributes in text.VOCABULARIES.values():
        for vocabulary in attributes.values():
            assert len(set(vocabulary.high)) == len(set(vocabulary.low)) == 6
            shared = [set.intersection(*map(set, words)) for words in (vocabulary.high, vocabulary.low)]
            assert all(shared)
            other_words = "".join(vocabulary.fillers)
            assert not shared[0] & set("".join(vocabulary.low) + other_words)
            assert not shared[1] & set("".join(vocabulary.high) + other_words)


def test_numbers_tell_their_level(made: Path, samples: pd.DataFrame, truth: dict[str, Any]) -> None:
    score = pd.read_csv(made / "anchors.csv").set_index("id")["score"]
    price = pd.read_csv(made / "commodities.csv").set_index("id")["price"]
    for stream, levels in zip(samples.itertuples(), truth["levels"].values(), strict=True):
        assert round((score[stream.anchor_id] - 3.5) / 0.2) == levels["anchor.numeric"]
        assert round(np.log(stream.duration / 1800) / 0.45) == levels["room.numeric"]
        prices = price[stream.commodity_ids.split("|")]
        assert np.rint(np.log(prices / 12) / 0.70).tolist() == levels["commodity.numeric"]


def test_media_tell_their_level(made: Path, samples: pd.DataFrame, truth: dict[str, Any]) -> None:
    """From the files, as decoded: the steps between levels are far wider than what varies beside them."""
    measured: dict[str, list[tuple[int, float]]] = {"image": [], "video": [], "audio": []}
    for stream, levels in zip(samples.itertuples(), truth["levels"].values(), strict=True):
        with Image.open(made / stream.headImage) as picture:
            measured["image"].append((levels["room.image"], float(np.asarray(picture)[..., 0].mean())))
        for clip in stream.videos.split("|"):
            with av.open(made / clip) as container:
                greens = [
                    frame.to_ndarray(format="rgb24")[..., 1].mean() for frame in container.decode(video=0)
                ]
            measured["video"].append((levels["video.video"], float(np.mean(greens))))
        for clip in stream.audios.split("|"):
            with wave.open(str(made / clip)) as sound:
                signal = np.frombuffer(sound.readframes(-1), dtype="<i2")
            peak = np.abs(np.fft.rfft(signal)).argmax() * audio.RATE / len(signal)
            measured["audio"].append((levels["audio.audio"], 12 * float(np.log2(peak))))
    for modality, pairs in measured.items():
        by_level = pd.DataFrame(pairs, columns=["level", "value"]).groupby("level")["value"]
        assert len(by_level) == 7
        gaps = by_level.min().to_numpy()[1:] - by_level.max().to_numpy()[:-1]
        assert gaps.min() > 0.5 * by_level.mean().diff().max(), modality


@pytest.mark.parametrize("entity", ["anchor", "commodity", "room"])
@pytest.mark.parametrize("level", [0, 6])
def test_pictures_and_clips_differ_though_their_level_is_the_same(entity: str, level: int) -> None:
    first, second = (image.render(entity, level, factors.generator(seed, "picture")) for seed in (0, 1))
    assert np.abs(first.astype(int) - second).mean() > 2
    assert abs(first.mean() - second.mean()) < 1.5
    clips = [video.render(level, factors.generator(seed, "clip")).astype(int) for seed in (0, 1)]
    assert np.abs(clips[0] - clips[1]).mean() > 2


def test_faster_discs_change_more_of_the_picture() -> None:
    moved = [
        np.abs(np.diff(video.render(level, factors.generator(0)).astype(int), axis=0)).mean()
        for level in (0, 3, 6)
    ]
    assert moved[0] < moved[1] < moved[2]


def test_named_generators_are_apart_and_repeat() -> None:
    draws = [factors.generator(*name).random() for name in ((0, "a"), (0, "b"), (1, "a"), (0, "a"))]
    assert draws[0] == draws[3]
    assert len(set(draws)) == 3


@pytest.mark.parametrize(
    "arguments",
    [{"streams": 19}, {"interaction": "both"}, {"seed": -1}],
    ids=lambda arguments: next(iter(arguments)),
)
def test_arguments_out_of_range_are_refused(tmp_path: Path, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        generate(tmp_path / "x", **arguments)
    assert not any(tmp_path.iterdir())


def test_an_existing_dataset_is_never_overwritten(made: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(FileExistsError):
        generate(tmp_path, streams=20)
    assert contents(tmp_path) == {"mine.txt": b"precious"}


def test_an_interruption_on_the_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        assert not (tmp_path / "data").exists(), "the dataset must not be there before it is complete"
        raise KeyboardInterrupt

    monkeypatch.setattr(folder, "_truth", interrupted)
    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path / "data", streams=20)
    assert not any(tmp_path.iterdir())


def test_the_smallest_dataset(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    generate(tmp_path / "empty", streams=20, interaction="modality", seed=7)
    assert len(pd.read_csv(tmp_path / "empty" / "samples.csv")) == 20
