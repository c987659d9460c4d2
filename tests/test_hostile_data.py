"""Tables and descriptions of hostile and unlucky users: a line that names the file, no hang."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hostile import IDS, N, bench, describe, features, flipped, problem, sound

from bench.data import parquet, tables
from bench.data.catalog import load
from bench.data.checks import check
from bench.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return sound(tmp_path)


# -- tables ------------------------------------------------------------------------------------------------


def parquet_bytes(**columns: object) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream)
    return stream.getvalue()


PARQUET = parquet_bytes(id=IDS, y=np.random.default_rng(0).normal(size=N), a=np.arange(N) * 1.0, t=IDS)


FOOTER = -8 - int.from_bytes(PARQUET[-8:-4], "little")


def bad_metadata() -> bytes:
    stream = io.BytesIO()
    pq.write_table(
        pa.table({"id": IDS, "y": range(N)}).replace_schema_metadata({"pandas": b"{[not json"}), stream
    )
    return stream.getvalue()


BAD_PARQUET = {
    "empty": b"", "zeroed": bytes(999), "cut": PARQUET[:-100], "a text": b"id,y,a\n1,2,3\n",
    "flipped in the footer": flipped(PARQUET, FOOTER), "flipped in the length": flipped(PARQUET, -6),
    "flipped in the values": flipped(PARQUET, 20), "header only": b"PAR1PAR1",
    "pandas' notes are no JSON": bad_metadata(),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_PARQUET)
def test_a_damaged_parquet_is_told_as_table_and_as_features(folder, name):
    (folder / "t.parquet").write_bytes(BAD_PARQUET[name])
    describe(folder, table="t.parquet")
    problem(folder, "unreadable-table", "t.parquet", "cannot be read as a table: ")
    features(folder, "t.parquet")
    problem(folder, "unreadable-features", "t.parquet", "cannot be read (")


def test_a_parquet_that_fills_all_memory_is_refused(folder, monkeypatch):
    monkeypatch.setattr(parquet, "MOST_CELLS", 1_000)
    (folder / "t.parquet").write_bytes(parquet_bytes(id=["x"] * 500_000))
    describe(folder, table="t.parquet")
    problem(folder, "unreadable-table", "t.parquet", "unpack to 500,000 values")


NESTED = {
    "lists": [[1.0]] * N, "lists of lists": [[[1.0]]] * N, "mappings": [{"a": 1}] * N, "bytes": [b"\xff"] * N,
    "lists of mappings": [[{"a": [b"x"]}]] * N,
}  # fmt: skip


@pytest.mark.parametrize("name", NESTED)
def test_nested_cells_are_no_texts_or_numbers(folder, name):
    columns = {"id": IDS, "y": np.random.default_rng(0).normal(size=N), "a": NESTED[name]}
    (folder / "t.parquet").write_bytes(parquet_bytes(**columns))
    describe(folder, own='text = ["a"]', table="t.parquet")
    found = check(folder)
    assert ("not-text", "t.parquet", "a", True) in [(p.kind, p.file, p.column, p.stops) for p in found]
    describe(folder, own='numeric = ["a"]', table="t.parquet")
    assert "not-text" in {p.kind for p in check(folder)}


HEAD = b"id,y,a,t\n"
ROWS = b"".join(b"s%d,%d.5,%d,w%d\n" % (i, i * 7 % 11, i * 3 % 17, i % 5) for i in range(N))
BAD_CSV = {
    "NUL in a number": (HEAD + ROWS.replace(b"s3,", b"s3,\0", 1), "not-a-number", "column 'y'"),
    "all zeros": (bytes(4096), "missing-column", "has no column"),
    "more fields, later no UTF-8": (HEAD + b"1,2,3,4,5,6\n" + ROWS + b"\xff", "not-utf8", "row 43"),
    "a quote over everything": (HEAD + b'"' + ROWS, "open-quote", "row 2"),
    "other digits": (HEAD + ROWS.replace(b"s2,3.5", "s2,６６".encode()), "not-a-number", "'６６'"),
    "numbers beyond all": (HEAD + ROWS.replace(b"s2,3.5", b"s2,1e999"), "not-a-number", "'1e999'"),
    "5,000 digits": (HEAD + ROWS.replace(b"s2,3.5", b"s2," + b"9" * 5000), "not-a-number", "column 'y'"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_CSV)
def test_a_hostile_csv_is_told(folder, name):
    content, kind, says = BAD_CSV[name]
    (folder / "samples.csv").write_bytes(content)
    found = [p for p in check(folder) if p.kind == kind]
    assert found, list(map(str, check(folder)))
    assert found[0].file == "samples.csv"
    assert says in str(found[0])
    assert str(found[0]).isprintable()
    assert len(str(found[0])) < 1500


def test_a_table_of_one_giant_line_is_not_read(folder, monkeypatch):
    monkeypatch.setattr(tables, "LONGEST_HEADER", 10_000)
    (folder / "samples.csv").write_bytes(b"x" * 20_000)
    problem(folder, "unreadable-table", "samples.csv", "longer than 10,000 characters")


def test_many_columns_are_counted_and_not_listed(folder):
    names = [f"column{i}" for i in range(3_000)]
    table = pd.read_csv(folder / "samples.csv").join(pd.DataFrame(0.5, range(N), names))
    table.to_csv(folder / "samples.csv", index=False)
    (unused,) = check(folder)
    assert "and 2,992 more" in str(unused)
    describe(folder, own='numeric = ["gone"]')
    problem(folder, "missing-column", "samples.csv", "and 2,996 more")


# -- the description ---------------------------------------------------------------------------------------

LIMIT = "is too large for a description"
DESCRIPTIONS = {
    "6,000 digits": (b"x = " + b"9" * 6000, "not-toml", "a number with thousands of digits"),
    "nested": (b"x = " + b"[" * 5000, "not-toml", "nested too deeply"),
    "nested tables": (b"x = " + b"{a = " * 3000, "not-toml", ""),
    "NUL": (b"name = \"d\0\"", "not-toml", "not valid TOML"),
    "escaped half character": (b'name = "\\ud800"', "not-toml", "not valid TOML"),
    "bytes of half a character": (b'name = "\xed\xa0\x80"', "not-utf8", "not UTF-8"),
    "over a megabyte": (b"#" * (1 << 20) + b"#", "not-toml", LIMIT),
    "impossible date": (b"x = 2024-99-99", "not-toml", ""),
    "deep keys": (b".".join([b"a"] * 3000) + b" = 1", "bad-description", ""),
    "empty": (b"", "bad-description", ""),
    "strange names": (b'name = "d"\n[target]\ncolumn = "y"\n[entities."a\\n\\u0000/../\\u202e"]\n'
                      b'numeric = ["a"]\n', "bad-description", "use letters"),
    "unknown keys with line ends": (b'"a\\nb\\u0000" = 1', "bad-description", ""),
    "100,000 columns twice": (b'name = "d"\n[target]\ncolumn = "y"\n[entities.e]\nnumeric = ['
                              + b",".join(b"'%d'" % (i % 70_000) for i in range(100_000)) + b"]",
                              "bad-description", "and 29,992 more"),
}  # fmt: skip


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_a_hostile_description_is_told_in_a_line(folder, name):
    content, kind, says = DESCRIPTIONS[name]
    (folder / "dataset.toml").write_bytes(content)
    found = check(folder)
    assert {(p.kind, p.file) for p in found} == {(kind, "dataset.toml")}
    assert says in str(found[0])
    with pytest.raises(DataError, match=r"dataset\.toml") as caught:
        load(str(folder))
    assert caught.value.exit_code == 2
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1500
    told = bench("stats", folder)
    assert told.exit_code == 2
    assert 1 <= len(told.stderr.strip().splitlines()) <= 2
