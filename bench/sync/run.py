"""From a dataset of videos to scores, answers, tables, figures and a chapter of the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from bench import workflow
from bench.data.dataset import Dataset
from bench.files import write_text
from bench.observe.synchrony import PAIRS
from bench.publish import Reading, read, read_all
from bench.report.figures.drawing import Drawing, Figure, write_figures
from bench.report.page import write_page
from bench.report.sheet import Sheet, plain_sheet
from bench.report.writers import markdown
from bench.request import Request
from bench.runner import Summary
from bench.store import RunStore
from bench.sync.charts import attention_figure, drivers_figure, recovery_figure, shift_figure, strip_figure
from bench.sync.engagement import with_score
from bench.sync.figures import slopes_figure
from bench.sync.folds import FOLDS, LAG_COLUMNS, OutOfFold, out_of_fold
from bench.sync.measure import yardsticks
from bench.sync.questions import Answers, answer
from bench.sync.regress import LEAST_SQUARES
from bench.sync.scorer import Worth, keep, load_network
from bench.sync.sequences import Sequenced, sequenced

EXPERIMENT = "synchronicity"
SHOWN_OF_REGRESSIONS = ["outcome", "model", "controls", "estimate", "low", "high", "p", "n", "errors", "note"]


class Reporter(workflow.Reporter, Protocol):
    """Who hears how far the work is."""

    def working(self, what: str, done: int, total: int) -> None:
        """`done` of `total` steps of some work are done."""


@dataclass(frozen=True)
class Report:
    """What came out.

    Attributes:
        answers: to the questions.
        engagement: the verdict of the comparison out of sample.
        paths: what was written.
        trained: networks of synchronicity that were trained.
        summary: of the runs of the suite.
        encoded: items that were encoded.
        left_out: videos without picture or sound, or too short.
    """

    answers: Answers
    engagement: list[str]
    paths: list[Path]
    trained: int
    summary: Summary
    encoded: int
    left_out: list[str]


def run(request: Request, dataset: Dataset, seeds: int, reporter: Reporter) -> Report:
    """Score all videos out of fold, compare engagement out of sample, answer, write.

    `request` says where to and how: out, jobs, executor, preset, settings, timeout.
    """
    out = request.out
    data = sequenced(dataset, request.jobs, request.executor, reporter.encoding)
    found = out_of_fold(data, seeds, out, request.jobs, request.executor, reporter.working)
    compared = replace(
        request,
        experiments=(EXPERIMENT,),
        data=with_score(dataset, found.mean.to_dict()),
        seeds=seeds,
        split="kfold" if request.split is None else request.split,
    )
    carried = workflow.run(compared, reporter)
    reading = read(carried.plans[0], RunStore(out))
    measures = yardsticks(data.ids, data.videos())
    answers = answer(dataset, data, found, measures, from_engagement(reading))
    keep(found.folders[:FOLDS], found.curves, _worth(answers), out)
    sheets = _sheets(answers)
    paths = _write_tables(answers, sheets, found, measures, out, request.command)
    paths += reading.write_tables(out)
    figures = write_figures(reading.plan, lambda: _drawings(answers, data, found), out)
    paths += [figure.path_png for figure in figures]
    paths.append(_page(reading, answers, sheets, figures, out))
    return Report(
        answers,
        reading.verdicts,
        paths,
        found.executed,
        carried.summary,
        data.encoded + carried.encoded,
        found.left_out,
    )


def _worth(answers: Answers) -> Worth | None:
    """The slope of the first count on the score, with controls where there are any."""
    if answers.regressions is None:
        return None
    rows = answers.regressions
    rows = rows[(rows["term"] == "sync") & (rows["model"] == LEAST_SQUARES)]
    row = rows[rows["outcome"] == rows["outcome"].iloc[0]].iloc[-1]
    return Worth(str(row["outcome"]), float(row["estimate"]), float(row["low"]), float(row["high"]))


def from_engagement(reading: Reading) -> pd.Series | None:
    """The second arm: how much a MuT that was trained on engagement looks at the same moment, out of fold.

    Of several seeds that test a video the mean; None where that was not recorded.
    """
    tables = [
        record
        for row in reading.results.rows
        for run in row.runs.values()
        if isinstance(record := run.store.record(run.id, "synchrony.parquet"), pd.DataFrame)
    ]
    if not tables:
        return None
    known = pd.concat(tables, ignore_index=True)
    directions = [name for name in PAIRS.values() if name in known]
    shares: pd.Series = known.assign(share=known[directions].mean(axis=1)).groupby("id")["share"].mean()
    return shares


def _sheets(answers: Answers) -> list[Sheet]:
    """Tables for people; of the regressions only the score's rows."""
    regressed, sloped = answers.regressions, answers.slopes
    shown = [
        (
            "sync-recovery",
            "Recovery",
            "Rank correlation with planted synchronicity; ahead: by how much the score's is higher.",
            answers.recovery,
        ),
        (
            "sync-shift",
            "Moved and wrong music",
            "Mean scores; beaten: in how many pairs of videos a true pair scores higher.",
            answers.shifts,
        ),
        (
            "sync-calibration",
            "Calibration",
            "Pairs by score, true and wrong ones weighed equally: mean score, and the share that is true.",
            answers.calibration,
        ),
        (
            "sync-regressions",
            "Engagement beyond controls",
            "Slopes of log engagement on the score; the CSV has the controls too.",
            None if regressed is None else regressed[regressed["term"] == "sync"][SHOWN_OF_REGRESSIONS],
        ),
        (
            "sync-slopes",
            "For whom",
            "Slopes by type and genre: intervals over all at once, partially pooled, planted.",
            None if sloped is None else sloped.beside(answers.planted),
        ),
        (
            "sync-drivers",
            "What the score follows from",
            "By boosted trees, on videos of other influencers: importance by permutation, Shapley values.",
            answers.drivers,
        ),
    ]
    return [
        replace(plain_sheet(name, caption, _plain(table)), title=title)
        for name, title, caption, table in shown
        if table is not None
    ]


def _plain(table: pd.DataFrame) -> list[dict[str, object]]:
    return [
        {str(k): (None if isinstance(v, float) and np.isnan(v) else v) for k, v in row.items()}
        for row in table.to_dict("records")
    ]


def _write_tables(
    answers: Answers,
    sheets: list[Sheet],
    found: OutOfFold,
    measures: pd.DataFrame,
    out: Path,
    command: str,
) -> list[Path]:
    """``OUT/tables/sync-*.csv``, and all of them for people in ``sync.md``."""
    folder = out / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    scores = found.scores.drop(columns=LAG_COLUMNS)
    frames: Mapping[str, pd.DataFrame | None] = {
        "sync-scores": scores,
        "sync-yardsticks": measures,
        "sync-recovery": answers.recovery,
        "sync-shift": answers.shifts,
        "sync-calibration": answers.calibration,
        "sync-regressions": answers.regressions,
        "sync-slopes": None if answers.slopes is None else answers.slopes.beside(answers.planted),
        "sync-drivers": answers.drivers,
    }
    paths = []
    for name, frame in frames.items():
        if frame is not None:
            paths.append(folder / f"{name}.csv")
            frame.to_csv(paths[-1], index=False, float_format="%.6g")
    lines = ["# Music and motion", "", *(f"- {said}" for said in answers.verdicts), ""]
    for sheet in sheets:
        lines += [f"## {sheet.title}", "", sheet.caption, "", markdown(sheet), ""]
    lines += [f"Regenerate: `{command}`", ""] if command else []
    write_text(folder / "sync.md", "\n".join(lines))
    return [*paths, folder / "sync.md"]


def _drawings(answers: Answers, data: Sequenced, found: OutOfFold) -> list[Drawing]:
    seeds = found.scores["seed"].nunique()
    drawn = [] if answers.recovery is None else [recovery_figure(answers.recovery, seeds)]
    drawn.append(shift_figure(answers.shifts))
    first = found.scores[found.scores["seed"] == found.scores["seed"].min()].set_index("id")
    example = str(first["score"].idxmax())
    network = load_network(found.folders[int(first.loc[example, "fold"])])
    video = data.videos()[data.ids.index(example)]
    assert video is not None  # it has a score
    drawn.append(attention_figure(example, video, network, float(first.loc[example, "score"])))
    drawn.append(strip_figure(found.steps(), found.mean))
    if answers.slopes is not None:
        outcome = answers.regressions["outcome"].iloc[0] if answers.regressions is not None else "likes"
        drawn.append(slopes_figure(answers.slopes, outcome, answers.planted))
    return [*drawn, drivers_figure(answers.drivers)]


def _page(reading: Reading, answers: Answers, sheets: list[Sheet], figures: list[Figure], out: Path) -> Path:
    """``OUT/report.html`` with all that is stored, the chapter of synchronicity complete."""
    chapters = []
    for one in read_all(out):
        chapter = one.chapter(one.write_figures(out))
        if one.plan.name == reading.plan.name:
            chapter = replace(
                chapter,
                verdicts=[*answers.verdicts, *chapter.verdicts],
                figures=[*figures, *chapter.figures],
                sheets=[*sheets, *chapter.sheets],
            )
        chapters.append(chapter)
    return write_page(chapters, out)
