"""A suggestion as people and programs read it, and its preview."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bench.errors import DataError, UsageError
from bench.sync.files import own_score
from bench.sync.preview import write_preview
from bench.sync.scorer import Scorer, load
from bench.sync.suggest import Refused, Suggestion, motion_of, reason, suggest, tracks_of
from encoders.clock import RATE


@dataclass(frozen=True)
class Advice:
    """What is suggested.

    Attributes:
        table: a row per track, the best first.
        why: a sentence on the best.
        refused: files that cannot be used.
        preview: the MP4 of the best.
        json: all of it for programs.
    """

    table: pd.DataFrame
    why: str
    refused: Sequence[Refused]
    preview: Path
    json: str


def advise(video: Path, tracks: Path, top: int, preview: Path | None, models: Path) -> Advice:
    """Rank tracks for a video and write the preview of the best one.

    Raises:
        DataError: the video cannot be used, or no track can.
        UsageError: the preview would overwrite a source.
    """
    if not video.is_file():
        raise DataError(f"{video} is no file; give a video.")
    scorer = load(models)
    motion = motion_of(video)
    files = tracks_of(tracks)
    found, refused = suggest(motion, files, scorer)
    if not found:
        first = refused[0]
        raise DataError(f"no track can be used; first: {first.track.name}: {first.reason}.")
    best, others = found[0], found[1:]
    target = preview or video.with_name(f"{video.stem}-with-{best.track.stem}.mp4")
    if target.resolve() in {path.resolve() for path in (video, *files)}:
        raise UsageError(f"--preview {target} is a file that is read; choose another name.")
    own = own_score(video, scorer) if scorer.worth else None
    rows = [_row(one, scorer, None if own is None else own.score) for one in found[:top]]
    why = _why(best, others, scorer, None if own is None else own.score)
    write_preview(video, best.track, best.offset, len(motion) / RATE, target)
    content = {
        "video": str(video),
        "suggestions": rows,
        "why": why,
        "left_out": [{"track": str(one.track), "reason": one.reason} for one in refused],
        "preview": str(target),
    }
    shown = pd.DataFrame(rows).drop(columns=["telling", "another_beat"])
    shown["track"] = [one.track.name for one in found[:top]]
    table = shown.round(3).astype(object).where(shown.notna(), "–")
    return Advice(table, why, refused, target, json.dumps(content, indent=1, ensure_ascii=False))


def _row(one: Suggestion, scorer: Scorer, own: float | None) -> dict[str, object]:
    row: dict[str, object] = {
        "track": str(one.track),
        "offset": round(one.offset, 3),
        "fit": round(one.fit, 3),
        "score": round(one.score, 4),
        "tempo": round(one.tempo, 1),
        "another_beat": None if np.isnan(one.second) else round(one.second, 4),
        "telling": list(one.telling),
    }
    if scorer.worth is not None and own is not None:
        factor, low, high = scorer.worth.factor(one.score - own)
        row |= {scorer.worth.outcome: round(factor, 3), "low": round(low, 3), "high": round(high, 3)}
    return row


def _why(best: Suggestion, others: Sequence[Suggestion], scorer: Scorer, own: float | None) -> str:
    said = reason(best, others)
    if scorer.worth is None or own is None:
        return said
    factor, low, high = scorer.worth.factor(best.score - own)
    return (
        f"{said} Its own sound scores {own:.2f}; such a change goes with {factor:.2f} times the "
        f"{scorer.worth.outcome} [{low:.2f}, {high:.2f}] in the data that the networks come from."
    )
