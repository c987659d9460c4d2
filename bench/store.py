"""Runs as sealed folders. A folder under its id that is intact is a result; everything else is not.

runs/<id>/  config.json metrics.json predictions.parquet history.parquet environment.json checksums.json
            model.safetensors test_history.parquet attention.npz missing.parquet (where asked for)
runs/<id>.failed/  config.json error.txt  -- kept to be read, retried next time
runs/.<id>.<pid>/  being written; renamed when complete

Stored files are read back here and nowhere else.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import Tensor

from bench.config import RunSpec
from bench.errors import UsageError
from bench.files import SEAL, damage, sealed, sweep, written_aside
from bench.metrics import METRICS

log = logging.getLogger("bench")

OBSERVATIONS = {
    "weights": "model.safetensors",
    "test-history": "test_history.parquet",
    "attention": "attention.npz",
    "missing": "missing.parquet",
}
"""What a run may record beside its result -> the file that holds it. None of it changes the result."""


@dataclass
class RunResult:
    """What one run produced.

    Attributes:
        metrics: all metrics and `params`, `flops`, `seconds`, `epochs`, `n_train`, `n_test`, `undecodable`;
            under `complete` the metrics on the complete test samples and their number, where some are not;
            under `chosen` what a reference chose by the validation part, where it chose something.
        predictions: columns id, y_true, y_pred; one row per test sample.
        history: one row per epoch; empty for reference methods.
        environment: versions, hardware, threads, commit.
        weights: the model's state, where it is to be kept.
        test_history: the metrics on the test part per epoch, where observed.
        attention: layer -> (n_test, heads, E, E), with `groups` (E,) and `ids` (n_test,), where observed.
        missing: metrics with sources taken away at test time (`bench.robustness`), where observed.
    """

    metrics: dict[str, Any]
    predictions: pd.DataFrame
    history: pd.DataFrame
    environment: dict[str, Any]
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    test_history: pd.DataFrame | None = None
    attention: Mapping[str, np.ndarray] = field(default_factory=dict)
    missing: pd.DataFrame | None = None


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
        return frozenset(name for name, file in OBSERVATIONS.items() if file in files)

    def save(self, spec: RunSpec, result: RunResult) -> None:
        """Store a run: written aside, sealed, renamed when complete."""
        with written_aside(self.root / spec.id, replace=True) as folder:
            _write_json(folder / "config.json", spec.model_dump())
            _write_json(folder / "environment.json", result.environment)
            _write_json(folder / "metrics.json", _none_for_nan(result.metrics))
            frames = {
                "predictions.parquet": result.predictions,
                "history.parquet": result.history,
                OBSERVATIONS["test-history"]: result.test_history,
                OBSERVATIONS["missing"]: result.missing,
            }
            for file, frame in frames.items():
                if frame is not None:
                    frame.to_parquet(folder / file, index=False)
            if result.weights:
                state = {name: tensor.contiguous() for name, tensor in result.weights.items()}
                save_file(state, folder / OBSERVATIONS["weights"])
            if result.attention:
                np.savez_compressed(folder / OBSERVATIONS["attention"], **result.attention)
        shutil.rmtree(self.root / f"{spec.id}.failed", ignore_errors=True)

    def save_failure(self, spec: RunSpec, error: str) -> None:
        """Keep why a run failed. It is no result and is tried again next time."""
        with written_aside(self.root / f"{spec.id}.failed", replace=True, sealed=False) as folder:
            _write_json(folder / "config.json", spec.model_dump())
            (folder / "error.txt").write_text(error, encoding="utf-8", errors="backslashreplace")

    def complete(self, run_id: str) -> bool:
        """Whether the run is stored and intact. A damaged one is named once, in a warning."""
        try:
            stamp = (self.root / run_id / SEAL).stat()
        except OSError:
            stamp = None
        if stamp is None and not (self.root / run_id).is_dir():
            return False
        # a run that is executed again has another seal
        key = (run_id, stamp.st_mtime_ns, stamp.st_ino) if stamp else (run_id, 0, 0)
        if key not in self._inspected:
            self._inspected[key] = self._damage(run_id)
            if self._inspected[key]:
                log.warning(
                    "the stored run %s is damaged (%s) and does not count; `bench run` executes it again",
                    self.root / run_id,
                    self._inspected[key],
                )
        return not self._inspected[key]

    def holds(self, run_id: str, file: str) -> bool:
        """Whether a run is stored and intact, and has a file of this name."""
        return self.complete(run_id) and file in sealed(self.root / run_id)

    def metrics(self, run_id: str, scored: str = "all") -> dict[str, Any]:
        """The metrics of a run on all test samples, or on the complete ones; NaN for what says nothing."""
        found = _nan_for_none(self._json(run_id, "metrics.json"))
        complete = found.pop("complete", None)
        if scored == "all" or complete is None:  # without it, every test sample is complete
            return found
        return found | dict.fromkeys(METRICS, float("nan")) | complete

    def environment(self, run_id: str) -> dict[str, Any]:
        """Versions, hardware, threads and commit of a run."""
        return self._json(run_id, "environment.json")

    def predictions(self, run_id: str) -> pd.DataFrame:
        """Columns id, y_true, y_pred of a run."""
        return pd.read_parquet(self.root / run_id / "predictions.parquet")

    def missing(self, run_id: str) -> pd.DataFrame | None:
        """The metrics of a run with sources taken away, if it observed them."""
        return self.frame(run_id, OBSERVATIONS["missing"])

    def frame(self, run_id: str, file: str) -> pd.DataFrame | None:
        """A stored table of a run by the name of its file; None if it has none."""
        return pd.read_parquet(self.root / run_id / file) if self.holds(run_id, file) else None

    def arrays(self, run_id: str, file: str) -> dict[str, np.ndarray] | None:
        """The stored arrays of a run by the name of their file; None if it has none."""
        if not self.holds(run_id, file):
            return None
        with np.load(self.root / run_id / file, allow_pickle=False) as arrays:
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
        return json.loads((self.root / run_id / file).read_text(encoding="utf-8"))

    def _damage(self, run_id: str) -> str:
        """Why a folder is not the run of its name, or ""."""
        folder = self.root / run_id
        if folder.is_symlink():
            return "it is a link"
        if found := damage(folder):
            return found
        if lacking := {"config.json", "metrics.json", "predictions.parquet"} - set(sealed(folder)):
            return f"{min(lacking)} is missing"
        try:
            spec = RunSpec.model_validate_json((folder / "config.json").read_bytes())
        except ValidationError:
            return "config.json describes no run"
        return "" if spec.id == run_id else "config.json describes another run"


def _write_json(path: Path, content: Any) -> None:
    path.write_text(
        json.dumps(content, indent=1, ensure_ascii=False, default=_plain) + "\n", encoding="utf-8"
    )


def _none_for_nan(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no NaN."""
    return {
        k: _none_for_nan(v) if isinstance(v, Mapping) else None if v != v else v for k, v in metrics.items()
    }


def _nan_for_none(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {
        k: _nan_for_none(v) if isinstance(v, Mapping) else float("nan") if v is None else v
        for k, v in metrics.items()
    }


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be stored as JSON")
