"""Shops with numbers, texts and features, methods that are kept of them, and new rows to predict."""

import logging
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from bench.request import Request
from bench.workflow import run

N = 48
DESCRIPTION = """
name = "shops"
[target]
{target}
[samples]
group = "chain"
[entities.shop]
text = ["title", "street"]
numeric = ["area", "staff"]
log = ["area"]
[entities.product]
table = "products.csv"
key = "products"
many = true
text = ["name"]
numeric = ["price"]
[entities.door]
features.image = {{ file = "doors.npz", array = "x", key = "id" }}
"""
SMALL = ("training.epochs=2", "model.dim=16", "model.heads=2", "encoders.hashing_width=32")
NUMBER = 'column = "sales"\ntransform = "log10"\nunit = "yuan"'
LABEL = 'column = "kind"\ntask = "multiclass"'


def build(folder: Path, target: str = NUMBER) -> Path:
    """Shops with several products each, and precomputed features of their doors."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    size = rng.uniform(1, 3, N)
    kind = np.digitize(size, [1.7, 2.4])
    pd.DataFrame({
        "id": [f"s{i}" for i in range(N)], "sales": 10 ** (size + rng.normal(scale=0.1, size=N)),
        "kind": np.array(["small", "large", "huge"])[kind], "title": np.array(["a shop", "big"])[kind // 2],
        "street": rng.choice(["Main St", "人民路"], N), "area": 10**size, "staff": rng.integers(1, 9, N),
        "chain": np.arange(N) // 2, "products": [f"p{i % 7}|p{i % 5}" for i in range(N)],
    }).to_csv(folder / "samples.csv", index=False)  # fmt: skip
    pd.DataFrame(
        {"id": [f"p{i}" for i in range(7)], "name": list("abcdefg"), "price": range(7)}
    ).to_csv(folder / "products.csv", index=False)  # fmt: skip
    np.savez(
        folder / "doors.npz",
        id=np.array([f"s{i}" for i in range(N)]),
        x=np.stack([size, size**2, rng.normal(size=N)], 1),
    )
    (folder / "dataset.toml").write_text(DESCRIPTION.format(target=target), encoding="utf-8")
    return folder


def trained(folder: Path, out: Path, **more: object) -> Path:
    said = {"fusions": "concat,memf", "seeds": 2, "observe": frozenset({"model"})} | more
    report = run(Request(data=str(folder), out=out, device="cpu", executor="inline", settings=SMALL, **said))
    assert not report.summary.failures
    return out


def fresh(shops: Path, folder: Path, change=lambda table: table.drop(columns="sales")) -> Path:
    """New rows in a folder without a description."""
    shutil.copytree(shops, folder)
    (folder / "dataset.toml").unlink()
    change(pd.read_csv(folder / "samples.csv")).to_csv(folder / "samples.csv", index=False)
    return folder


def warnings(caplog) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
