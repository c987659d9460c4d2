"""What is known of generated data beyond their files: read where it is stated, drawn, and nothing else."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from workshop import Row, Workshop

import fusions
from bench.data.dataset import read_dataset
from bench.data.truth import ceiling, shares
from bench.methods.catalog import CORE, kind_of
from bench.sourcecode import PROJECT, reached

CEILING = {"MSE": 0.171, "R2_score": 0.85}


@pytest.fixture
def folder(stream_folder, tmp_path) -> Path:
    return Path(shutil.copytree(stream_folder, tmp_path / "data"))


def stated(folder: Path, truth: object) -> dict[str, float]:
    (folder / "truth.json").write_text(truth if isinstance(truth, str) else json.dumps(truth))
    return ceiling(read_dataset(folder))


def test_the_ceiling_is_what_the_true_signal_reaches(stream_folder, streams):
    signal = json.loads((stream_folder / "truth.json").read_bytes())["signal"]
    signal = np.array([signal[sample] for sample in streams.ids])
    slope, level = np.polyfit(signal, streams.target, 1)
    residual = streams.target - (slope * signal + level)
    found = ceiling(streams)
    assert found["MSE"] == pytest.approx((residual**2).mean(), rel=1e-9)
    assert found["R2_score"] == pytest.approx(1 - (residual**2).mean() / streams.target.var(), rel=1e-9)


def test_the_sample_counts_before_the_population(folder):
    assert stated(folder, {"ceiling_r2": 0.9})["R2_score"] == 0.9
    assert stated(folder, {"ceiling_r2": 0.9, "ceiling_r2_realised": 0.8})["R2_score"] == 0.8


@pytest.mark.parametrize(
    "truth",
    [
        "", "[1, 2]", "[" * 100_000, "\xff", {"ceiling_r2": "0.9"}, {"ceiling_r2": -0.1}, {"ceiling_r2": 1.5},
        {"ceiling_r2": True}, {"ceiling_r2": None}, {"ceiling_r2": [0.9]}, {"entity_shares": [1]},
        '{"ceiling_r2": NaN}',
    ],
)  # fmt: skip
def test_what_is_no_truth_states_nothing(folder, truth):
    assert stated(folder, truth) == {}
    assert shares(read_dataset(folder)) == {}
    (folder / "truth.json").unlink()
    assert ceiling(read_dataset(folder)) == {}


def test_nothing_that_learns_reaches_it():
    methods = [kind_of(name).__module__ for name in (*fusions.names(), "ridge")]
    methods += [fusions.get(name).cls.__module__ for name in fusions.names()]
    found = reached([PROJECT], [*CORE, *methods, "bench.tune"])
    assert "bench.data.dataset" in found
    assert "bench.data.truth" not in found
    assert not [name for name, source in found.items() if "truth.json" in source]


# -- drawn --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seeds", [1, 3])
def test_figures_of_methods_have_a_line_and_say_what_it_is(tmp_path, seeds):
    workshop = Workshop(tmp_path, seeds=seeds)
    rows = [Row("memf", 0.6), Row("concat", 0.8), Row("ridge", 0.7, reference=True)]
    drawing = workshop.drawings(workshop.plan("fusion", rows, ceiling=CEILING))[0]
    left, right = drawing.canvas.axes
    (line,) = [line for line in left.lines if line.get_color() == "tab:green"]
    assert set(line.get_xdata()) == {CEILING["MSE"]}
    low, high = left.get_xlim()
    assert low <= CEILING["MSE"] <= high
    others = [line for line in right.lines if line.get_color() == "tab:green"]
    assert len(others) == (seeds == 1), "of one seed, R2 stands in the place of gaps"
    (legend,) = drawing.canvas.legends
    assert "best reachable: 0.171" in [text.get_text() for text in legend.get_texts()]
    both = ", R2_score 0.85" * (seeds == 1)
    assert f"any method can reach on average (MSE 0.171{both}); what is left is noise" in drawing.caption


def test_where_it_is_not_known_nothing_is_said(tmp_path):
    workshop = Workshop(tmp_path)
    drawing = workshop.drawings(workshop.plan("fusion", [Row("memf", 0.6), Row("concat", 0.8)]))[0]
    assert not [line for ax in drawing.canvas.axes for line in ax.lines if line.get_color() == "tab:green"]
    assert "best that any method can reach" not in drawing.caption
    assert "reachable" not in str([text.get_text() for text in drawing.canvas.legends[0].get_texts()])
