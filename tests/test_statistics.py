"""Table 5 for any dataset: the target per part, what is missing, what is there twice."""

import breaking
import numpy as np
import pandas as pd
import pytest

from bench.config import TrainingConfig
from bench.data.catalog import load
from bench.data.dataset import Dataset
from bench.data.duplicates import across_parts, signatures
from bench.data.splits import Parts
from bench.data.statistics import as_bars, first_parts, statistics
from bench.errors import UsageError


def toy(**columns: object) -> Dataset:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"y": rng.normal(size=20), "a": np.arange(20.0), **columns})
    entities = {"one": {"numeric": ["a"], **({"text": ["t"]} if "t" in columns else {})}}
    return Dataset.from_frames(frame, target="y", entities=entities)


def test_the_target_per_part_and_its_histogram(streams):
    tables = statistics(streams)
    parts = first_parts(streams, TrainingConfig())
    test = tables["target"].set_index("part").loc["test"]
    y = streams.target[parts.test]
    expected = [len(y), y.max(), y.min(), y.mean(), np.median(y), y.std()]
    np.testing.assert_allclose(test[["size", "max", "min", "mean", "median", "sd"]].astype(float), expected)
    assert tables["target"]["size"].sum() == len(streams)
    assert tables["histogram"]["count"].sum() == len(streams)


def test_sources_say_what_is_missing(tmp_path):
    folder = tmp_path / "data"
    breaking.build(folder)
    breaking.both(
        breaking.cell(3, "title", ""), breaking.cell(4, "area", ""), breaking.cell(5, "product_ids", ""),
        breaking.cell(2, "price", "", "products.csv"),
    )(folder)  # fmt: skip
    table = statistics(load(str(folder)))["sources"].set_index(["entity", "modality"])
    assert table.loc[("shop", "text"), ["items", "samples", "missing"]].tolist() == [23, 23, 1 / 24]
    assert table.loc[("shop", "numeric"), "samples"] == 24  # the other attribute is there
    assert table.loc[("shop", "numeric"), "missing cells"] == pytest.approx(1 / 48)
    assert table.loc[("product", "text"), "tokens per sample"] == pytest.approx(46 / 24)
    assert table.loc[("product", "text"), "missing"] == pytest.approx(1 / 24)
    assert table.loc[("product", "numeric"), "missing cells"] == pytest.approx(1 / 6)
    assert table.loc[("mood", "audio"), ["attributes", "items", "samples"]].tolist() == [1, 24, 24]


def test_duplicates_are_those_in_another_part_whatever_their_case_and_last_digits():
    words = [f"word {i}" for i in range(20)]
    words[7], words[13], words[18] = "Word 2!", "word 2", "word 2"
    numbers = np.arange(20.0)
    numbers[[7, 13]] = 2.0001, 2
    data = toy(t=words, a=numbers)
    parts = Parts(np.arange(0, 12), np.arange(12, 16), np.arange(16, 20))
    found = across_parts(data, parts)
    # row 9 (position 7) is in the part of the original; position 18 has another number
    assert found.to_dict("records") == [{"copy": 15, "part": "validation", "row": 4, "part_of_row": "train"}]


def test_samples_without_any_attribute_are_no_duplicates():
    numbers = np.arange(20.0)
    numbers[[3, 15]] = np.nan
    data = toy(a=numbers)
    assert np.flatnonzero(~signatures(data)[1]).tolist() == [3, 15]
    assert across_parts(data, Parts(np.arange(10), np.arange(10, 15), np.arange(15, 20))).empty


def test_equal_values_in_other_columns_are_another_signature():
    frame = pd.DataFrame({"y": [1.0, 2.0], "a": [3.0, 5.0], "b": [5.0, 3.0]})
    data = Dataset.from_frames(frame, target="y", entities={"one": {"numeric": ["a", "b"]}})
    marks = signatures(data)[0]
    assert marks[0] != marks[1]


def test_the_histogram_as_bars():
    table = pd.DataFrame({
        "part": ["training", "training", "test", "test"], "left": [0.0, 1, 0, 1], "right": [1.0, 2, 1, 2],
        "count": [3, 6, 1, 2],
    })  # fmt: skip
    lines = as_bars(table, width=8).splitlines()
    assert [line.count("█") for line in lines] == [4, 8]
    assert [line.split()[-1] for line in lines] == ["4", "8"]


def test_an_unknown_split_is_refused():
    with pytest.raises(UsageError, match="no such column"):
        statistics(toy(), split="official")
