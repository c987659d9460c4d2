"""Networks that `bench sync run` has kept, with their curves, as one scorer for anyone's videos.

sync/models.json names the networks of the first seed and holds the curves: margin -> probability, fitted to
all videos of the data, each measured by the network that had not seen it. A new video's margin is the mean
over the networks. Where engagement was known, it also holds what the score is worth.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from bench.errors import DataError, UsageError
from bench.files import damage, write_text
from bench.sync.network import SynchronyNetwork
from bench.sync.score import BOTH, DIRECTIONS, Curve, Margins, measured
from bench.sync.train import Video

MODELS, MANIFEST = Path("sync", "models"), Path("sync", "models.json")
WEIGHTS = "model.safetensors"
LARGEST = 1 << 26
"""Bytes above which a file is none of ours."""


@dataclass(frozen=True)
class Scored:
    """What is known of the synchronicity of one pair.

    Attributes:
        score: of both directions.
        by_direction: direction -> its own.
        steps: direction -> (T,) step by step; NaN where a step is too near an end.
        margins: what it was made from.
    """

    score: float
    by_direction: dict[str, float]
    steps: dict[str, np.ndarray]
    margins: Margins


@dataclass(frozen=True)
class Worth:
    """What a score is associated with: the slope of log engagement on it, with its 95 % interval."""

    outcome: str
    slope: float
    low: float
    high: float

    def factor(self, change: float) -> tuple[float, float, float]:
        """By what engagement is multiplied where a score changes, and the ends of its interval."""
        ends = sorted([np.exp(self.low * change), np.exp(self.high * change)])
        return float(np.exp(self.slope * change)), float(ends[0]), float(ends[1])


@dataclass(frozen=True)
class Scorer:
    """Networks and the curves that make their margins probabilities, by direction and of BOTH."""

    networks: Sequence[SynchronyNetwork]
    curves: Mapping[str, Curve]
    worth: Worth | None = None

    def score(self, video: Video) -> Scored:
        """The score of a video. Raises DataError where it is too short."""
        every = [measured(network, video) for network in self.networks]
        mean = Margins(
            now=np.mean([one.now for one in every], axis=0),
            lags=np.mean([one.lags for one in every], axis=0),
            steps=np.mean([one.steps for one in every], axis=0),
        )
        return scored(mean, self.curves)

    def probability(self, margins: np.ndarray | float) -> np.ndarray:
        """The scores of margins of both directions."""
        return self.curves[BOTH](margins)


def scored(margins: Margins, curves: Mapping[str, Curve]) -> Scored:
    """Probabilities from margins."""
    places = {name: i for i, name in enumerate(DIRECTIONS)}
    return Scored(
        score=float(curves[BOTH](margins.now[-1])),
        by_direction={name: float(curves[name](margins.now[i])) for name, i in places.items()},
        steps={name: curves[name](margins.steps[i]) for name, i in places.items()},
        margins=margins,
    )


def save_network(network: SynchronyNetwork, folder: Path) -> None:
    """Write the weights, scales included."""
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    save_file(state, folder / WEIGHTS)


def load_network(folder: Path) -> SynchronyNetwork:
    """Read what `save_network` wrote. Raises DataError where it is something else."""
    path = folder / WEIGHTS
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError("it is too large")
        network = SynchronyNetwork()
        network.load_state_dict(load_file(path))
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:120]
        raise DataError(
            f"{path} is no network of synchronicity ({reason}); run `bench sync run` again."
        ) from None
    return network.eval()


def keep(folders: Sequence[Path], curves: Mapping[str, Curve], worth: Worth | None, out: Path) -> None:
    """Say in an output folder which networks and curves score new videos."""
    content = {
        "models": [folder.name for folder in folders],
        "curves": {name: [curve.slope, curve.offset] for name, curve in curves.items()},
        "worth": None if worth is None else asdict(worth),
    }
    write_text(out / MANIFEST, json.dumps(content, indent=1) + "\n")


def load(out: Path) -> Scorer:
    """The scorer of an output folder.

    Raises:
        UsageError: it has none. DataError: it is damaged.
    """
    path = out / MANIFEST
    if not path.is_file():
        raise UsageError(
            f"no networks of synchronicity in {out}; make them with `bench sync run --out {out}`."
        )
    try:
        raw = json.loads(path.read_bytes()[:LARGEST])
        names = [str(name) for name in raw["models"]]
        curves = {
            name: Curve(float(raw["curves"][name][0]), float(raw["curves"][name][1]))
            for name in (*DIRECTIONS, BOTH)
        }
        known = raw["worth"]
        numbers = [float(known[name]) for name in ("slope", "low", "high")] if known else []
        worth = Worth(str(known["outcome"]), *numbers) if known else None
        if not names or not all(name.isalnum() for name in names):
            raise ValueError
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        raise DataError(f"{path} is not what `bench sync run` writes; run it again.") from None
    folders = [out / MODELS / name for name in names]
    for folder in folders:
        if found := damage(folder):
            raise DataError(f"{folder} is damaged ({found}); run `bench sync run` again.")
    return Scorer([load_network(folder) for folder in folders], curves, worth)
