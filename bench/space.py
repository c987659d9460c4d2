"""What `bench tune` may change of a run: its settings by the names of `--set`, and the values to be tried.

What fusions share is here: Table 6 of the paper as multiples of what the preset uses, so that it is the table
itself in the preset `paper`, and fits smaller ones. It goes on where the paper's choice lies at or next to
the end of its range (learning rate, dropout), and has what the paper does not search. Each method's own is
in its file: `search` of a fusion's or reference's decorator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import fusions
from bench.methods.references import REFERENCES
from bench.spec import RunSpec

Settings = Mapping[str, Any]
"""Values by name: ``training.lr``, ``trunk.dropout``, ``mfb.factor``."""

MULTIPLES: Mapping[str, Sequence[float]] = {
    "training.lr": (0.1, 0.2, 0.5, 1, 2, 5, 10, 50),
    "training.batch_size": (0.5, 1, 2),
    "model.dim": (0.5, 1, 1.5, 2),
    "model.heads": (0.5, 1, 2),
    "model.layers": (0.5, 1, 2),
}
VALUES: Mapping[str, Sequence[float]] = {
    "training.weight_decay": (0.0, 1e-5, 1e-4, 1e-3, 1e-2),
    "model.dropout": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
    "trunk.dropout": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
    "head.dropout": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
}


def is_tunable(method: str) -> bool:
    """Whether a method has any setting to be searched."""
    return method not in REFERENCES or bool(REFERENCES[method].search)


def defaults(spec: RunSpec) -> dict[str, Any]:
    """The values that a run has of what may be changed of it, those of its method's own options last."""
    if spec.method in REFERENCES:
        own = {option: spec.options.get(option) for option in REFERENCES[spec.method].search}
        return {f"{spec.method}.{option}": value for option, value in own.items()}
    entry, raw = fusions.get(spec.method), spec.model_dump()
    shared = [*MULTIPLES, *VALUES]
    for part in spec.model.shared_options:  # only those that reach the fusion
        if part not in entry.options or part in spec.options:
            shared.remove(f"model.{part}")
    found = {key: _section(raw, key)[key.partition(".")[2]] for key in shared}
    own = {option: spec.options.get(option, entry.options[option]) for option in entry.search}
    return found | {f"{spec.method}.{option}": value for option, value in own.items()}


def space(spec: RunSpec) -> dict[str, tuple[Any, ...]]:
    """The values to be tried of every setting, in order, that of the run itself among them."""
    start = defaults(spec)
    heads = start.get("model.heads", 1) * max(MULTIPLES["model.heads"])
    found: dict[str, tuple[Any, ...]] = {}
    for key, default in start.items():
        if key in MULTIPLES:
            tried = [default * multiple for multiple in MULTIPLES[key]]
            step = int(heads) if key == "model.dim" else 1  # a width that any number of heads divides
            whole = isinstance(default, int)
            values = [max(step, round(x / step) * step) if whole else float(f"{x:.3g}") for x in tried]
        else:
            values = list(VALUES[key] if key in VALUES else _own(spec.method)[key.partition(".")[2]])
        numbers = all(isinstance(value, int | float) for value in [*values, default])
        every = [default, *(value for value in values if value != default)]
        found[key] = tuple(
            dict.fromkeys(sorted(every) if numbers else values if default in values else every)
        )
    return found


def with_settings(spec: RunSpec, settings: Settings) -> RunSpec:
    """A run with other settings; an option of None is left to the method."""
    raw = spec.model_dump()
    for key, value in settings.items():
        if value is not None or key.partition(".")[0] != spec.method:
            _section(raw, key)[key.partition(".")[2]] = value
    return RunSpec.model_validate(raw)


def _own(method: str) -> Mapping[str, Sequence[Any]]:
    return REFERENCES[method].search if method in REFERENCES else fusions.get(method).search


def _section(raw: dict[str, Any], key: str) -> dict[str, Any]:
    """Where a dumped spec has a setting."""
    section = key.partition(".")[0]
    parents: list[dict[str, dict[str, Any]]] = [raw["model"], raw]
    return next((parent[section] for parent in parents if section in parent), raw["options"])
