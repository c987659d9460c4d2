"""What a generator knows of its data beyond their files: `truth.json`. Nothing that learns ever reads it.

The file may be anybody's: what is not as a generator writes it is no truth.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.dataset import Dataset

TRUTH = "truth.json"
LARGEST = 1 << 28
"""Bytes above which a file is none of ours."""
SLOPES = {"influencer_type": "type_slopes", "genre": "genre_slopes"}
"""Column -> under which name the slopes of its levels are stated."""


def shares(dataset: Dataset) -> dict[str, float]:
    """Entity -> its share of what can be explained; nothing where that is not known."""
    known = _read(dataset.root).get("entity_shares")
    try:
        return {str(entity): float(share) for entity, share in known.items()} if known else {}
    except (AttributeError, TypeError, ValueError):
        return {}


def ceiling(dataset: Dataset) -> dict[str, float]:
    """Metric -> the best that any method can reach on average, as the rest is noise; nothing if not known.

    Of the sample where the generator states that, else of the population.
    """
    truth, target = _read(dataset.root), dataset.schema.target
    r2 = truth.get("ceiling_r2_realised", truth.get("ceiling_r2"))
    if not isinstance(r2, float) or not 0 < r2 <= 1:
        return {}
    if target.task != "regression" or len(dataset.each) > 1:
        return {}
    return {"MSE": (1 - r2) * float(np.var(dataset.target)), "R2_score": r2}


def synchronicity(dataset: Dataset) -> dict[str, float]:
    """Sample -> the planted synchronicity of its music and motion; nothing where that is not known."""
    try:
        return {str(k): float(v["synchronicity"]) for k, v in _read(dataset.root)["videos"].items()}
    except (KeyError, AttributeError, TypeError, ValueError):
        return {}


def slopes(dataset: Dataset) -> dict[tuple[str, str], float]:
    """(factor, level) -> the planted slope of log engagement on synchronicity; nothing if not known."""
    truth = _read(dataset.root)
    try:
        found = {factor: truth[key].items() for factor, key in SLOPES.items()}
        return {(factor, str(k)): float(v) for factor, pairs in found.items() for k, v in pairs}
    except (KeyError, AttributeError, TypeError, ValueError):
        return {}


def _read(root: Path) -> dict[str, Any]:
    path = root / TRUTH
    try:
        if path.stat().st_size > LARGEST:
            return {}
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
