"""Scores of anyone's video files."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import encoders
from bench.errors import DataError
from bench.files import write_text
from bench.sync.scorer import Scored, Scorer
from bench.sync.sequences import of_file
from encoders.clock import RATE

NAME = "sync-scores"


@dataclass(frozen=True)
class FileScores:
    """What is known of some files.

    Attributes:
        table: a row per file: file, score, one per direction, seconds it took, error ("" with a score).
        steps: of those with a score.
        failed: what is wrong with the others, in words.
    """

    table: pd.DataFrame
    steps: dict[str, dict[str, np.ndarray]]
    failed: list[str]

    @property
    def glance(self) -> pd.DataFrame:
        """The table for a terminal."""
        shown = self.table.drop(columns="error") if not self.failed else self.table
        return shown.round(3).astype(object).where(shown.notna(), "–")


def score_files(files: Sequence[Path], scorer: Scorer) -> FileScores:
    """Score files one after the other; a broken one costs no other its score."""
    rows, steps, failed = [], {}, []
    for path in files:
        began, error, found = time.perf_counter(), "", None
        try:
            found = scorer.score(of_file(path))
        except (encoders.CannotDecode, DataError, OSError) as problem:
            error = str(getattr(problem, "strerror", None) or problem)
            failed.append(f"{path}: {error}")
        row: dict[str, object] = {"file": str(path), "score": np.nan if found is None else found.score}
        row |= {} if found is None else found.by_direction
        rows.append(row | {"seconds": time.perf_counter() - began, "error": error})
        if found is not None:
            steps[str(path)] = found.steps
    order = ["file", "score", *_directions(rows), "seconds", "error"]
    return FileScores(pd.DataFrame(rows)[order], steps, failed)


def _directions(rows: Sequence[dict[str, object]]) -> list[str]:
    names = dict.fromkeys(name for row in rows for name in row)
    return [name for name in names if name not in ("file", "score", "seconds", "error")]


def write_scores(found: FileScores, out: Path) -> list[Path]:
    """``OUT/sync-scores.csv``, and ``.json`` with every step; the paths."""
    table, whole = out / f"{NAME}.csv", out / f"{NAME}.json"
    write_text(table, found.table.to_csv(index=False, float_format="%.6g"))
    rows = []
    for row in found.table.to_dict("records"):
        known = {str(k): (None if isinstance(v, float) and np.isnan(v) else v) for k, v in row.items()}
        steps = found.steps.get(str(row["file"]), {})
        by_step = {name: [_number(v) for v in values] for name, values in steps.items()}
        rows.append(known | {"steps": by_step, "steps_per_second": RATE})
    write_text(whole, json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    return [table, whole]


def _number(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


def own_score(video: Path, scorer: Scorer) -> Scored | None:
    """The score of a video with its own sound; None where it has none that can be scored."""
    try:
        return scorer.score(of_file(video))
    except (encoders.CannotDecode, DataError):
        return None
