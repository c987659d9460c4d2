"""Datasets of other people: small made-up originals in every layout, and the real ones where they are."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import bench.data
from bench.data.dataset import read_dataset
from bench.data.published import PUBLISHED, get
from bench.data.published.houses import ROOMS, duplicate_groups
from bench.data.schema import read_schema
from bench.errors import DataError, UsageError

SHARED = Path(__file__).parents[2] / "shared" / "data"
REAL_HOUSES = Path(os.environ.get("BENCH_HOUSES", SHARED / "houses"))
REAL_MOSI = Path(os.environ.get("BENCH_MOSI", SHARED / "mosi"))
needs_houses = pytest.mark.skipif(
    not (REAL_HOUSES / "labels.csv").is_file(), reason="the houses are not here; set BENCH_HOUSES"
)
needs_mosi = pytest.mark.skipif(
    not (REAL_MOSI / "labels.csv").is_file(), reason="CMU-MOSI is not here; set BENCH_MOSI"
)


def write_csv(path: Path, rows: Sequence[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


# -- houses ---------------------------------------------------------------------------------------

HOUSES = [
    "4 4 4053 85255 869500 ",  # a kitchen like that of house 3
    "3 2.5 1500 02139 300000",
    "5 3 2500 85266 400000",  # a row like that of house 5
    "2 1 900 85266 200000",
    "5 3 2500 85266 400000",
]


@pytest.fixture
def houses(tmp_path: Path) -> Path:
    """The layout of the original repository."""
    folder = tmp_path / "clone" / "Houses Dataset"
    folder.mkdir(parents=True)
    (folder / "HousesInfo.txt").write_text("\n".join(HOUSES) + "\n")
    for house in range(1, len(HOUSES) + 1):
        for number, room in enumerate(ROOMS):
            photo = Image.new("RGB", (8, 8), (40 * house, 60 * number, 0))
            photo.save(folder / f"{house}_{room}.jpg")
    (folder / "1_kitchen.jpg").write_bytes((folder / "3_kitchen.jpg").read_bytes())
    return folder.parent


def join_houses(folder: Path, houses: Path, groups: Sequence[int]) -> Path:
    """The joined layout, with photographs that are all different."""
    rows = [[n, *row.split(), g] for n, (row, g) in enumerate(zip(HOUSES, groups, strict=True), 1)]
    header = ["id", "bedrooms", "bathrooms", "area_sqft", "zipcode", "price_usd", "dup_group"]
    write_csv(folder / "labels.csv", [header, *rows])
    (folder / "images").mkdir()
    for photo in houses.glob("*/*.jpg"):
        (folder / "images" / photo.name).write_bytes(photo.read_bytes() + photo.name.encode())
    return folder


def test_houses_of_the_original_repository(houses, tmp_path):
    folder = get("houses", houses, tmp_path / "deep" / "out")
    assert folder == tmp_path / "deep" / "out"
    table = pd.read_csv(folder / "labels.csv", dtype=str)
    assert table["id"].tolist() == ["1", "2", "3", "4", "5"]
    assert table.iloc[1].tolist() == ["2", "3", "2.5", "1500", "02139", "300000", "2"]
    assert table["dup_group"].tolist() == ["1", "2", "1", "4", "1"]  # 1 and 5 through 3
    photos = sorted((folder / "images").iterdir())
    assert len(photos) == 20
    assert all(p.read_bytes() == (houses / "Houses Dataset" / p.name).read_bytes() for p in photos)
    example = Path(str(bench.data.__file__)).parent / "examples" / "houses.toml"
    assert read_schema(folder / "dataset.toml") == read_schema(example)
    dataset = read_dataset(folder)
    assert dataset.raw_target.tolist() == [869500, 300000, 400000, 200000, 400000]


def test_the_folder_of_the_houses_itself_will_do(houses, tmp_path):
    assert get("houses", houses / "Houses Dataset", tmp_path / "out").is_dir()


def test_a_joined_copy_keeps_the_groups_it_states_and_gets_those_it_forgot(houses, tmp_path):
    joined = join_houses(tmp_path / "joined", houses, groups=[1, 2, 1, 4, 5])
    table = pd.read_csv(get("houses", joined, tmp_path / "out") / "labels.csv", dtype=str)
    assert table["dup_group"].tolist() == ["1", "2", "1", "4", "1"]
    assert table.loc[1, "zipcode"] == "02139"


def test_groups_are_transitive():
    assert duplicate_groups([{"a"}, {"b", "c"}, {"d"}, {"c", "e"}, {"f"}, {"e", "f"}]).tolist() == [
        1, 2, 3, 2, 2, 2,
    ]  # fmt: skip


def test_a_missing_photograph_is_told(houses, tmp_path):
    (houses / "Houses Dataset" / "4_bedroom.jpg").unlink()
    with pytest.raises(DataError, match=r"lacks 1 of 20 photographs, first 4_bedroom\.jpg"):
        get("houses", houses, tmp_path / "out")


def test_a_broken_row_is_told_with_its_line(houses, tmp_path):
    (houses / "Houses Dataset" / "HousesInfo.txt").write_text("4 4 4053 85255 869500\n1 2 3\n")
    with pytest.raises(DataError, match=r"HousesInfo\.txt line 2 has 3 numbers"):
        get("houses", houses, tmp_path / "out")


def test_an_id_never_leads_out_of_the_folder(houses, tmp_path):
    joined = join_houses(tmp_path / "joined", houses, groups=range(5))
    text = (joined / "labels.csv").read_text()
    (joined / "labels.csv").write_text(text.replace("\n2,", "\n../2,"))
    with pytest.raises(DataError, match=r"row 3 column 'id': '\.\./2'"):
        get("houses", joined, tmp_path / "out")


# -- CMU-MOSI -------------------------------------------------------------------------------------

WIDTHS = {"text": 3, "audio": 2, "video": 4}


def utterances() -> pd.DataFrame:
    """93 videos whose ids sort by code point, the first with 12 utterances, the others with two."""
    videos = [f"{first}{n:02d}_x-" for n, first in enumerate("Zz_a5" * 19)][:93]
    rows = [(v, s) for n, v in enumerate(videos) for s in range(1, 13 if n == 0 else 3)]
    table = pd.DataFrame(rows, columns=["video_id", "segment"])
    table["utterance_id"] = table["video_id"] + "_" + table["segment"].astype(str)
    table["sentiment"] = [f"{(n % 13 - 6) / 2:g}" for n in range(len(table))]
    table["transcript"] = [f'WORD {n}, "SO", NULL' for n in range(len(table))]
    table["start_s"] = [f"{n}.25" for n in range(len(table))]
    table["end_s"] = [f"{n}.75" for n in range(len(table))]
    table["split_bclstm"] = np.where(table["video_id"].str[1:3].astype(int) % 3 == 1, "test", "train")
    return table


def arrays(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Features that say whose they are: the first is the start, the others are its multiples."""
    start = table["start_s"].astype(float).to_numpy()
    return {name: np.outer(start, np.arange(1, width + 1)) for name, width in WIDTHS.items()}


@pytest.fixture
def clones(tmp_path: Path) -> Path:
    """The layout of the two original repositories, side by side."""
    folder = tmp_path / "clones"
    table = utterances().sort_values("utterance_id", ignore_index=True)
    positive = (table["sentiment"].astype(float) >= 0).astype(int)
    write_csv(
        folder / "bc-lstm" / "data" / "transcripts.csv",
        [*zip(table["utterance_id"], table["transcript"], [7] * len(table), positive, strict=True)],
    )
    opinions = table[["start_s", "end_s", "video_id", "segment", "sentiment"]].sample(frac=1, random_state=0)
    write_csv(folder / "audio" / "OpinionLevelSentiment.csv", opinions.to_numpy().tolist())
    for part in ("train", "test"):
        rows = np.flatnonzero(table["split_bclstm"] == part)[::-1]  # an order of their own
        data = folder / "bc-lstm" / "data"
        write_csv(data / f"text_{part}.csv", [[row, 0.5] for row in rows])
        for name, values in arrays(table).items():
            labelled = [[*values[row], positive[row]] for row in rows]
            write_csv(data / name / f"{name}_{part}0.csv", labelled)
    return folder


@pytest.fixture
def joined(tmp_path: Path) -> Path:
    """The layout of a joined copy, whose table is in no particular order."""
    folder = tmp_path / "joined"
    table = utterances().sample(frac=1, random_state=1, ignore_index=True)
    label = table["sentiment"].astype(np.float32).to_numpy()
    float32 = {name: values.astype(np.float32) for name, values in arrays(table).items()}
    folder.mkdir()
    np.savez(folder / "features.npz", label=label, **float32)
    table.insert(0, "row", range(len(table)))
    table.sample(frac=1, random_state=2).to_csv(folder / "labels.csv", index=False)
    return folder


def test_both_layouts_of_mosi_give_the_same_bytes(clones, joined, tmp_path):
    settings = {"split": "bclstm", "sources": "video,transcript, audio,text"}
    one, other = (get("mosi", o, tmp_path / o.name / "out", settings) for o in (clones, joined))
    names = sorted(path.name for path in one.iterdir())
    assert names == ["dataset.toml", "features.npz", "samples.csv"]
    assert all((one / name).read_bytes() == (other / name).read_bytes() for name in names)


def test_mosi_as_it_comes(clones, tmp_path):
    folder = get("mosi", clones, tmp_path / "out")
    table = pd.read_csv(folder / "samples.csv", dtype=str)
    assert table["id"].equals(table["video_id"] + "_" + table["segment"])
    videos = table.groupby("video_id")["split"].agg(["first", "nunique"])
    order = sorted(videos.index)
    assert (videos["nunique"] == 1).all()
    assert videos.loc[order, "first"].tolist() == ["train"] * 52 + ["validation"] * 10 + ["test"] * 31
    assert table.loc[table["video_id"] == "Z00_x-", "segment"].tolist() == [str(n) for n in range(1, 13)]
    truth = utterances().set_index("utterance_id").loc[table["id"]]
    assert table["transcript"].tolist() == truth["transcript"].tolist()
    assert table["sentiment"].tolist() == truth["sentiment"].tolist()
    with np.load(folder / "features.npz") as file:
        assert file.files == ["audio"]
        assert file["audio"].dtype == np.float32
        # the last column of the original is the label, and is left out
        np.testing.assert_array_equal(file["audio"], arrays(truth)["audio"])
    schema = read_schema(folder / "dataset.toml")
    assert {str(s) for s in schema.sources} == {"utterance.text", "utterance.audio"}
    assert schema.target.sign
    assert (schema.samples.group, schema.samples.split, schema.samples.fixed) == ("video_id", "split", "")


def test_learned_features_go_with_their_own_split_only(joined, tmp_path):
    folder = get("mosi", joined, tmp_path / "out", {"split": "bclstm"})
    schema = read_schema(folder / "dataset.toml")
    assert {str(s) for s in schema.sources} == {"utterance.text", "utterance.audio", "utterance.video"}
    assert "text and video features" in schema.samples.fixed
    table = pd.read_csv(folder / "samples.csv", dtype=str)
    truth = utterances().set_index("utterance_id").loc[table["id"]]
    assert table["split"].tolist() == truth["split_bclstm"].tolist()
    with np.load(folder / "features.npz") as file:
        assert file.files == ["text", "audio", "video"]
        np.testing.assert_array_equal(file["video"], arrays(truth)["video"])


def test_sources_that_were_not_learned_go_with_any_split(joined, tmp_path):
    folder = get("mosi", joined, tmp_path / "out", {"split": "bclstm", "sources": "transcript"})
    assert read_schema(folder / "dataset.toml").samples.fixed == ""
    assert not (folder / "features.npz").exists()


def test_words_and_features_of_words_are_two_entities(joined, tmp_path):
    folder = get("mosi", joined, tmp_path / "out", {"split": "bclstm", "sources": "transcript,text"})
    schema = read_schema(folder / "dataset.toml")
    assert {str(s) for s in schema.sources} == {"transcript.text", "utterance.text"}


@pytest.mark.parametrize("sources", ["text", "transcript,audio,video"])
def test_a_leak_is_refused_with_what_it_would_give_away(joined, tmp_path, sources):
    table = utterances()
    test = table["video_id"].isin(sorted(table["video_id"].unique())[62:])
    seen = (test & (table["split_bclstm"] == "train")).sum()
    assert 0 < seen < test.sum()
    with pytest.raises(UsageError) as refusal:
        get("mosi", joined, tmp_path / "out", {"sources": sources})
    lines = str(refusal.value).splitlines()
    assert len(lines) == 2
    assert f"{seen} of the {test.sum()} test utterances" in lines[0]
    assert "split=bclstm" in lines[1]
    assert "sources=transcript,audio" in lines[1]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["joined"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"splitt": "bclstm"}, "no setting 'splitt'; did you mean 'split'"),
        ({"split": "standart"}, "no split 'standart'; did you mean 'standard'"),
        ({"sources": "transcript,vidio"}, "no source 'vidio'; did you mean 'video'"),
        ({"sources": ""}, "no source ''; known: transcript, text, audio, video"),
    ],
)
def test_wrong_settings_are_told(joined, tmp_path, settings, message):
    with pytest.raises(UsageError, match=message):
        get("mosi", joined, tmp_path / "out", settings)


def test_features_of_other_utterances_are_told(joined, tmp_path):
    with np.load(joined / "features.npz") as file:
        np.savez(joined / "features.npz", **{name: file[name][::-1] for name in file.files})
    with pytest.raises(DataError, match="not of the same utterances"):
        get("mosi", joined, tmp_path / "out")


def test_pickled_features_are_never_loaded(joined, tmp_path):
    with np.load(joined / "features.npz") as file:
        held = {**file, "text": np.array([{}] * len(file["label"]), dtype=object)}
    np.savez(joined / "features.npz", **held)
    with pytest.raises(DataError, match=r"features\.npz cannot be read"):
        get("mosi", joined, tmp_path / "out")


def test_feature_files_in_another_order_are_told(clones, tmp_path):
    path = clones / "bc-lstm" / "data" / "audio" / "audio_test0.csv"
    path.write_text("\n".join(reversed(path.read_text().splitlines())) + "\n")
    with pytest.raises(DataError, match=r"audio_test0\.csv: its last column is not the label"):
        get("mosi", clones, tmp_path / "out")


def test_opinions_about_other_utterances_are_told(clones, tmp_path):
    path = clones / "audio" / "OpinionLevelSentiment.csv"
    path.write_text(path.read_text().replace("Z00_x-,12,", "Z00_x-,13,"))
    with pytest.raises(DataError, match="not of the same utterances"):
        get("mosi", clones, tmp_path / "out")


def test_the_standard_split_needs_every_video(joined, tmp_path):
    table = pd.read_csv(joined / "labels.csv", dtype=str)
    table["video_id"] = table["video_id"].replace("Z00_x-", "z01_x-")
    table.to_csv(joined / "labels.csv", index=False)
    with pytest.raises(DataError, match="92 videos where CMU-MOSI has 93"):
        get("mosi", joined, tmp_path / "out")


# -- any of them ----------------------------------------------------------------------------------


def test_names_and_folders_that_cannot_be_used_are_told(houses, tmp_path):
    with pytest.raises(UsageError, match="no published dataset 'house'; did you mean 'houses'"):
        get("house", houses, tmp_path / "out")
    with pytest.raises(UsageError, match=r"nowhere is not a folder; .*github\.com/emanhamed"):
        get("houses", tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(UsageError, match="houses has no setting 'split'"):
        get("houses", houses, tmp_path / "out", {"split": "standard"})


def test_what_an_original_lacks_is_told_and_where_it_is_to_be_had(clones, tmp_path):
    (clones / "audio" / "OpinionLevelSentiment.csv").unlink()
    (clones / "bc-lstm" / "data" / "video" / "video_test0.csv").unlink()
    with pytest.raises(DataError) as error:
        get("mosi", clones, tmp_path / "out")
    assert "lacks data/video/video_test0.csv, OpinionLevelSentiment.csv (" in str(error.value)
    assert all(source in str(error.value) for source in PUBLISHED["mosi"].source)


def test_a_folder_with_something_in_it_is_left_alone(houses, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="not an empty folder"):
        get("houses", houses, out)
    assert [p.name for p in out.iterdir()] == ["mine.txt"]
    (out / "mine.txt").unlink()
    assert (get("houses", houses, out) / "dataset.toml").is_file()


def test_an_interrupted_conversion_leaves_nothing(joined, tmp_path, monkeypatch):
    def interrupted(*args, **arrays):
        assert list(tmp_path.glob(".out*/samples.csv"))  # in the middle of it
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", interrupted)
    with pytest.raises(KeyboardInterrupt):
        get("mosi", joined, tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["joined"]


@pytest.mark.parametrize("published", PUBLISHED.values(), ids=PUBLISHED)
def test_facts_are_complete(published):
    assert published.licence
    assert published.citation
    assert all(source.startswith("https://") for source in published.source)
    assert set(published.modalities) <= {"text", "image", "numeric", "video", "audio"}


# -- the real ones --------------------------------------------------------------------------------


@needs_houses
def test_the_real_houses(tmp_path):
    stated = pd.read_csv(REAL_HOUSES / "labels.csv", dtype=str)
    blank = tmp_path / "blank"
    blank.mkdir()
    (blank / "images").symlink_to(REAL_HOUSES / "images")
    stated.assign(dup_group=range(len(stated))).to_csv(blank / "labels.csv", index=False)
    folder = get("houses", blank, tmp_path / "out")
    table = pd.read_csv(folder / "labels.csv", dtype=str)
    assert len(table) == PUBLISHED["houses"].samples == 535
    assert table.equals(stated)  # its groups too are named after their first house
    assert len(np.unique(read_dataset(folder).groups)) == 528


@needs_mosi
@pytest.mark.parametrize(
    ("split", "sizes"),
    [("standard", {"train": 1284, "validation": 229, "test": 686}), ("bclstm", {"train": 1447, "test": 752})],
)
def test_the_real_mosi(tmp_path, split, sizes):
    dataset = read_dataset(get("mosi", REAL_MOSI, tmp_path / "out", {"split": split}))
    assert len(dataset) == PUBLISHED["mosi"].samples == 2199
    assert pd.Series(dataset.official).value_counts().to_dict() == sizes
    assert len(np.unique(dataset.groups)) == 93
    stated = pd.read_csv(REAL_MOSI / "labels.csv", dtype=str).set_index("utterance_id").loc[dataset.ids]
    assert dataset.official.tolist() == stated[f"split_{split}"].replace("valid", "validation").tolist()


@needs_mosi
def test_the_real_leak(tmp_path):
    with pytest.raises(UsageError, match="558 of the 686 test utterances"):
        get("mosi", REAL_MOSI, tmp_path / "out", {"sources": "text,audio,video"})
