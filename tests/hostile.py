"""Dataset folders of hostile and unlucky users: a sound one to be broken, and what must be said of it."""

import io
import json
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from click.testing import CliRunner, Result
from PIL import Image

from bench.cli import main
from bench.data.checks import as_json, check
from bench.data.problems import Problem

N = 40
IDS = [f"s{i}" for i in range(N)]
SECRET = "the-secret-outside"
Break = Callable[[Path], object]


def picture() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (4, 4)).save(stream, "JPEG")
    return stream.getvalue()


PICTURE = picture()


def sound(tmp_path: Path) -> Path:
    """A sound dataset of one table, features and media that are only looked for, beside a secret."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.csv").write_text(f"id,y,a,t\n{SECRET},1,2,3\n", encoding="utf-8")
    home = tmp_path / "home"
    (home / "img").mkdir(parents=True)
    rng = np.random.default_rng(1)
    rows = {"id": [f"s{i}" for i in range(N)], "y": rng.normal(size=N), "a": rng.normal(size=N).round(3)}
    rows["t"] = [f"word{i % 7}" for i in range(N)]
    pd.DataFrame(rows).to_csv(home / "samples.csv", index=False)
    np.savez(home / "f.npz", x=rng.normal(size=(N, 3)), k=np.array(rows["id"]))
    for i in range(N):
        (home / "img" / f"s{i}.jpg").write_bytes(PICTURE)
    describe(home)
    return home


def describe(
    home: Path, *, own: str = 'numeric = ["a"]\ntext = ["t"]', more: str = "", table: str = ""
) -> None:
    samples = f'[samples]\ntable = "{table}"\n' if table else ""
    text = f'name = "d"\n[target]\ncolumn = "y"\n{samples}[entities.e]\n{own}\n{more}\n'
    (home / "dataset.toml").write_text(text, encoding="utf-8")


def features(home: Path, file: str, key: str = "") -> None:
    names = "" if file.endswith(".npy") else '\narray = "x"' + (f'\nkey = "{key}"' if key else "")
    describe(home, more=f'[entities.f.features.text]\nfile = "{file}"{names}')


def bench(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["data", *(str(a) for a in arguments)])


def problem(home: Path, kind: str, file: str, says: str = "", **options: object) -> Problem:
    """The only problem that is in the way of a run; reading says the same, in a line."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = [p for p in check(home, **options) if p.stops]
    assert [(p.kind, p.file) for p in found] == [(kind, file)], list(map(str, found))
    line = str(found[0])
    assert says in line
    assert len(line) < 1500
    assert line.isprintable()
    assert SECRET not in line
    json.dumps(as_json(found), ensure_ascii=False).encode()
    return found[0]


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]
