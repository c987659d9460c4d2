"""The files of a comparison: ``tables/compare.{md,csv,tex}``, further tables, a figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib
import pandas as pd

from bench.report.figures.drawing import Drawing, save
from bench.report.figures.style import settings
from bench.report.sheet import Sheet
from bench.report.writers import comma_separated, latex, markdown

NAME = "compare"
FIGURE = "critical-difference"


@dataclass(frozen=True)
class Comparison:
    """A comparison before it is written.

    Attributes:
        sheet: its main table; its caption says where the numbers come from.
        said: what it allows to be said, a paragraph each.
        few: the columns that a printed page and a terminal have room for.
        beside: further tables for people.
        more: further tables for programs, by name.
        draw: makes its figures, under the settings of figures; may make none.
    """

    sheet: Sheet
    said: Sequence[str]
    few: Sequence[str]
    beside: Sequence[Sheet] = ()
    more: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    draw: Callable[[], Sequence[Drawing]] = tuple


def write_comparison(comparison: Comparison, out: Path) -> list[Path]:
    """Write all files under a folder, where those of an earlier comparison go; the paths."""
    tables, figures = out / "tables", out / "figures"
    tables.mkdir(parents=True, exist_ok=True)
    for earlier in [*tables.glob(f"{NAME}-*.csv"), *figures.glob(f"{FIGURE}.*")]:
        earlier.unlink()
    sheet = comparison.sheet
    contents = {
        "md": _page(comparison),
        "csv": comma_separated(sheet),
        "tex": latex(sheet, sheet.caption, comparison.few),
    }
    paths = []
    for suffix, content in contents.items():
        paths.append(tables / f"{NAME}.{suffix}")
        paths[-1].write_text(content, encoding="utf-8")
    for name, table in comparison.more.items():
        paths.append(tables / f"{NAME}-{name}.csv")
        table.to_csv(paths[-1], index=False)
    with matplotlib.rc_context(settings()):
        for drawing in comparison.draw():
            figures.mkdir(exist_ok=True)
            figure = save(drawing, figures)
            paths += [figure.path_png, figure.path_svg]
    return paths


def _page(comparison: Comparison) -> str:
    sheet = comparison.sheet
    lines = [f"# {sheet.title}", "", sheet.caption, "", markdown(sheet), ""]
    lines += [line for said in comparison.said for line in (said, "")]
    for other in comparison.beside:
        lines += [f"## {other.title}", "", other.caption, "", markdown(other), ""]
    return "\n".join(lines)
