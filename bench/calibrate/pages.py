"""What calibration writes of each part: a table, a page, a figure of shares."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import pandas as pd

from bench.calibrate.figure import shares_drawn
from bench.report.figures.drawing import save
from bench.report.figures.style import settings
from bench.report.sheet import plain_sheet
from bench.report.writers import markdown

TITLES = {
    "simulated": "Simulated comparisons",
    "trained": "Trained on noise",
    "methods": "Methods that look where they may not, or not at all",
    "shares": "What entities are worth",
    "order": "Order of fusion",
}
"""Part -> its heading."""
NOTES = {
    "simulated": "Share of comparisons of equal methods in which any two were distinguished (false); of "
    "different ones: in which the true best is no candidate (excluded) and all intervals hold (covered); how "
    "many of the worse methods were distinguished from the best (found) and are no candidates (ruled_out).",
    "trained": "Share of datasets of noise with a false verdict, and what 5 % and two standard errors allow.",
    "methods": "How far a prediction moves at most, in standard deviations of the target. Spoiled: test "
    "samples have other targets, and other features while the method is fitted; renumbered: samples stand in "
    "another order under other ids; neither may move anything. Shuffled: features of other test samples, "
    "which must.",
    "shares": "Shares by which each estimator divides what MEMF explains, with 95 % intervals over seeds, "
    "beside those that the generator planted.",
    "order": "On how many datasets the verdict found the order that fits to be better or worse than the "
    "other; on how many its mean loss was lower; and its gain, with the 95 % interval over datasets.",
}


def write(name: str, table: pd.DataFrame, out: Path, command: str) -> list[Path]:
    """``OUT/tables/calibration-NAME.{csv,md}`` of one part, of shares a figure, too; the paths."""
    folder = out / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"calibration-{name}{suffix}" for suffix in (".csv", ".md")]
    table.to_csv(paths[0], index=False)
    sheet = plain_sheet(name, "", table.astype(object).where(table.notna(), None).to_dict("records"))
    lines = [f"# {TITLES[name]}", "", NOTES[name], "", markdown(sheet), ""]
    if name == "shares":
        (out / "figures").mkdir(exist_ok=True)
        with matplotlib.rc_context(settings()):
            figure = save(shares_drawn(table), out / "figures")
        lines += [f"![{figure.finding}](../figures/{figure.path_svg.name})", "", figure.caption, ""]
        paths += [figure.path_png, figure.path_svg]
    paths[1].write_text("\n".join([*lines, f"Regenerate: `{command}`", ""]), encoding="utf-8")
    return paths
