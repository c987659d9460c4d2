"""A sheet as Markdown, CSV, LaTeX, or the columns that fit a terminal; HTML is in the page's template."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

import pandas as pd

from bench.report.sheet import NOTHING, Cell, Line, Sheet


def markdown(sheet: Sheet, everything: bool = False) -> str:
    """What people see, in pipes; with `everything` also what they may ask for."""
    seen = sheet.visible(everything)
    rows = [[_marked(cell, "**{}**", " ± {}") for cell in line.cells] for line in seen.lines]
    for row, line in zip(rows, seen.lines, strict=True):
        row[0] += " (reference)" if line.reference else ""
    header = [column.header for column in seen.columns]
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def comma_separated(sheet: Sheet) -> str:
    """Everything, for programs: values as they are, intervals in columns of their own."""
    out = io.StringIO()
    write = csv.writer(out, lineterminator="\n")
    ends = ("", "_low", "_high")
    write.writerow(
        column.name + end for column in sheet.columns for end in (ends if column.interval else ends[:1])
    )
    for line in sheet.lines:
        row = []
        for column, cell in zip(sheet.columns, line.cells, strict=True):
            row += [cell.value, cell.low, cell.high] if column.interval else [cell.value]
        write.writerow("" if value is None or value != value else value for value in row)
    return out.getvalue()


def latex(sheet: Sheet, caption: str, columns: Iterable[str]) -> str:
    """Some columns for a paper; its preamble needs the package booktabs."""
    seen = sheet.visible(everything=True).only(columns)
    body = [" & ".join(_latex_cells(line)) + r" \\" for line in seen.lines]
    lines = [
        r"\begin{table*}",
        r"\centering",
        r"\scriptsize",
        r"\setlength{\tabcolsep}{3pt}",
        rf"\caption{{{escaped(caption)}}}",
        rf"\label{{tab:{sheet.name}}}",
        rf"\sbox0{{\begin{{tabular}}{{{''.join('r' if c.numeric else 'l' for c in seen.columns)}}}",
        r"\toprule",
        " & ".join(escaped(column.header) for column in seen.columns) + r" \\",
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}}",
        # wider than the page: shrunk to it where graphicx is loaded
        r"\ifdim\wd0>\textwidth\ifdefined\resizebox",
        r"\resizebox{\textwidth}{!}{\usebox0}\else\usebox0\fi\else\usebox0\fi",
        r"\end{table*}",
        "",
    ]
    return "\n".join(lines)


def glance(sheet: Sheet, columns: Iterable[str]) -> pd.DataFrame:
    """Some columns as texts, for a terminal; references have a star."""
    seen = sheet.visible().only(columns)
    rows = [[_marked(cell, "{}", " ± {}") for cell in line.cells] for line in seen.lines]
    for row, line in zip(rows, seen.lines, strict=True):
        row[0] += " *" if line.reference else ""
    return pd.DataFrame(rows, columns=[column.header for column in seen.columns])


def _marked(cell: Cell, bold: str, spread: str) -> str:
    text = bold.format(cell.text) if cell.best else cell.text
    return text + (spread.format(cell.spread) if cell.spread else "")


def _latex_cells(line: Line) -> list[str]:
    cells = []
    for cell in line.cells:
        text = escaped(cell.text) if cell.text != NOTHING else "--"
        text = rf"\textbf{{{text}}}" if cell.best else text
        cells.append(text + (rf"{{\tiny$\pm${cell.spread}}}" if cell.spread else ""))
    if line.reference:
        cells[0] = rf"\textit{{{cells[0]}}}"
    return cells


def escaped(text: str) -> str:
    """Text safe in LaTeX."""
    return text.translate(SPECIAL)


SPECIAL = str.maketrans(
    {sign: "\\" + sign for sign in "{}%&_#$"}
    | {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}
    | {"±": r"$\pm$", "–": "--"}
)
