"""`bench data init`: the proposed description of a folder parses, loads, and says why."""

import os
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bench.data.catalog import make
from bench.data.dataset import Dataset
from bench.data.proposal import propose
from bench.data.schema import Schema
from bench.errors import DataError
from fusions import Source

HOUSES = Path(os.environ.get("BENCH_HOUSES", Path(__file__).parents[2] / "shared" / "data" / "houses"))
ROWS = 30


def proposed(folder: Path) -> tuple[Schema, Dataset, str]:
    """The proposal, read as the bench reads it, without an edit."""
    text = propose(folder)
    schema = Schema.model_validate(tomllib.loads(text))
    return schema, Dataset(folder, schema), text


def plain(text: str) -> str:
    """Comments as running text."""
    return " ".join(text.replace("#", "").split())


def sources(schema: Schema) -> set[str]:
    return {str(source) for source in schema.sources}


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(path)


@pytest.fixture
def table(rng: np.random.Generator) -> pd.DataFrame:
    """A table of text and numbers, the target not the last column."""
    return pd.DataFrame({
        "id": [f"s-{i}" for i in range(ROWS)],
        "review": [f"word{rng.integers(9)} and more" for _ in range(ROWS)],
        "rating": rng.normal(size=ROWS).round(3),
        "size": rng.integers(1, 9, ROWS),
        "visits": (10 ** rng.normal(2, 1, ROWS)).round(),
    })  # fmt: skip


def write(folder: Path, table: pd.DataFrame, name: str = "samples.csv") -> Path:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    if name.endswith(".csv"):
        table.to_csv(folder / name, index=False)
    else:
        table.to_parquet(folder / name)
    return folder


def test_a_table_of_text_and_numbers(tmp_path, table):
    schema, data, text = proposed(write(tmp_path, table, "things.csv"))
    assert (schema.samples.table, schema.samples.id, schema.target.column) == ("things.csv", "id", "rating")
    assert schema.target.transform == "none"
    (entity,) = schema.entities.values()
    assert (entity.text, entity.numeric, entity.log) == (["review"], ["size", "visits"], ["visits"])
    assert data.ids == table["id"].tolist()
    assert "others: visits, size" in plain(text)


@pytest.mark.parametrize("name", ["samples.parquet", "tables/deep/samples.csv", "samples.csv"])
def test_parquet_nested_folders_and_marks_of_other_systems(tmp_path, table, name):
    write(tmp_path, table, name)
    if name == "samples.csv":
        (tmp_path / name).write_bytes(
            b"\xef\xbb\xbf" + table.to_csv(index=False).replace("\n", "\r\n").encode()
        )
    schema, data, _ = proposed(tmp_path)
    assert schema.samples.table == name
    np.testing.assert_allclose(data.raw_target, table["rating"])


def test_the_embedded_streams_are_found_again(tmp_path):
    folder = make("livestream", tmp_path / "shop-streams", streams=20)
    truth = tomllib.loads((folder / "dataset.toml").read_text(encoding="utf-8"))
    (folder / "dataset.toml").unlink()
    schema, data, _ = proposed(folder)
    assert (schema.target.column, schema.target.transform) == ("sales", "log10")
    assert schema.many == {"commodity"}
    for name in ("anchor", "commodity"):
        said = schema.entities[name].model_dump(exclude_defaults=True)
        stated = dict(truth["entities"][name])
        # levels lie mostly at the ends: of few rows not every long tail shows
        assert set(said.pop("log", ())) <= set(stated.pop("log"))
        assert said == stated
    own = schema.entities["shop_stream"]
    assert (own.text, own.image, own.video, own.audio) == (
        ["title", "tag"],
        ["headImage"],
        ["videos"],
        ["audios"],
    )
    assert len(data.raw(Source("shop_stream", "video")).items) == len(list((folder / "video").iterdir()))


def houses(folder: Path, rng: np.random.Generator) -> Path:
    for house in range(1, ROWS + 1):
        for room in ("frontal", "kitchen"):
            picture(folder / "images" / f"{house}_{room}.jpg")
    prices = (10 ** rng.normal(5.5, 0.7, ROWS)).round()
    rows = {
        "id": range(1, ROWS + 1),
        "zipcode": rng.integers(85255, 85260, ROWS),
        "built": 1999,
        "price_usd": prices,
        "dup_group": [1, *range(1, ROWS)],
    }
    return write(folder, pd.DataFrame(rows), "labels.csv")


def test_every_view_is_an_entity(tmp_path, rng):
    schema, data, text = proposed(houses(tmp_path, rng))
    target = schema.target
    assert (target.column, target.transform, target.unit) == ("price_usd", "log10", "USD")
    assert schema.entities["frontal"].image == ["images/{id}_frontal.jpg"]
    assert schema.entities["kitchen"].image == ["images/{id}_kitchen.jpg"]
    assert len(data.raw(Source("kitchen", "image")).items) == ROWS
    assert '# group = "dup_group"' in text
    assert not any("dup_group" in entity.numeric for entity in schema.entities.values())
    assert ["zipcode"] in [entity.text for entity in schema.entities.values()]
    assert "column 'built': every cell is '1999'" in plain(text)


def test_columns_that_are_left_out_are_named_even_if_no_other_is_there(tmp_path, rng):
    folder = houses(tmp_path, rng)
    write(tmp_path, pd.read_csv(folder / "labels.csv").drop(columns="zipcode"), "labels.csv")
    schema, _, text = proposed(folder)
    assert sources(schema) == {"frontal.image", "kitchen.image"}
    assert "dup_group (key)" in plain(text)


def test_an_unnamed_target_is_the_last_number_with_more_than_two_values(tmp_path, table):
    table = table.rename(columns={"rating": "measured"})[["id", "review", "size", "measured"]]
    schema, _, text = proposed(write(tmp_path, table.assign(flag=table["size"] > 4)))
    assert schema.target.column == "measured"
    assert "the last column of numbers" in plain(text)


@pytest.mark.skipif(not (HOUSES / "labels.csv").is_file(), reason="the houses are not here; set BENCH_HOUSES")
def test_the_real_houses():
    schema, data, _ = proposed(HOUSES)
    assert (schema.target.column, schema.target.transform) == ("price_usd", "log10")
    assert sources(schema) == {
        "house.text", "house.numeric", "bathroom.image", "bedroom.image", "frontal.image", "kitchen.image",
    }  # fmt: skip
    assert schema.entities["house"].log == ["area_sqft"]
    assert all(len(data.raw(s).items) == 535 for s in schema.sources if s.modality == "image")


LAYOUTS = {
    "one file an id": ("pics/{}.jpg", ["a"], "pics/{id}.jpg"),
    "a folder an id": ("pics/{}/{}.jpg", ["0", "1", "2"], "pics/{id}/*.jpg"),
    "numbered files": ("pics/{}_{}.jpg", ["1", "2"], "pics/{id}_*.jpg"),
    "id last": ("front_{}.jpg", ["a"], "front_{id}.jpg"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_files_named_by_ids(tmp_path, table, layout):
    form, numbers, pattern = LAYOUTS[layout]
    for name in table["id"][:-3]:
        for number in numbers:
            picture(tmp_path / form.format(name, number))
    schema, data, text = proposed(write(tmp_path, table))
    source = next(s for s in schema.sources if s.modality == "image")
    assert schema.entities[source.entity].image == [pattern]
    assert "is there for 27 of 30 values" in text
    if "*" in pattern:
        assert len(data.raw(source).items) == 27 * len(numbers)
    else:
        assert sum(path.is_file() for path in data.raw(source).items) == 27


def test_a_star_that_would_give_one_file_to_two_rows_is_not_proposed(tmp_path, table):
    table["id"] = [f"a{i // 2}" + "_1" * (i % 2) for i in range(ROWS)]
    for name in table["id"]:
        for number in (7, 8):
            picture(tmp_path / f"{name}_{number}.jpg")
    schema, _, text = proposed(write(tmp_path, table))
    assert not any(s.modality == "image" for s in schema.sources)
    assert "60 media files that no cell and no id names" in text


def test_media_columns_with_and_without_their_folder(tmp_path, table):
    for i in range(ROWS):
        picture(tmp_path / "media" / f"{i}.png")
    table["photo"] = [f"{i}.png" for i in range(ROWS)]
    table["pair"] = [f"media/{i}.png|media/{(i + 1) % ROWS}.png" for i in range(ROWS)]
    table["gone"] = [f"lost/{i}.mp3" for i in range(ROWS)]
    table["outside"] = [f"../{i}.png" for i in range(ROWS)]
    table["web"] = [f"https://example.org/{i}.png" for i in range(ROWS)]
    schema, data, text = proposed(write(tmp_path, table))
    (entity,) = schema.entities.values()
    assert entity.image == ["media/{photo}", "pair"]
    raw = data.raw(next(s for s in schema.sources if s.modality == "image"))
    assert len(raw.items) == ROWS
    assert all(path.is_file() for path in raw.items)
    for left_out in (
        "column 'gone': lost/0.mp3 does not exist",
        "column 'outside': the path '../0.png' leaves the dataset's folder",
        "column 'web': https:/example.org/0.png does not exist",
    ):
        assert left_out in plain(text)


def test_features_of_arrays(tmp_path, table, rng):
    vectors = rng.normal(size=(ROWS, 5)).astype(np.float32)
    offsets = np.arange(ROWS + 1) * 2
    turned = rng.permutation(ROWS)
    np.savez(tmp_path / "features.npz", language=vectors, label=vectors[:, 0], objects=np.array([{}] * ROWS),
             other=vectors[:4], short=vectors)  # fmt: skip
    np.savez(tmp_path / "clips.npz", acoustic=rng.normal(size=(2 * ROWS, 3)), cuts=offsets)
    np.savez(tmp_path / "vision.npz", x=vectors[turned], name=table["id"].to_numpy(dtype=str)[turned])
    np.save(tmp_path / "image.npy", vectors)
    schema, data, text = proposed(write(tmp_path, table))
    (name,) = schema.entities
    features = {m: f.model_dump(exclude_none=True) for m, f in schema.entities[name].features.items()}
    assert features == {
        "text": {"file": "features.npz", "array": "language"},
        "audio": {"file": "clips.npz", "array": "acoustic", "offsets": "cuts"},
        "video": {"file": "vision.npz", "array": "x", "key": "name"},
        "image": {"file": "image.npy"},
    }
    assert "text = ['review']" in text
    for reason in (
        "'label' of features.npz",
        "Python objects are never loaded",
        "'other' of features.npz, 4 x 5",
        "'short' of features.npz, 30 x 5 float32 follows the rows of samples.csv",
    ):
        assert reason in plain(text)
    video = data.vectors(Source(name, "video"))
    np.testing.assert_array_equal(video.values[video.rows.padded(np.arange(ROWS))[:, 0]], vectors)


def test_lists_in_a_parquet_are_features(tmp_path, table, rng):
    table["bert"] = list(rng.normal(size=(ROWS, 4)))
    table["blob"] = [b"\xff"] * ROWS
    schema, data, _ = proposed(write(tmp_path, table, "samples.parquet"))
    source = next(s for s in schema.sources if schema.precomputed(s))
    assert source.modality == "text"
    assert data.vectors(source).values.shape == (ROWS, 4)


def test_split_time_group_and_what_is_left_out(tmp_path, table):
    table["split"] = ["train", "validation", "test"] * (ROWS // 3)
    table["part"] = ["train", "dev", "test"] * (ROWS // 3)
    table["shown_on"] = pd.date_range("2024-01-01", periods=ROWS).strftime("%Y-%m-%d")
    table["video_id"] = [f"v{i // 3}" for i in range(ROWS)]
    table["nothing"], table["same"] = None, "x"
    table["positive"] = (table["rating"] > 0).astype(int)
    table["faulty"] = ["oops", *range(1, ROWS)]
    table["yes"] = table["size"] > 4
    schema, data, text = proposed(write(tmp_path, table))
    assert (schema.samples.split, schema.samples.time, schema.samples.group) == ("split", "shown_on", None)
    (entity,) = schema.entities.values()
    assert (entity.text, entity.numeric) == (["review"], ["size", "visits", "yes"])
    assert (np.diff(data.times) > 0).all()
    for reason in (
        "nothing (empty in every row)",
        "column 'same': every cell is 'x'",
        "column 'positive': the column orders the samples as the target does",
        "row 2 column 'faulty': 'oops' is not a finite number",
        "part (split)",
        'group = "video_id"',
    ):
        assert reason in plain(text)


def test_tables_that_belong_together(tmp_path, table):
    """A side table by the same ids, two roles of one table, several rows a sample, dangling keys."""
    keys = {
        "home_team_id": [1, 2, 3] * 10,
        "guest_team_id": [3, 1, 2] * 10,
        "shop": [f"s{i}" for i in range(ROWS)],
    }
    write(tmp_path, table[["id", "rating"]].assign(**keys), "labels.csv")
    write(tmp_path, table[["id", "review"]], "texts.csv")
    write(tmp_path, pd.DataFrame({"id": [1, 2, 3], "city": ["Rome", "Bonn", "Oslo"]}), "teams.csv")
    replies = pd.DataFrame({"samples_id": table["id"].repeat(2), "said": ["a", "b", "c", "d"] * 15})
    write(tmp_path, replies, "replies.csv")
    shops = pd.DataFrame({"id": [f"s{i}" for i in range(1, 41)], "kind": ["old", "new"] * 20})
    write(tmp_path, shops, "shops.csv")
    schema, data, text = proposed(tmp_path)
    assert schema.samples.table == "labels.csv"
    assert (schema.entities["text"].key, schema.entities["text"].text) == ("id", ["review"])
    assert schema.entities["home_team"].table == schema.entities["guest_team"].table == "teams.csv"
    assert data.items["guest_team"].padded(np.arange(3)).tolist() == [[2], [0], [1]]
    assert "shop" not in schema.entities
    assert "labels.csv row 2 column 'shop': 's0' is not in shops.csv" in plain(text)
    assert "replies.csv: it refers to the samples by samples_id" in plain(text)


def test_views_in_folders_and_pictures_of_a_linked_table(tmp_path, table):
    for name in table["id"]:
        picture(tmp_path / "front" / f"{name}.jpg")
        picture(tmp_path / "back" / f"{name}.jpg")
    for shop in range(3):
        picture(tmp_path / "shops" / f"w{shop}.jpg")
    write(tmp_path, table.assign(shop_id=[f"w{i % 3}" for i in range(ROWS)]))
    write(tmp_path, pd.DataFrame({"id": ["w0", "w1", "w2"], "city": ["Rome", "Bonn", "Oslo"]}), "shops.csv")
    schema, _, _ = proposed(tmp_path)
    assert schema.entities["front"].image == ["front/{id}.jpg"]
    assert schema.entities["back"].image == ["back/{id}.jpg"]
    assert (schema.entities["shop"].table, schema.entities["shop"].image) == ("shops.csv", ["shops/{id}.jpg"])


def test_a_column_that_the_check_refuses_makes_room_for_the_next(tmp_path, table):
    parts = {"part": ["train", "dev", "test"] * 10, "split": ["train", "validation", "test"] * 10}
    schema, _, text = proposed(write(tmp_path, table.assign(**parts)))
    assert schema.samples.split == "split"
    assert "the split 'dev' is unknown" in plain(text)


def test_names_that_are_hard_to_write(tmp_path, table):
    folder = tmp_path / 'häuser "neu"'
    hard = {"review": 'the "text"\\ [x]', "size": "größe = 1 # no\ncomment", "visits": "{odd}"}
    schema, _, text = proposed(write(folder, table.rename(columns=hard)))
    assert schema.name == folder.name
    (entity,) = schema.entities.values()
    assert (entity.text, entity.numeric) == ([hard["review"]], [hard["size"]])
    assert "{odd} (a brace in its name" in text


FAULTS = {
    "no table": ({}, r"has no table; put a \.csv"),
    "not a table": ({"samples.csv": "id,y\n1,2,3\n1,2,3,4\n"}, "row 2: has 3 fields where the header has 2"),
    "other separator": ({"samples.csv": "id;y\n1;2\n2;3\n"}, "separated by semicolons"),
    "no id": ({"samples.csv": "title,y\nred car,1.5\nred car,2.5\n"}, r"has no id.*add a column id"),
    "no number": ({"samples.csv": "id,title\na,red\nb,blue\n"}, "has a number to predict in every row"),
    "gaps in the target": ({"samples.csv": "id,title,y\na,red,1\nb,blue,\nc,x,3\n"}, "fill its empty cells"),
    "nothing else": ({"samples.csv": "id,y\na,1.5\nb,2.5\n"}, "nothing to predict y from"),
    "two alike": (
        {"a.csv": "id,t,y\na,k,1.5\nb,l,2.5\n", "b.csv": "id,u,y\nc,k,1.5\nd,l,2.5\n"},
        r"b\.csv in .* could both be the table of samples; name",
    ),
    "parts as files": (
        {"train.csv": "id,t,y\na,k,1.5\nb,l,2.5\n", "test.csv": "id,t,y\nc,k,1.5\nd,l,2.5\n"},
        r"could both be .* join parts of one table into it, with a column split",
    ),
    "damaged array": (
        {"samples.csv": "id,t,y\na,k,1.5\nb,l,2.5\n", "x.npz": "no"},
        r"x\.npz cannot be read .*save the arrays again",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_described_is_told(tmp_path, fault):
    files, message = FAULTS[fault]
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=f"(?s){message}") as caught:
        propose(tmp_path)
    assert len(str(caught.value).splitlines()) <= 2
