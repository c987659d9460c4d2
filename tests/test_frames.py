"""Datasets from DataFrames in hand: the same as from files, whatever the types, and as plainly refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.data.dataset import Dataset, read_dataset
from bench.errors import DataError
from bench.plan import load_plans
from bench.request import Request
from bench.runner import Outcome
from bench.store import RunStore
from bench.workflow import run
from fusions import Source

ENTITIES = {
    "shop": {"text": ["title"], "numeric": ["area", "open"], "log": ["area"]},
    "product": {"table": "products", "key": "products", "many": True, "text": ["name"], "numeric": ["price"]},
}
TARGET = {"column": "sales", "transform": "log10", "unit": "yuan"}
SHOP, PRODUCT = Source("shop", "numeric"), Source("product", "numeric")


def samples() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": ["a", "b", "c", "d"],
            "sales": [100.0, 1000.0, 10.0, 1.5],
            "title": ["店铺", None, 'shop, "two"\nlines', "  "],
            "area": [9.5, np.nan, 0.1, 3.0],
            "open": [True, False, True, True],
            "products": ["p|q", None, "q", "p"],
            "day": ["2026-01-02", "2026-01-01", "2026-01-03", "2025-12-31"],
            "part": ["train", "train", "validation", "test"],
            "chain": ["x", "x", None, "y"],
        }
    )


def products() -> pd.DataFrame:
    return pd.DataFrame({"id": ["p", "q"], "name": ["red", "blue"], "price": [3, 4]})


def framed(table: pd.DataFrame | None = None, **more) -> Dataset:
    table = samples() if table is None else table
    said = {"target": TARGET, "entities": ENTITIES, "tables": {"products": products()}} | more
    return Dataset.from_frames(table, **said)


def numbers(table: pd.DataFrame, **more) -> Dataset:
    """One entity with the numeric column x."""
    return Dataset.from_frames(table, target="y", entities={"e": {"numeric": ["x"]}}, **more)


def test_frames_are_what_their_csv_files_are(tmp_path):
    samples().to_csv(tmp_path / "samples.csv", index=False)
    products().to_csv(tmp_path / "products.csv", index=False)
    (tmp_path / "dataset.toml").write_text(
        'name = "shops"\n[target]\ncolumn = "sales"\ntransform = "log10"\nunit = "yuan"\n'
        '[samples]\ntime = "day"\nsplit = "part"\ngroup = "chain"\n'
        '[entities.shop]\ntext = ["title"]\nnumeric = ["area", "open"]\nlog = ["area"]\n'
        '[entities.product]\ntable = "products.csv"\nkey = "products"\nmany = true\ntext = ["name"]\n'
        'numeric = ["price"]\n',
        encoding="utf-8",
    )
    read, made = read_dataset(tmp_path), framed(time="day", split="part", group="chain")
    assert read.schema.sources == made.schema.sources
    assert read.schema.target == made.schema.target
    assert read.samples.keys() == made.samples.keys() == {"ids", "target", "groups", "official", "times"}
    for name, array in read.samples.items():
        np.testing.assert_array_equal(made.samples[name], array)
    for source in read.schema.sources:
        items, other = read.items[source.entity], made.items[source.entity]
        np.testing.assert_array_equal(other.padded(np.arange(4)), items.padded(np.arange(4)))
        if source.modality == "numeric":
            np.testing.assert_array_equal(made.numeric(source), read.numeric(source))
        else:
            one, two = read.raw(source), made.raw(source)
            assert one.items == two.items
            np.testing.assert_array_equal(one.rows.offsets, two.rows.offsets)
            np.testing.assert_array_equal(one.rows.values, two.rows.values)
            np.testing.assert_array_equal(one.slots, two.slots)
    assert made.target.tolist() == np.log10([100, 1000, 10, 1.5]).tolist()


def test_frames_are_not_modified():
    table, other = samples().set_index("id"), products()
    before = table.copy(deep=True), other.copy(deep=True)
    framed(table, tables={"products": other}, time="day").fingerprint  # noqa: B018
    for frame, copy in zip((table, other), before, strict=True):
        pd.testing.assert_frame_equal(frame, copy, check_exact=True)


@pytest.mark.parametrize("index", [["k", "l", "m"], [7, 3, 5], pd.Index([7, 3, 5], name="number")])
def test_the_index_is_the_id_where_none_is_named(index):
    table = pd.DataFrame({"y": [1.0, 2, 4], "x": [1, 2, 3]}, index=index)
    assert numbers(table).ids == [str(i) for i in index]
    assert numbers(table.assign(key=list("uvw")), id="key").ids == ["u", "v", "w"]
    assert numbers(table.assign(id=list("uvw"))).ids == ["u", "v", "w"]


def test_rows_keep_their_order_whatever_the_index():
    table = pd.DataFrame({"y": [1.0, 2, 4, 8], "x": [1, 2, 3, 4]}).iloc[[3, 0, 2]]
    data = numbers(table)
    assert data.target.tolist() == [8, 1, 4]
    assert data.numeric(Source("e", "numeric")).ravel().tolist() == [4, 1, 3]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ([1, 2, 3], [1, 2, 3]),
        ([0.1, np.nan, 3], [0.1, np.nan, 3]),
        ([True, False, True], [1, 0, 1]),
        (pd.array([1, None, 3], dtype="Int64"), [1, np.nan, 3]),
        (pd.array([True, None, False], dtype="boolean"), [1, np.nan, 0]),
        (pd.Categorical([10, 20, 10]), [10, 20, 10]),
        (pd.Categorical(["1.5", None, "2"]), [1.5, np.nan, 2]),
        (pd.Series([1, None, "2.5"], dtype=object), [1, np.nan, 2.5]),
        (pd.Series([True, None, "false"], dtype=object), [1, np.nan, 0]),
        (np.array([1, 2, 3], dtype=np.uint8), [1, 2, 3]),
    ],
)
def test_numbers_of_every_type(column, expected):
    data = numbers(pd.DataFrame({"y": [1.0, 2, 4], "x": column}))
    np.testing.assert_array_equal(
        data.numeric(Source("e", "numeric")).ravel(), np.array(expected, dtype=np.float32)
    )


@pytest.mark.parametrize(
    "column",
    [
        ["2026-01-02", "2025-01-01", "2026-01-01"],
        pd.to_datetime(["2026-01-02", "2025-01-01", "2026-01-01"]),
        pd.to_datetime(["2026-01-02", "2025-01-01", "2026-01-01"], utc=True),
        pd.to_datetime(["2026-01-01 13:00:01", "2026-01-01 00:00:00", "2026-01-01 13:00:00"]),
        [3, 1, 2],
        [0.3, 0.1, 0.2],
    ],
)
def test_times_of_every_type(column):
    data = numbers(pd.DataFrame({"y": [1.0, 2, 4], "x": [1, 2, 3], "t": column}), time="t")
    assert np.argsort(data.times).tolist() == [1, 2, 0]


def test_the_fingerprint_follows_the_values():
    one = framed().fingerprint
    assert framed().fingerprint == one
    table = samples()
    others = {
        "target": framed(table.assign(sales=[100.0, 1000, 10, 1.6])),
        "a number": framed(table.assign(area=[9.5, np.nan, 0.1, 3.5])),
        "a missing number": framed(table.assign(area=[9.5, np.nan, np.nan, 3.0])),
        "order": framed(table.iloc[::-1]),
        "another table": framed(tables={"products": products().assign(name=["red", "green"])}),
        "description": framed(description="other shops"),
        "cells that change places": framed(table.assign(products=["p", None, "q", "p|q"])),
    }
    found = [data.fingerprint for data in others.values()]
    assert len({one, *found}) == len(others) + 1


WRONG = {
    "target": (lambda: framed(target="profit"), "samples has no column 'profit'; it has: id, sales"),
    "column": (lambda: numbers(pd.DataFrame({"y": [1.0, 2]})), "no column 'x'; it has: id, y"),
    "field": (
        lambda: framed(entities={"shop": {"numric": ["area"]}}), "from_frames.*numric.*did you mean",
    ),
    "transform": (lambda: framed(target=TARGET | {"transform": "ln"}), "target.transform"),
    "argument": (lambda: framed(grp="chain"), "samples.grp.*did you mean 'group'"),
    "no entity": (lambda: framed(entities={}), "entities"),
    "table": (lambda: framed(tables={}), "products does not exist"),
    "key": (
        lambda: framed(samples().assign(products=["p|r", None, "q", "p"])),
        r"samples row 2 column 'products': 'r' is not in products",
    ),
    "repeated index": (
        lambda: numbers(pd.DataFrame({"y": [1.0, 2], "x": [1, 2]}, index=["a", "a"])), "row 3.*repeats",
    ),
    "text": (lambda: framed(samples().assign(area=["9", "big", "1", "2"])), "row 3 column 'area': 'big'"),
    "infinite": (lambda: framed(samples().assign(area=[1, np.inf, 1, 2])), "row 3 column 'area': 'inf'"),
    "missing target": (lambda: framed(samples().assign(sales=[1, None, 10, 2])), "row 3.*'sales'.*empty"),
    "missing time": (
        lambda: framed(samples().assign(day=pd.to_datetime(["2026-01-02", None, "2026-01-03", "2026-01-04"])),
                       time="day"),
        "row 3 column 'day'",
    ),
    "negative under log": (lambda: framed(samples().assign(area=[1, -1, 1, 2])), "row 3.*negative"),
}  # fmt: skip


@pytest.mark.parametrize("fault", WRONG)
def test_what_is_wrong_is_plain_errors(fault):
    make, message = WRONG[fault]
    with pytest.raises(DataError, match=message) as caught:
        make()
    assert len(str(caught.value).splitlines()) <= 2


PLAIN = pd.DataFrame({"y": [1.0, 2, 4, 3], "x": [1, 2, 3, 4]})


@pytest.mark.parametrize(
    ("table", "more", "message"),
    [
        (pd.concat([PLAIN, PLAIN[["x"]]], axis=1), {}, "several columns named 'x'"),
        (PLAIN, {"entities": {"e": ["x"]}}, r"entities\.e"),
        (PLAIN.set_axis(pd.MultiIndex.from_product([[1, 2], [3, 4]])), {}, "several levels"),
        (PLAIN.iloc[:0], {}, "no rows"),
    ],
)
def test_frames_of_a_wrong_shape_are_plain_errors(table, more, message):
    with pytest.raises(DataError, match=message):
        Dataset.from_frames(table, **({"target": "y", "entities": {"e": {"numeric": ["x"]}}} | more))


def test_columns_that_nobody_asks_for_may_hold_anything():
    odd = {"z": [[1], {}, None, np.zeros(2)], "t": pd.timedelta_range("1s", periods=4)}
    made = numbers(PLAIN.assign(**odd))
    assert made.numeric(Source("e", "numeric")).ravel().tolist() == [1, 2, 3, 4]
    assert len(made.fingerprint) == 16


class Silent:
    """A reporter that only counts."""

    def __init__(self) -> None:
        self.runs = 0

    def drawing(self, done: int, total: int) -> None: ...

    def encoding(self, what: str, done: int, total: int) -> None: ...

    def running(self, done: int, total: int, last: Outcome | None) -> None:
        self.runs = done


def test_frames_run_like_a_folder(tmp_path: Path, rng):
    n = 40
    y = rng.normal(size=n)
    text = [f"framed{int(4 * value)}" if i % 5 else None for i, value in enumerate(y)]
    table = pd.DataFrame({"y": y, "title": text, "x": y + rng.normal(size=n)}, index=range(100, 100 + n))
    entities = {"shop": {"text": ["title"]}, "e": {"numeric": ["x"]}}

    def carry_out(frame: pd.DataFrame):
        data = Dataset.from_frames(frame, target="y", entities=entities, name="shops")
        request = Request(
            data=data, fusions="concat", seeds=1, out=tmp_path, device="cpu", executor="inline",
            settings=("training.epochs=2",),
        )  # fmt: skip
        reporter = Silent()
        report = run(request, reporter)
        return report, reporter

    report, reporter = carry_out(table)
    assert not report.summary.failures
    assert report.summary.executed == reporter.runs == 5
    assert report.encoded == len(set(text) - {None})
    (plan,) = load_plans(tmp_path)
    assert (plan.dataset, plan.samples) == ("shops", n)
    predictions = RunStore(tmp_path).predictions(plan.rows[0].runs[0]).set_index("id")
    assert predictions["y_true"].to_dict() == {i: table.loc[int(i), "y"] for i in predictions.index}
    again, _ = carry_out(table.copy())
    assert (again.summary.executed, again.summary.stored, again.encoded) == (0, 5, 0)
