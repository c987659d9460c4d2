"""A figure before and after it is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas

from bench.plan import Plan
from bench.report.figures.style import settings
from bench.report.figures.vector import with_tips

DPI = 200


@dataclass(frozen=True)
class Drawing:
    """A drawn figure, not yet written.

    Attributes:
        name: of its files.
        title: one line.
        caption: where the numbers come from, what is shown, how to read it.
        canvas: what is drawn.
        finding: what it shows, in a sentence for those who cannot see it.
    """

    name: str
    title: str
    caption: str
    canvas: Canvas
    finding: str = ""


@dataclass(frozen=True)
class Figure:
    """A written figure.

    Attributes:
        name: of its files.
        path_png, path_svg: the files.
        title: one line.
        caption: where the numbers come from, what is shown, how to read it.
        finding: what it shows, in a sentence for those who cannot see it.
    """

    name: str
    path_png: Path
    path_svg: Path
    title: str
    caption: str
    finding: str = ""


def settle(canvas: Canvas) -> None:
    """Lay a complete figure out, once: both files then have the same layout, and names can be placed."""
    if canvas.get_layout_engine() is None:
        return
    FigureCanvasAgg(canvas)
    canvas.draw_without_rendering()
    canvas.set_layout_engine(None)  # with "none" there is still one, for which every file is drawn twice


def write_figures(plan: Plan, draw: Callable[[], Sequence[Drawing]], out: Path) -> list[Figure]:
    """Draw, and write ``OUT/figures/NAME.{png,svg}``; those of an archived plan have its settings' name."""
    with matplotlib.rc_context(settings()):
        named = [replace(drawing, name=drawing.name + plan.suffix) for drawing in draw()]
        if named:
            (out / "figures").mkdir(parents=True, exist_ok=True)
        return [save(drawing, out / "figures") for drawing in named]


def save(drawing: Drawing, folder: Path) -> Figure:
    """Write both files: the same drawing gives the same bytes."""
    png, svg = folder / f"{drawing.name}.png", folder / f"{drawing.name}.svg"
    settle(drawing.canvas)
    drawing.canvas.savefig(png, dpi=DPI)
    drawing.canvas.savefig(svg, dpi=DPI, metadata={"Date": None})
    svg.write_text(with_tips(svg.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
    return Figure(drawing.name, png, svg, drawing.title, drawing.caption, drawing.finding)
