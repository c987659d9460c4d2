"""What `bench list` shows."""

from __future__ import annotations

from collections.abc import Callable

import encoders
import fusions
from bench.config import load_preset, preset_names
from bench.data.published import PUBLISHED
from bench.data.synthetic import GENERATORS
from bench.experiments import EXPERIMENTS
from bench.methods.references import REFERENCES

Row = dict[str, str]


def _fusions() -> list[Row]:
    rows = [
        {"name": e.name, "paper": e.paper, "options": ", ".join(f"{k}={v!r}" for k, v in e.options.items())}
        for e in (fusions.get(name) for name in fusions.names())
    ]
    return rows + [
        {"name": name, "paper": f"reference row: {_first_line(fit)}", "options": ""}
        for name, fit in REFERENCES.items()
    ]


def _encoders() -> list[Row]:
    return [
        {"modality": modality, "name": name}
        for modality in encoders.MODALITIES
        for name in encoders.names(modality)
    ]


def _datasets() -> list[Row]:
    embedded = [
        {
            "name": name,
            "what": _first_line(known.generate),
            "samples": known.samples,
            "modalities": known.modalities,
            "licence": "generated here; free of any",
            "citation": "",
            "get": f"bench run --data {name}",
        }
        for name, known in GENERATORS.items()
    ]
    return embedded + [
        {
            "name": p.name,
            "what": p.task,
            "samples": str(p.samples),
            "modalities": ", ".join(p.modalities),
            "licence": p.licence,
            "citation": p.citation,
            "get": f"{' and '.join(p.source)}, then bench data get {p.name} --from PATH",
        }
        for p in PUBLISHED.values()
    ]


def _experiments() -> list[Row]:
    return [{"name": e.name, "paper": e.paper, "what": e.title} for e in EXPERIMENTS.values()]


def _presets() -> list[Row]:
    return [{"name": name, "what": load_preset(name).description} for name in preset_names()]


def inventory(what: str) -> list[Row]:
    """The rows of fusions, encoders, datasets, experiments or presets."""
    lists: dict[str, Callable[[], list[Row]]] = {
        "fusions": _fusions,
        "encoders": _encoders,
        "datasets": _datasets,
        "experiments": _experiments,
        "presets": _presets,
    }
    return lists[what]()


def _first_line(thing: Callable[..., object]) -> str:
    return (thing.__doc__ or "").strip().splitlines()[0]
