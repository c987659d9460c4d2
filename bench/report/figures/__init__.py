"""The figures of a report, drawn from stored plans and runs only, as PNG and SVG.

One file per kind of figure; `style` has what they share in looks, `results` what they share in numbers.
A figure whose data are not stored is left out, never drawn empty.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import matplotlib

from bench.plan import Plan
from bench.report.figures.attention import attention_mean, attention_samples
from bench.report.figures.backbones import backbones
from bench.report.figures.comparison import comparison
from bench.report.figures.cost import cost
from bench.report.figures.data import data
from bench.report.figures.drawing import Drawing, Figure, save
from bench.report.figures.entities import entities
from bench.report.figures.missing import missing
from bench.report.figures.order import order
from bench.report.figures.scatter import scatter
from bench.report.figures.style import settings
from bench.report.figures.training import training
from bench.store import RunStore

__all__ = ["DRAWN", "Figure", "write_figures"]

DRAWN: dict[str, tuple[Callable[[Plan, RunStore], Drawing | None], ...]] = {
    "fusion": (comparison, cost),
    "entity-fusion": (comparison,),
    "order": (order,),
    "entities": (entities,),
    "backbones": (backbones,),
    "training": (training,),
    "scatter": (scatter,),
    "attention": (attention_samples, attention_mean),
    "data": (data,),
    "missing": (missing,),
}
"""Experiment -> what is drawn from its plan; an experiment without an entry has no figure."""


def write_figures(plans: Sequence[Plan], store: RunStore, out: Path) -> list[Figure]:
    """Write ``OUT/figures/NAME.{png,svg}`` for every figure whose data are stored."""
    folder = out / "figures"
    written = []
    with matplotlib.rc_context(settings()):
        for plan in plans:
            for draw in DRAWN.get(plan.experiment, ()):
                drawing = None if plan.not_applicable else draw(plan, store)
                if drawing is not None:
                    folder.mkdir(parents=True, exist_ok=True)
                    named = replace(drawing, name=drawing.name + plan.suffix)
                    written.append(save(named, plan.name, folder))
    return written
