"""Reading a folder with its description: what is refused, and how the user is told."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.data.catalog import load
from bench.data.dataset import read_dataset
from bench.data.schema import read_schema
from bench.errors import BenchError, DataError
from fusions import Source

DESCRIPTION = """
name = "shops"
[target]
column = "sales"
transform = "log10"
unit = "yuan"
[entities.shop]
text = ["title"]
numeric = ["area", "visits"]
log = ["visits"]
[entities.product]
table = "products.csv"
key = "products"
many = true
text = ["name"]
"""
SAMPLES = "id,sales,title,area,visits,products\na,100,店铺,3.5,9,p|q\nb,1000,,,0,q\nc,10,shop,1,,\n"
PRODUCTS = "id,name\np,red\nq,blue\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "dataset.toml").write_text(DESCRIPTION, encoding="utf-8")
    (tmp_path / "samples.csv").write_text(SAMPLES, encoding="utf-8")
    (tmp_path / "products.csv").write_text(PRODUCTS, encoding="utf-8")
    return tmp_path


def change(folder: Path, file: str, old: str, new: str) -> Path:
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return folder


def test_target_items_tokens_and_missing_values(folder):
    data = read_dataset(folder)
    assert data.target.tolist() == [2, 3, 1]
    assert data.schema.target.label == "log10(sales [yuan])"
    assert data.schema.many == {"product"}
    assert data.items["product"].padded(np.arange(3)).tolist() == [[0, 1], [1, -1], [-1, -1]]
    text = data.raw(Source("shop", "text"))
    assert text.items == ["店铺", "shop"]
    assert text.rows.padded(np.arange(3)).tolist() == [[0], [-1], [1]]
    numbers = data.numeric(Source("shop", "numeric"))
    np.testing.assert_allclose(numbers, [[3.5, np.log1p(9)], [np.nan, 0], [1, np.nan]], rtol=1e-6)


def test_parquet_tables_and_byte_order_marks_are_read(folder):
    pd.read_csv(folder / "products.csv").to_parquet(folder / "products.parquet")
    change(folder, "dataset.toml", "products.csv", "products.parquet")
    (folder / "samples.csv").write_text("\ufeff" + SAMPLES, encoding="utf-8")
    data = read_dataset(folder)
    assert data.ids == ["a", "b", "c"]
    assert data.raw(Source("product", "text")).items == ["red", "blue"]


def test_the_fingerprint_follows_the_content(folder):
    before = read_dataset(folder).fingerprint
    assert read_dataset(folder).fingerprint == before
    assert read_dataset(change(folder, "products.csv", "blue", "green")).fingerprint != before


FAULTS = {
    "no target column": (
        "dataset.toml",
        '"sales"',
        '"sale"',
        r"samples\.csv has no column 'sale'; it has: id, sales",
    ),
    "misspelt field": (
        "dataset.toml",
        "many = true",
        "mnay = true",
        r"entities\.product\.mnay.*did you mean 'many'",
    ),
    "unknown transform": ("dataset.toml", '"log10"', '"ln"', r"target\.transform"),
    "not toml": ("dataset.toml", "[target]", "[target", r"not valid TOML.*line 3"),
    "log of no number": ("dataset.toml", '["visits"]\n[', '["size"]\n[', r"entities\.shop.*size"),
    "missing table": ("dataset.toml", "products.csv", "goods.csv", r"goods\.csv does not exist"),
    "missing key column": ("dataset.toml", 'key = "products"', 'key = "goods"', r"no column 'goods'"),
    "dangling key": (
        "samples.csv",
        "p|q",
        "p|r",
        r"samples\.csv row 2 column 'products': 'r' is not in products\.csv",
    ),
    "duplicate id": ("samples.csv", "\nb,", "\na,", r"row 3 column 'id'.*repeats"),
    "text as a number": ("samples.csv", "3.5", "big", r"row 2 column 'area': 'big' is not a finite number"),
    "infinite number": ("samples.csv", "3.5", "inf", r"row 2 column 'area'"),
    "empty target": ("samples.csv", "b,1000", "b,", r"row 3 column 'sales': the target is empty"),
    "zero under log10": (
        "samples.csv",
        "b,1000",
        "b,0",
        r"row 3 column 'sales': the target '0' has no log10",
    ),
    "negative under log": ("samples.csv", "3.5,9", "3.5,-9", r"row 2 column 'visits': '-9' is negative"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_file_row_and_column(folder, fault):
    file, old, new, message = FAULTS[fault]
    change(folder, file, old, new)
    with pytest.raises(DataError, match=f"(?s){message}") as caught:
        read_dataset(folder)
    assert len(str(caught.value).splitlines()) <= 2


@pytest.mark.parametrize("path", ["../outside.jpg", "/etc/passwd", "link.jpg"])
def test_media_outside_the_folder_are_never_read(folder, path):
    (folder / "link.jpg").symlink_to(folder.parent / "outside.jpg")
    change(folder, "dataset.toml", 'text = ["title"]', 'image = ["title"]')
    change(folder, "samples.csv", "店铺", path)
    with pytest.raises(DataError, match="leaves the dataset's folder"):
        read_dataset(folder).raw(Source("shop", "image"))


def test_a_path_pattern_is_filled_from_the_row(folder):
    change(folder, "dataset.toml", 'text = ["title"]', 'image = ["images/{id}_{title}.jpg"]')
    raw = read_dataset(folder).raw(Source("shop", "image"))
    assert [p.name for p in raw.items] == ["a_店铺.jpg", "c_shop.jpg"]
    change(folder, "dataset.toml", "{title}", "{colour}")
    with pytest.raises(DataError, match="no column 'colour'"):
        read_dataset(folder).raw(Source("shop", "image"))


def test_a_wrong_name_suggests_the_nearest_and_a_folder_without_description_says_so(tmp_path):
    with pytest.raises(BenchError, match="did you mean 'livestream'"):
        load("livestreams")
    with pytest.raises(BenchError, match=r"has no dataset\.toml"):
        load(str(tmp_path))


def test_a_folder_that_fits_a_shipped_example_needs_no_description(tmp_path):
    header = "id,bedrooms,bathrooms,area_sqft,zipcode,price_usd,dup_group\n"
    rows = header + "1,4,4,4053,85255,869500,1\n2,3,2,900,36372,5e5,2\n"
    (tmp_path / "labels.csv").write_text(rows, encoding="utf-8")
    data = load(str(tmp_path))
    assert data.schema.name == "houses"
    assert data.groups is not None


def test_the_embedded_dataset_reads_as_described(streams, stream_folder, tmp_path):
    assert len(streams) == len(streams.ids)
    assert {str(s) for s in streams.schema.sources} == {
        f"{entity}.{modality}"
        for entity in ("anchor", "commodity", "room")
        for modality in ("text", "image", "numeric")
    } | {"video.video", "audio.audio"}
    assert streams.schema.ordered == {Source("video", "video"), Source("audio", "audio")}
    moved = shutil.copytree(stream_folder, tmp_path / "elsewhere")
    assert read_dataset(moved).fingerprint == streams.fingerprint
    assert read_schema(moved / "dataset.toml") == streams.schema
