"""What all figures share in looks: sizes, colours, marks, and text that any font can show."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure as Canvas
from matplotlib.figure import SubFigure
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.lines import Line2D

from bench.data.schema import Target
from bench.metrics import Metric

ONE_COLUMN, TWO_COLUMNS = 3.5, 7.0
"""Widths in inches of a figure in a paper."""
GREY = "0.45"
MAP, CHANGE_MAP = "viridis", "vlag"
ON_DARK, ON_LIGHT = "#fffffe", "#000001"
"""Of numbers on the colours of a map. They are no greys: greys turn over on a dark page, colours stay."""
CHINESE = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei",
    "Microsoft YaHei", "SimHei", "PingFang SC", "Hiragino Sans GB", "Heiti TC", "Arial Unicode MS",
)  # fmt: skip
"""Fonts with Chinese characters, of which a machine may have one."""

_MARKERS = "o^sv<>pPX*"
TIP = "tip:"
"""How the id of what has a text to say begins."""


def settings() -> Any:
    """Settings of matplotlib under which figures are drawn and written."""
    return {
        "font.family": list(_fonts()),
        "font.size": 8,
        "axes.titlesize": 8,
        "axes.labelsize": 7.5,
        "xtick.labelsize": 7,
        "ytick.labelsize": 7,
        "legend.fontsize": 7,
        "legend.frameon": False,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.6,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "lines.linewidth": 1.0,
        "grid.color": "0.9",
        "grid.linewidth": 0.5,
        "axes.axisbelow": True,
        # names come from users: a "$" in one is no mathematics
        "text.parse_math": False,
        "axes.unicode_minus": True,
        "svg.hashsalt": "fusion-bench",
        "svg.fonttype": "path",
    }


def canvas(width: float, height: float) -> Canvas:
    """An empty figure that belongs to no window and keeps its parts apart."""
    return Canvas(figsize=(width, height), layout="constrained")


def look(index: int) -> tuple[tuple[float, float, float], str]:
    """Colour and marker of the index-th group: they differ in both, as not everyone sees colours differ."""
    colours = [c for i, c in enumerate(sns.color_palette("colorblind")) if i != 7]  # grey: for references
    return colours[index % len(colours)], _MARKERS[index % len(_MARKERS)]


def shown(text: object, limit: int = 34) -> str:
    """A name as it can be drawn: long ones lose their middle, characters no font has become code points."""
    text, known = " ".join(str(text).split()), _characters()
    if len(text) > limit:
        text = f"{text[: limit // 2]}…{text[-(limit // 2 - 1) :]}"
    parts, missing = [], False
    for character in text:
        lacks = ord(character) not in known
        parts.append((f"{'·' if missing else ''}{ord(character):X}") if lacks else character)
        missing = lacks
    return "".join(parts)


def metric_label(metric: Metric, target: Target, width: int = 28) -> str:
    """A metric with its unit, on several lines."""
    return f"{metric.name}\n{unit(metric, target, width)}"


def unit(metric: Metric, target: Target, width: int = 28) -> str:
    """The unit of a metric, on several lines where it is long."""
    original = shown(target.unit, 60) or "original unit"
    text = metric.unit.format(target=shown(target.label, 60), unit=original)
    return textwrap.fill(text, width)


def tip(artist: Artist, text: str) -> None:
    """Let an SVG say a text where the pointer rests on an artist (`bench.report.figures.vector`)."""
    artist.set_gid(TIP + text)


def write_cells(ax: Axes, texts: np.ndarray, dark: np.ndarray) -> None:
    """The texts of a map's cells, both (R, C); light where their colour is dark."""
    for (i, j), text in np.ndenumerate(texts):
        colour = ON_DARK if dark[i, j] else ON_LIGHT
        ax.text(j + 0.5, i + 0.5, text, ha="center", va="center", fontsize=7, color=colour)


def better(metric: Metric) -> str:
    """Which way a metric gets better."""
    return "lower is better" if metric.lower_is_better else "higher is better"


def arrow(metric: Metric) -> str:
    """Which way a metric gets better, short."""
    return "↓ better" if metric.lower_is_better else "↑ better"


def key(canvas: Canvas, handles: Sequence[Line2D]) -> None:
    """A legend above all panels, in as many columns as the width holds."""
    if not handles:
        return
    lengths = [len(str(handle.get_label())) for handle in handles]
    canvas.legend(
        handles=list(handles), loc="outside upper center", ncols=_columns(lengths, canvas.get_figwidth()),
        handlelength=1.4, columnspacing=1.2, handletextpad=0.4,
    )  # fmt: skip


def _columns(lengths: Sequence[int], width: float) -> int:
    """The most columns that fit into the width; a legend fills its columns one after the other."""
    for columns in range(len(lengths), 1, -1):
        widest = [max(column) for column in np.array_split(lengths, columns)]  # as a legend splits them
        if sum(0.06 * length + 0.4 for length in widest) <= width:
            return columns
    return 1


def mark(index: int, label: str) -> Line2D:
    """The legend's entry of the index-th group."""
    colour, marker = look(index)
    return Line2D([], [], color=colour, marker=marker, linestyle="", markersize=4.5, label=label)


def no_fusion() -> Line2D:
    """The legend's entry of the reference methods."""
    return Line2D([], [], color=GREY, marker="D", mfc="white", linestyle="", markersize=4, label="no fusion")


def one_seed() -> Line2D:
    """The legend's entry of the small dots."""
    return Line2D([], [], color="0.3", marker=".", linestyle="", markersize=5, label="one seed")


def interval() -> Line2D:
    """The legend's entry of the lines through the marks."""
    return Line2D([], [], color="0.3", alpha=0.35, linewidth=2.5, label="95 % interval")


def colour_bar(
    canvas: Canvas | SubFigure, drawn: ScalarMappable, panels: Axes | Sequence[Axes], label: str
) -> None:
    """What the colours of some panels stand for."""
    bar = canvas.colorbar(drawn, ax=panels, shrink=0.8)
    bar.set_label(label)
    bar.outline.set_visible(False)
    bar.ax.locator_params(nbins=5)


def name_rows(ax: Axes, names: Sequence[str]) -> None:
    """Name the rows 0, 1, ... of a panel, the first at the top; every other one is shaded."""
    for i in range(1, len(names), 2):
        ax.axhspan(i - 0.5, i + 0.5, color="0.965", linewidth=0, zorder=0)
    ax.set_yticks(range(len(names)), [shown(name) for name in names])
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)


@lru_cache
def _fonts() -> tuple[str, ...]:
    """DejaVu Sans, which comes with matplotlib, then a Chinese font where the machine has one."""
    installed = {font.name for font in fontManager.ttflist}
    return ("DejaVu Sans", *[name for name in CHINESE if name in installed][:1])


@lru_cache
def _characters() -> frozenset[int]:
    """Every character that one of the fonts has."""
    found: set[int] = set()
    for name in _fonts():
        found |= set(get_font(findfont(FontProperties(family=[name]))).get_charmap())
    return frozenset(found)
