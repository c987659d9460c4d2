"""Runs as sealed folders. A folder under its id that is intact is a result; everything else is not.

runs/<id>/  config.json measured.json predictions.parquet history.parquet environment.json checksums.json
            model/ and the records of observers (where asked for)
runs/<id>.failed/  config.json error.txt  -- kept to be read, retried next time
runs/.<id>.<pid>/  being written; renamed when complete

Stored files are read back here and nowhere else.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from pydantic import ValidationError
from pydantic_core import to_json

from bench.errors import UsageError
from bench.features.layout import DESCRIPTION
from bench.files import SEAL, damage, sealed, sweep, written_aside
from bench.finetuning import read_spec
from bench.observe import OBSERVERS, Record
from bench.spec import RunSpec

log = logging.getLogger("bench")

MODEL = "model"
"""What is asked for to have the fitted method kept, and the folder that it is kept in."""
EARLIER = "made by an earlier version"
"""Why a run that is whole is not read: it is described otherwise than runs are now."""


@dataclass
class RunResult:
    """What one run produced.

    Attributes:
        measured: `params`, `flops`, `seconds`, `epochs`, `n_train` with the validation part and `n_fitted`
            without, `undecodable`, and `chosen`, what a method chose by the validation part.
        predictions: columns id, group, split, complete (whether the sample has every source), y_true and
            those of the prediction (`bench.predictions`); one row per test sample.
        history: one row per epoch; empty for reference methods.
        environment: versions, hardware, threads, commit.
        records: what observers recorded, by the name of its file.
        save: writes the fitted method into a folder, where it is to be kept.
        remarks: what the author of the method should know; not stored.
    """

    measured: dict[str, Any]
    predictions: pd.DataFrame
    history: pd.DataFrame
    environment: dict[str, Any]
    records: Mapping[str, Record] = field(default_factory=dict)
    save: Callable[[Path], None] | None = None
    remarks: Sequence[str] = ()


class RunStore:
    """The runs under ``OUT/runs``.

    Every method that reads a run needs `complete` to be true of it.

    Raises:
        UsageError: the folder cannot be written.
    """

    def __init__(self, out: Path) -> None:
        self.root = out / "runs"
        self._inspected: dict[tuple[str, int, int], str] = {}
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            probe = self.root / f".probe.{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise UsageError(
                f"cannot write to {out} ({error.strerror}); choose another folder with --out."
            ) from None

    def has(self, spec: RunSpec, observe: frozenset[str] = frozenset()) -> bool:
        """Whether an intact run of `spec` is stored, with everything that is to be observed."""
        return self.complete(spec.id) and observe <= self.observed(spec)

    def observed(self, spec: RunSpec) -> frozenset[str]:
        """What the stored run of `spec` recorded beside its result; nothing if it is not intact."""
        files = sealed(self.root / spec.id) if self.complete(spec.id) else {}
        kept = {MODEL} if f"{MODEL}/{DESCRIPTION}" in files else set()
        return frozenset(kept | {name for name, kind in OBSERVERS.items() if kind.file in files})

    def save(self, spec: RunSpec, result: RunResult) -> None:
        """Store a run: written aside, sealed, renamed when complete."""
        with written_aside(self.root / spec.id, replace=True) as folder:
            _write_json(folder / "config.json", spec.model_dump())
            _write_json(folder / "environment.json", result.environment)
            _write_json(folder / "measured.json", result.measured)
            tables = {"predictions.parquet": result.predictions, "history.parquet": result.history}
            for file, record in {**tables, **result.records}.items():
                if isinstance(record, pd.DataFrame):
                    record.to_parquet(folder / file, index=False)
                else:
                    np.savez_compressed(folder / file, **record)
            if result.save is not None:
                (folder / MODEL).mkdir()
                result.save(folder / MODEL)
        shutil.rmtree(self.root / f"{spec.id}.failed", ignore_errors=True)

    def save_failure(self, spec: RunSpec, error: str) -> None:
        """Keep why a run failed. It is no result and is tried again next time."""
        with written_aside(self.root / f"{spec.id}.failed", replace=True, sealed=False) as folder:
            _write_json(folder / "config.json", spec.model_dump())
            (folder / "error.txt").write_text(error, encoding="utf-8", errors="backslashreplace")

    def complete(self, run_id: str) -> bool:
        """Whether the run is stored and intact. A damaged one is named once, in a warning."""
        return self._fault(run_id) == ""

    def earlier(self, run_id: str) -> bool:
        """Whether the run is whole, but of an earlier version that described runs otherwise."""
        return self._fault(run_id) == EARLIER

    def _fault(self, run_id: str) -> str | None:
        """Why a run does not count, "" for one that does; None where there is none."""
        try:
            stamp = (self.root / run_id / SEAL).stat()
        except OSError:
            stamp = None
        if stamp is None and not (self.root / run_id).is_dir():
            return None
        # a run that is executed again has another seal
        key = (run_id, stamp.st_mtime_ns, stamp.st_ino) if stamp else (run_id, 0, 0)
        if key not in self._inspected:
            self._inspected[key] = self._damage(run_id)
            if self._inspected[key] not in ("", EARLIER):
                log.warning(
                    "the stored run %s is damaged (%s) and does not count; `bench run` executes it again",
                    self.root / run_id,
                    self._inspected[key],
                )
        return self._inspected[key]

    def holds(self, run_id: str, file: str) -> bool:
        """Whether a run is stored and intact, and has a file of this name."""
        return self.complete(run_id) and file in sealed(self.root / run_id)

    def spec(self, run_id: str) -> RunSpec:
        """What decided a run."""
        return read_spec((self.root / run_id / "config.json").read_bytes())

    def measured(self, run_id: str) -> dict[str, Any]:
        """Costs and sizes of a run, as `RunResult` has them."""
        return self._json(run_id, "measured.json")

    def environment(self, run_id: str) -> dict[str, Any]:
        """Versions, hardware, threads and commit of a run."""
        return self._json(run_id, "environment.json")

    def predictions(self, run_id: str) -> pd.DataFrame:
        """The predictions of a run, as `RunResult` has them."""
        return own_table(self.root / run_id / "predictions.parquet")

    def history(self, run_id: str) -> pd.DataFrame:
        """One row per epoch of a run."""
        return own_table(self.root / run_id / "history.parquet")

    def model(self, run_id: str) -> Path | None:
        """The folder of the fitted method, with nothing but what was written; None if none was kept."""
        if not self.holds(run_id, f"{MODEL}/{DESCRIPTION}"):
            return None
        folder, own = self.root / run_id / MODEL, sealed(self.root / run_id)
        return folder if all(f"{MODEL}/{path.name}" in own for path in folder.iterdir()) else None

    def record(self, run_id: str, file: str) -> Record | None:
        """What an observer stored of a run in its file; None if it did not."""
        if not self.holds(run_id, file):
            return None
        path = self.root / run_id / file
        if path.suffix == ".parquet":
            return own_table(path)
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)

    def failure(self, run_id: str) -> str | None:
        """Why a run failed when it was tried last; None if it did not."""
        error = self.root / f"{run_id}.failed" / "error.txt"
        try:
            return error.read_text(encoding="utf-8", errors="backslashreplace")
        except OSError:
            return None

    def sweep(self) -> None:
        """Remove what killed processes left half-written."""
        sweep(self.root)

    def _json(self, run_id: str, file: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.root / run_id / file).read_text(encoding="utf-8"))
        return content

    def _damage(self, run_id: str) -> str:
        """Why a folder is not the run of its name, or ""."""
        folder = self.root / run_id
        if folder.is_symlink():
            return "it is a link"
        if found := damage(folder):
            return found
        if "config.json" not in sealed(folder):
            return "config.json is missing"
        content = (folder / "config.json").read_bytes()
        try:
            spec = read_spec(content)
        except ValidationError:
            return EARLIER if _is_named(run_id, content) else "config.json describes no run"
        if spec.id != run_id:
            return EARLIER if _is_named(run_id, content) else "config.json describes another run"
        lacking = {"measured.json", "predictions.parquet"} - set(sealed(folder))
        return f"{min(lacking)} is missing" if lacking else ""


def _is_named(run_id: str, content: bytes) -> bool:
    """Whether a run is named by the hash of its settings, whatever settings runs had when it was made."""
    try:
        text = to_json(json.loads(content))
    except (ValueError, RecursionError):
        return False
    return hashlib.sha256(text).hexdigest()[:16] == run_id


def own_table(path: Path) -> pd.DataFrame:
    """A Parquet file of ours; pandas would load what reads folders of files, and take thrice the time."""
    table: pd.DataFrame = pq.ParquetFile(path).read().to_pandas()
    return table


def _write_json(path: Path, content: Any) -> None:
    path.write_text(
        json.dumps(content, indent=1, ensure_ascii=False, default=_plain) + "\n", encoding="utf-8"
    )


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be stored as JSON")
