"""Precomputed features: every form of file, what is absent, what is refused, and a run on nothing else."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

import encoders
from bench.cli import main
from bench.data.dataset import read_dataset
from bench.data.precomputed import Vectors, read_vectors
from bench.data.problems import Problem, refuse
from bench.data.schema import Features
from bench.errors import DataError
from bench.features.batch import Batch
from bench.features.encode import encode
from bench.features.store import FeatureSet
from fusions import Source

IDS = ["a", "b", "c", "d"]
VECTORS = np.arange(12, dtype=np.float32).reshape(4, 3) + 0.5
FLAT = np.arange(18, dtype=np.float32).reshape(6, 3)
LENGTHS = [2, 0, 3, 1]
OFFSETS = np.array([0, 2, 2, 5, 6])
PADDED = np.full((4, 3, 3), np.nan, dtype=np.float32)
for _row, (_start, _length) in enumerate(zip(OFFSETS, LENGTHS, strict=False)):
    PADDED[_row, :_length] = FLAT[_start : _start + _length]
RAGGED = [FLAT[start:stop].tolist() for start, stop in pairwise(OFFSETS)]


def described(folder: Path, features: str, *, entity: str = "", rows: str = "", more: str = "") -> Path:
    """A folder with four samples and one source of precomputed text features."""
    (folder / "dataset.toml").write_text(
        f'name = "d"\n[target]\ncolumn = "y"\n[entities.e]\n{entity}\n'
        f"[entities.e.features.text]\n{features}\n{more}",
        encoding="utf-8",
    )
    rows = rows or "id,y\n" + "".join(f"{name},{i}\n" for i, name in enumerate(IDS))
    (folder / "samples.csv").write_text(rows, encoding="utf-8")
    return folder


def read(folder: Path, **fields: str) -> Vectors:
    return read_vectors(folder, Features(**fields), pd.Series(IDS, dtype="string"), refuse)


def sequences(vectors: Vectors) -> list[list[list[float]]]:
    """The vectors of every row."""
    rows, offsets = vectors.rows.values, vectors.rows.offsets
    return [vectors.values[rows[a:b]].tolist() for a, b in pairwise(offsets)]


def features_of(folder: Path) -> FeatureSet:
    return encode(read_dataset(folder), {})[0]


def equal(one: Batch, other: Batch) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


# --- forms ------------------------------------------------------------------------------------------------


def one_each() -> list[list[list[float]]]:
    return [[vector] for vector in VECTORS.tolist()]


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f8", "i4", "u1"])
def test_vectors_of_any_kind_of_number(tmp_path, dtype):
    array = VECTORS.astype(dtype)
    np.savez(tmp_path / "f.npz", x=array)
    np.save(tmp_path / "f.npy", array)
    expected = [[vector] for vector in array.tolist()]
    assert sequences(read(tmp_path, file="f.npz", array="x")) == expected
    assert sequences(read(tmp_path, file="f.npy")) == expected


def test_steps_of_nothing_but_nan_are_absent_wherever_they_stand(tmp_path):
    np.save(tmp_path / "f.npy", PADDED[:, ::-1])
    assert sequences(read(tmp_path, file="f.npy")) == [row[::-1] for row in RAGGED]


def test_the_key_decides_and_not_the_order(tmp_path):
    order = np.array([2, 0, 3, 1])
    np.savez(tmp_path / "f.npz", x=VECTORS[order], k=np.array(IDS)[order])
    assert sequences(read(tmp_path, file="f.npz", array="x", key="k")) == one_each()
    np.savez(tmp_path / "f.npz", x=VECTORS[order], k=np.array(IDS).astype("S")[order])
    assert sequences(read(tmp_path, file="f.npz", array="x", key="k")) == one_each()
    table = pd.DataFrame({"x": list(VECTORS[order]), "k": np.array(IDS)[order]})
    table.to_parquet(tmp_path / "f.parquet")
    assert sequences(read(tmp_path, file="f.parquet", array="x", key="k")) == one_each()
    table.set_index("k").to_parquet(tmp_path / "f.parquet")
    assert sequences(read(tmp_path, file="f.parquet", array="x", key="k")) == one_each()


def test_ragged_sequences_with_a_key_in_another_order(tmp_path):
    order = [2, 0, 3, 1]
    flat = np.concatenate([np.array(RAGGED[i]).reshape(-1, 3) for i in order])
    offsets = np.concatenate([[0], np.cumsum([LENGTHS[i] for i in order])])
    np.savez(tmp_path / "f.npz", x=flat, o=offsets, k=np.array(IDS)[order])
    assert sequences(read(tmp_path, file="f.npz", array="x", key="k", offsets="o")) == RAGGED


def test_lists_and_lists_of_lists_in_parquet(tmp_path):
    pd.DataFrame({"x": VECTORS.tolist()}).to_parquet(tmp_path / "f.parquet")
    assert sequences(read(tmp_path, file="f.parquet", array="x")) == one_each()
    pd.DataFrame({"x": RAGGED}).to_parquet(tmp_path / "f.parquet")
    assert sequences(read(tmp_path, file="f.parquet", array="x")) == RAGGED
    pd.DataFrame({"x": [*VECTORS.tolist()[:2], None, [None] * 3]}).to_parquet(tmp_path / "f.parquet")
    assert sequences(read(tmp_path, file="f.parquet", array="x")) == [*one_each()[:2], [], []]


def test_rows_without_features_are_told_and_absent_and_surplus_ones_are_ignored(tmp_path):
    array = np.vstack([VECTORS[[3, 0]], [[np.nan, 1, 2]]])  # what nobody asks for may be broken
    np.savez(tmp_path / "f.npz", x=array, k=np.array(["d", "a", "z"]))
    told: list[Problem] = []
    spec = Features(file="f.npz", array="x", key="k")
    vectors = read_vectors(tmp_path, spec, pd.Series(IDS, dtype="string"), told.append)
    assert sequences(vectors) == [one_each()[0], [], [], one_each()[3]]
    assert [(p.kind, p.rows, p.stops) for p in told] == [("no-features", (3, 4), False)]


@pytest.mark.parametrize("form", ["offsets", "parquet"])
def test_a_batch_is_the_same_whatever_the_form(tmp_path, form):
    batches = []
    for name in ("sequences", form):
        folder = tmp_path / name
        folder.mkdir()
        if name == "sequences":
            np.save(folder / "f.npy", PADDED)
            described(folder, 'file = "f.npy"')
        elif name == "offsets":
            np.savez(folder / "f.npz", x=FLAT, o=OFFSETS)
            described(folder, 'file = "f.npz"\narray = "x"\noffsets = "o"')
        else:
            pd.DataFrame({"x": RAGGED}).to_parquet(folder / "f.parquet")
            described(folder, 'file = "f.parquet"\narray = "x"')
        features = features_of(folder)
        batches.append(
            [features.batch(np.array(r))[Source("e", "text")] for r in ([0, 1, 2, 3], [1], [3, 2])]
        )
    assert all(equal(one, other) for one, other in zip(*batches, strict=True))
    whole = batches[0][0]
    assert whole.mask.squeeze(1).sum(1).tolist() == LENGTHS
    assert whole.values.tolist() == FLAT.tolist()
    assert whole.values.dtype == torch.float32
    assert not whole.slots.any()


def test_whole_rows_that_are_absent_become_masks(tmp_path):
    array = VECTORS.copy()
    array[1:3] = np.nan
    np.save(tmp_path / "f.npy", array)
    features = features_of(described(tmp_path, 'file = "f.npy"'))
    batch = features.batch(np.arange(4))[Source("e", "text")]
    assert batch.mask.flatten().tolist() == [True, False, False, True]
    assert batch.values.tolist() == VECTORS[[0, 3]].tolist()
    assert features.complete.tolist() == [True, False, False, True]


def test_an_entity_of_many_items_has_features_per_row_of_its_own_table(tmp_path):
    rows = "id,y,e_id\na,1,q|p\nb,2,\nc,3,r\nd,4,p\n"
    np.savez(tmp_path / "f.npz", x=VECTORS[:3], k=np.array(["r", "q", "p"]))
    described(
        tmp_path,
        'file = "f.npz"\narray = "x"\nkey = "k"',
        entity='table = "items.csv"\nmany = true',
        rows=rows,
    )
    (tmp_path / "items.csv").write_text("id\np\nq\nr\n", encoding="utf-8")
    dataset = read_dataset(tmp_path)
    assert dataset.schema.ordered == frozenset()
    batch = features_of(tmp_path).batch(np.arange(4))[Source("e", "text")]
    assert batch.mask.squeeze(2).tolist() == [[True, True], [False] * 2, [True, False], [True, False]]
    assert batch.values.tolist() == VECTORS[[1, 2, 0, 2]].tolist()


def test_one_entity_raw_text_and_another_precomputed(tmp_path):
    np.save(tmp_path / "f.npy", VECTORS)
    rows = "id,y,title\n" + "".join(f"{name},{i},spoken{i}\n" for i, name in enumerate(IDS))
    described(tmp_path, 'file = "f.npy"', rows=rows, more='[entities.raw]\ntext = ["title"]\n')
    dataset = read_dataset(tmp_path)
    assert dataset.schema.encoded == {"text"}
    hashing = encoders.get("text", "hashing", weights="random")
    features, encoded = encode(dataset, {"text": hashing})
    assert encoded == 4
    batch = features.batch(np.arange(4))
    assert batch[Source("e", "text")].values.tolist() == VECTORS.tolist()
    assert batch[Source("raw", "text")].values.shape[1] != 3
    assert features.stamps == {"text": hashing.stamp}


# --- faults -----------------------------------------------------------------------------------------------

X = {"file": "f.npz", "array": "x"}
WITH_NAN, WITH_INF = VECTORS.copy(), VECTORS.astype(float)
WITH_NAN[2, 1], WITH_INF[2, 1] = np.nan, 1e300
FAULTS = {
    "objects": ({"x": np.array([{}] * 4)}, X, "cannot be read.*save plain arrays"),
    "objects in the key": ({"x": VECTORS, "k": np.array(IDS, dtype="O")}, X | {"key": "k"}, "plain arrays"),
    "complex": ({"x": VECTORS * 1j}, X, "complex"),
    "one dimension": ({"x": VECTORS[0]}, X, r"shape \(3,\)"),
    "four dimensions": ({"x": VECTORS[..., None, None]}, X, r"\(rows, D\) or \(rows, L, D\)"),
    "no width": ({"x": VECTORS[:, :0]}, X, r"shape \(4, 0\)"),
    "wrong length": ({"x": VECTORS[1:]}, X, "has 3 rows where the table has 4.*`key`"),
    "missing array": ({"y": VECTORS}, X, "no array 'x'; it has: y"),
    "missing key": ({"x": VECTORS}, X | {"key": "k"}, "no array 'k'"),
    "missing offsets": ({"x": VECTORS}, X | {"offsets": "o"}, "no array 'o'"),
    "part of a vector": ({"x": WITH_NAN}, X, "row 4 column 'x'.*finite"),
    "too large": ({"x": WITH_INF}, X, "row 4 column 'x'.*finite"),
    "key repeats": ({"x": VECTORS, "k": np.array(list("abca"))}, X | {"key": "k"}, "every row once"),
    "key too short": ({"x": VECTORS, "k": np.array(list("abc"))}, X | {"key": "k"}, "every row once"),
    "key of others": ({"x": VECTORS, "k": np.arange(4.0)}, X | {"key": "k"}, "'k' has none.*'0.0'"),
    "empty offsets": ({"x": FLAT, "o": OFFSETS[:0]}, X | {"offsets": "o"}, "'o' does not cut 6 vectors"),
    "late offsets": ({"x": FLAT, "o": OFFSETS + 1}, X | {"offsets": "o"}, "rise from 0"),
    "short offsets": ({"x": FLAT, "o": OFFSETS[:-1]}, X | {"offsets": "o"}, "rise from 0"),
    "float offsets": ({"x": FLAT, "o": OFFSETS * 1.0}, X | {"offsets": "o"}, "rise from 0"),
    "falling offsets": ({"x": FLAT, "o": np.array([0, 4, 2, 5, 6])}, X | {"offsets": "o"}, "rise from 0"),
    "falling unsigned": (
        {"x": FLAT, "o": np.array([0, 4, 2, 5, 6], dtype=np.uint64)}, X | {"offsets": "o"}, "rise from 0",
    ),
    "offsets of sequences": ({"x": PADDED, "o": np.arange(5)}, X | {"offsets": "o"}, "rise from 0"),
}  # fmt: skip


def told(folder: Path, spec: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=f"(?s){message}") as caught:
        read(folder, **spec)
    assert len(str(caught.value).splitlines()) <= 2
    assert spec["file"] in str(caught.value)
    assert ";" in str(caught.value)  # what; how to fix


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.filterwarnings("error")
def test_a_fault_of_an_npz_is_told(tmp_path, fault):
    arrays, spec, message = FAULTS[fault]
    np.savez(tmp_path / "f.npz", **arrays)
    told(tmp_path, spec, message)


P = {"file": "f.parquet", "array": "x"}
LISTS = {
    "widths": ([[1.0, 2.0], [1.0], [1.0, 2.0], [1.0, 2.0]], "different widths"),
    "widths within": ([[[1.0, 2.0], [1.0]]] * 4, "not a list of numbers"),
    "too deep": ([[[[1.0, 2.0], [3.0, 4.0]]]] * 4, "not a list of numbers"),
    "numbers": ([1.0, 2.0, 3.0, 4.0], "not a list of numbers"),
    "digits": (["12", "34", "56", "78"], "not a list of numbers"),
    "lists of digits": ([["1", "2"]] * 4, "not a list of numbers"),
    "structs": ([{"1": 2.0, "2": 3.0}] * 4, "not a list of numbers"),
    "too few": ([[1.0, 2.0]] * 3, "has 3 rows where the table has 4"),
    "part of a vector": ([[1.0, 2.0], [1.0, None], [1.0, 2.0], [1.0, 2.0]], "row 3 column 'x'.*finite"),
}


@pytest.mark.parametrize("fault", LISTS)
def test_a_fault_of_a_parquet_column_is_told(tmp_path, fault):
    cells, message = LISTS[fault]
    pd.DataFrame({"x": cells}).to_parquet(tmp_path / "f.parquet")
    told(tmp_path, P, message)


def test_columns_that_are_not_there_are_told(tmp_path):
    pd.DataFrame({"y": VECTORS.tolist()}).to_parquet(tmp_path / "f.parquet")
    told(tmp_path, P, "no column 'x'; it has: y")
    told(tmp_path, {"file": "f.parquet", "array": "y", "key": "k"}, "no column 'k'")


@pytest.mark.parametrize("name", ["f.npz", "f.npy", "f.parquet"])
@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04" + bytes(40), b"\x80\x04cposix\nsystem\n."])
def test_a_file_that_is_something_else_is_told(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    told(tmp_path, {"file": name} | ({} if name == "f.npy" else {"array": "x"}), "cannot be read")


def test_a_file_of_the_other_kind_is_told(tmp_path):
    np.save(tmp_path / "f.npy", VECTORS)
    (tmp_path / "f.npy").rename(tmp_path / "f.npz")
    told(tmp_path, X, "is an .npy file, whatever its name says")


@pytest.mark.parametrize("file", ["../f.npy", "link.npy"])
def test_what_leaves_the_folder_is_never_read(tmp_path, file):
    folder = tmp_path / "data"
    folder.mkdir()
    np.save(tmp_path / "f.npy", VECTORS)
    (folder / "link.npy").symlink_to(tmp_path / "f.npy")
    told(folder, {"file": file}, "leaves the dataset's folder")


@pytest.mark.parametrize("file", ["../f.npy", "{outside}/f.npy", "gone.npy"])
def test_a_wrong_path_ends_a_run_in_one_line(tmp_path, file):
    folder = tmp_path / "data"
    folder.mkdir()
    np.save(tmp_path / "f.npy", VECTORS)
    described(folder, f'file = "{file.format(outside=tmp_path.as_posix())}"')
    result = CliRunner().invoke(main, ["run", "--data", str(folder), "--fusion", "concat",
    "--executor", "inline",
                                       "--seeds", "1", "--out", str(tmp_path / "out")])  # fmt: skip
    assert result.exit_code == 2
    assert ".npy" in result.output
    assert len(result.output.splitlines()) <= 2


# --- in a run ---------------------------------------------------------------------------------------------


def test_the_fingerprint_follows_the_bytes_of_the_file(tmp_path):
    np.save(tmp_path / "f.npy", VECTORS)
    described(tmp_path, 'file = "f.npy"')
    before, features = read_dataset(tmp_path).fingerprint, features_of(tmp_path).fingerprint
    assert read_dataset(tmp_path).fingerprint == before
    changed = VECTORS.copy()
    changed[3, 2] += 1
    np.save(tmp_path / "f.npy", changed)
    assert read_dataset(tmp_path).fingerprint != before
    after = features_of(tmp_path)
    assert after.fingerprint != features
    assert after.batch(np.arange(4))[Source("e", "text")].values.tolist() == changed.tolist()


def test_a_dataset_of_nothing_but_features_and_numbers_runs(tmp_path, rng, undrawn):
    n, folder = 40, tmp_path / "data"
    folder.mkdir()
    y = rng.normal(size=n)
    np.savez(folder / "words.npz", x=rng.normal(size=(n, 4, 6)) + y[:, None, None])
    np.save(folder / "faces.npy", rng.normal(size=(n, 5)).astype(np.float32))
    pd.DataFrame({"id": [f"s{i}" for i in range(n)], "y": y, "age": rng.normal(size=n)}).to_csv(
        folder / "samples.csv", index=False
    )
    (folder / "dataset.toml").write_text(
        'name = "clips"\n[target]\ncolumn = "y"\nsign = true\n'
        '[entities.speech.features.text]\nfile = "words.npz"\narray = "x"\n'
        '[entities.face]\nnumeric = ["age"]\n[entities.face.features.image]\nfile = "faces.npy"\n',
        encoding="utf-8",
    )
    out = tmp_path / "out"
    arguments = ["run", "--data", folder, "--fusion", "concat,mult", "--seeds", "1",
    "--executor", "inline",
                 "--device", "cpu", "--set", "training.epochs=2", "--out", out,
                 "--experiment", "fusion,backbones,order"]  # fmt: skip
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    said = " ".join(result.output.split())
    assert "backbones does not apply: the dataset has neither images nor texts to encode" in said
    assert "0 items encoded" in said
    table = pd.read_csv(out / "tables" / "fusion.csv").set_index("method")
    assert {"concat", "mult", "ridge", "predict-mean"} <= set(table.index)
    assert np.isfinite(table[["MAE", "MSE", "R2_score", "RMSE", "Acc2"]]).all(axis=None)
    assert table["MAPE"].isna().all()
    assert table[["backbone", "text", "weights"]].isna().all(axis=None)
    assert table.loc["ridge", "R2_score"] > 0.3
    order = pd.read_csv(out / "tables" / "order.csv")
    assert order["variant"].tolist() == ["entity-first", "modality-first"]
    assert not (out / "tables" / "backbones.csv").exists()
