"""Runs as folders. A folder under its id is complete; everything else is not a result.

runs/<id>/  config.json metrics.json predictions.parquet history.parquet environment.json
            model.safetensors test_history.parquet attention.npz missing.parquet (where asked for)
runs/<id>.failed/  config.json error.txt  -- kept to be read, retried next time
runs/.<id>.<pid>/  being written; renamed when complete
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.torch import save_file
from torch import Tensor

from bench.config import RunSpec
from bench.errors import UsageError
from bench.metrics import METRICS

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
            under `complete` the metrics on the complete test samples and their number, where some are not.
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

    Raises:
        UsageError: the folder cannot be written.
    """

    def __init__(self, out: Path) -> None:
        self.root = out / "runs"
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
        """Whether a complete run of `spec` is stored, with everything that is to be observed."""
        return self.complete(spec.id) and observe <= self.observed(spec)

    def observed(self, spec: RunSpec) -> frozenset[str]:
        """What the stored run of `spec` recorded beside its result."""
        folder = self.root / spec.id
        return frozenset(name for name, file in OBSERVATIONS.items() if (folder / file).is_file())

    def save(self, spec: RunSpec, result: RunResult) -> None:
        """Store a run: written aside, renamed when complete."""
        aside = self._aside(spec)
        _write_json(aside / "config.json", spec.model_dump())
        result.predictions.to_parquet(aside / "predictions.parquet", index=False)
        result.history.to_parquet(aside / "history.parquet", index=False)
        _write_json(aside / "environment.json", result.environment)
        if result.weights:
            save_file({k: v.contiguous() for k, v in result.weights.items()}, aside / OBSERVATIONS["weights"])
        if result.test_history is not None:
            result.test_history.to_parquet(aside / OBSERVATIONS["test-history"], index=False)
        if result.missing is not None:
            result.missing.to_parquet(aside / OBSERVATIONS["missing"], index=False)
        if result.attention:
            np.savez_compressed(aside / OBSERVATIONS["attention"], **result.attention)
        _write_json(aside / "metrics.json", _none_for_nan(result.metrics))
        self._replace(aside, self.root / spec.id)
        shutil.rmtree(self.root / f"{spec.id}.failed", ignore_errors=True)

    def save_failure(self, spec: RunSpec, error: str) -> None:
        """Keep why a run failed. It is no result and is tried again next time."""
        aside = self._aside(spec)
        _write_json(aside / "config.json", spec.model_dump())
        (aside / "error.txt").write_text(error, encoding="utf-8")
        self._replace(aside, self.root / f"{spec.id}.failed")

    def complete(self, run_id: str) -> bool:
        """Whether the run is stored."""
        return (self.root / run_id / "metrics.json").is_file()

    def metrics(self, run_id: str, scored: str = "all") -> dict[str, Any]:
        """The metrics of a run on all test samples, or on the complete ones; NaN for what says nothing."""
        stored = json.loads((self.root / run_id / "metrics.json").read_text(encoding="utf-8"))
        found = _nan_for_none(stored)
        complete = found.pop("complete", None)
        if scored == "all" or complete is None:  # without it, every test sample is complete
            return found
        return found | dict.fromkeys(METRICS, float("nan")) | complete

    def missing(self, run_id: str) -> pd.DataFrame | None:
        """The metrics of a complete run with sources taken away, if it observed them."""
        path = self.root / run_id / OBSERVATIONS["missing"]
        return pd.read_parquet(path) if path.is_file() else None

    def predictions(self, run_id: str) -> pd.DataFrame:
        """Columns id, y_true, y_pred of a complete run."""
        return pd.read_parquet(self.root / run_id / "predictions.parquet")

    def sweep(self) -> None:
        """Remove what killed processes left half-written."""
        for folder in self.root.glob(".*.*"):
            pid = folder.name.rpartition(".")[2]
            if pid.isdigit() and not _alive(int(pid)):
                shutil.rmtree(folder, ignore_errors=True)

    def _aside(self, spec: RunSpec) -> Path:
        aside = self.root / f".{spec.id}.{os.getpid()}"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        return aside

    @staticmethod
    def _replace(aside: Path, final: Path) -> None:
        shutil.rmtree(final, ignore_errors=True)
        aside.rename(final)


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


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
