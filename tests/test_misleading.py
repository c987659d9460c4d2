"""What misleads in a dataset: columns that tell the target, odd digits, plurals."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hostile import N, bench, describe, features, sound

from bench.data.checks import check
from bench.data.names import singular
from bench.data.proposal import propose
from bench.data.schema import Schema


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return sound(tmp_path)


def judged(home: Path, **columns: object) -> dict[str, str]:
    """The suspicious columns of a table with further columns, and why."""
    table = pd.read_csv(home / "samples.csv").assign(**columns)
    table.to_csv(home / "samples.csv", index=False)
    kinds = {k: "numeric" if pd.api.types.is_numeric_dtype(table[k]) else "text" for k in columns}
    lists = {m: [k for k in columns if kinds[k] == m] for m in ("numeric", "text")}
    describe(home, own="\n".join(f"{m} = {json.dumps(v)}" for m, v in lists.items() if v))
    return {p.column: p.kind for p in check(home) if p.kind in ("leak", "other-target")}


def test_whatever_tells_the_target_alone_is_named_and_not_proposed(folder):
    y = pd.read_csv(folder / "samples.csv")["y"].to_numpy()
    rng = np.random.default_rng(3)
    angle = rng.uniform(-1, 1, N)
    table = pd.read_csv(folder / "samples.csv").assign(y=angle**2)
    table.to_csv(folder / "samples.csv", index=False)
    y = angle**2
    named = judged(
        folder, folded=angle, near=y + rng.normal(0, 0.04, N), sold=[f"for {v:.4f} yuan" for v in y],
        noise=rng.normal(size=N), leak=rng.normal(size=N), revenue=rng.normal(size=N),
        level=[f"level {int(v * 12)}" for v in y],
    )  # fmt: skip
    assert named == {"folded": "leak", "near": named.get("near"), "sold": "leak", "leak": "other-target",
                     "revenue": "other-target", "level": "leak"}  # fmt: skip
    (folder / "dataset.toml").unlink()
    (folder / "f.npz").unlink()
    text = propose(folder)
    schema = Schema.model_validate(tomllib.loads(text))
    taken = {c for e in schema.entities.values() for c in (*e.numeric, *e.text)}
    assert "noise" in taken
    assert not taken & set(named)
    for column in named:
        assert column in text
    (folder / "dataset.toml").write_text(text, encoding="utf-8")
    assert not {"leak", "other-target"} & {p.kind for p in check(folder)}


def test_a_target_cut_into_classes_is_named(folder):
    y = pd.read_csv(folder / "samples.csv")["y"].to_numpy()
    noisy = y + np.random.default_rng(0).normal(0, 0.3, N)
    assert judged(folder, positive=(y > 0).astype(int), negative=(y < -1).astype(int)) == {
        "positive": "leak",
        "negative": "leak",
    }
    assert judged(folder, blurred=(noisy > 0).astype(int)) == {}


@pytest.mark.parametrize("take", ["sum", "mean", "max", "min"])
def test_items_that_tell_the_target_together_are_named(folder, take):
    rng = np.random.default_rng(5)
    items = pd.DataFrame({"id": [f"i{j}" for j in range(3 * N)], "size": rng.lognormal(0, 1, 3 * N)})
    items.to_csv(folder / "items.csv", index=False)
    owner = np.concatenate([np.arange(N), rng.integers(0, N, 2 * N)])
    keys = pd.Series(items["id"]).groupby(owner).agg("|".join)
    table = pd.read_csv(folder / "samples.csv").assign(items=keys, y=items["size"].groupby(owner).agg(take))
    table.to_csv(folder / "samples.csv", index=False)
    describe(
        folder, more='[entities.item]\ntable = "items.csv"\nkey = "items"\nmany = true\nnumeric = ["size"]'
    )
    (found,) = [p for p in check(folder) if p.kind == "leak"]
    assert (found.file, found.column, found.stops) == ("items.csv", "size", False)
    assert {"max": "maximum", "min": "minimum"}.get(take, take) in str(found)


def test_one_dimension_of_features_that_tells_the_target_is_named(folder):
    y = pd.read_csv(folder / "samples.csv")["y"].to_numpy()
    x = np.random.default_rng(0).normal(size=(N, 5))
    x[:, 3] = np.abs(y) * np.sign(x[:, 0])
    x[:, 4] = -y
    np.savez(folder / "f.npz", x=x)
    features(folder, "f.npz")
    (found,) = [p for p in check(folder) if p.kind == "leak"]
    assert (found.file, found.column) == ("f.npz", "x")
    assert "dimension 4" in str(found)


DIGITS = ["part ６６", "part ٣٤", "part ²", "--", "1e999", "-", "9" * 5000, "½", "NaN", "-.5.5.", "１２３"]


@pytest.mark.parametrize("cell", DIGITS)
def test_texts_with_odd_numbers_are_proposed_and_checked(folder, cell):
    table = pd.read_csv(folder / "samples.csv")
    table["t"] = [f"{cell} {i % 5}" if i % 2 else cell for i in range(N)]
    table.to_csv(folder / "samples.csv", index=False)
    assert check(folder) is not None
    (folder / "dataset.toml").unlink()
    assert bench("init", folder).exit_code == 0
    checked = bench("check", folder)
    assert checked.exit_code == 0, checked.output


SINGULARS = {
    "movies": "movie", "cookies": "cookie", "cities": "city", "categories": "category", "series": "series",
    "species": "species", "houses": "house", "boxes": "box", "buses": "bus", "glasses": "glass",
    "analyses": "analyses", "ties": "tie", "statuses": "status", "causes": "cause", "matches": "match",
    "bus": "bus", "commodities": "commodity", "uses": "use", "gas": "gas", "news": "news",
}  # fmt: skip


@pytest.mark.parametrize("plural", SINGULARS)
def test_singulars(plural):
    assert singular(plural) == SINGULARS[plural]
