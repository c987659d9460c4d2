"""Methods that look where they may not, or not at all, are flagged; honest ones are not."""

import inspect

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

import fusions
from bench.calibrate import flaws
from bench.calibrate.flaws import Suspect, examine, moved, row
from bench.calibrate.planted import PLANTED, Blind, Leaky
from bench.cli import main
from bench.methods import catalog as methods
from bench.methods.references import REFERENCES, PredictMean, Ridge

READS, ORDER, IGNORES = "reads the test part", "goes by ids or order", "ignores its inputs"


class PeeksWhenAsked(Ridge):
    """Honest while it is fitted, then corrected by the answers."""

    def predict(self, features, rows):
        return 0.5 * (super().predict(features, rows) + features.samples["target"][rows])


class ReadsTheFile(Ridge):
    """Takes the answers from the disk."""

    def fit(self, features, parts, after_epoch=None):
        super().fit(features, parts)
        answers = np.load(features.dataset / "target.npy")
        self.level = answers[parts.test].mean()

    def predict(self, features, rows):
        return super().predict(features, rows) + self.level


class ScalesByAll(Ridge):
    """Learns from no answer of the test part, but from its features."""

    def fit(self, features, parts, after_epoch=None):
        super().fit(features, parts)
        seen = super().predict(features, np.concatenate([parts.train, parts.test]))
        self.spread = seen.std()

    def predict(self, features, rows):
        return super().predict(features, rows) / self.spread


class GoesByPlace(Ridge):
    """Hopes that the file is sorted by what is to be predicted."""

    def predict(self, features, rows):
        return super().predict(features, rows) + 0.01 * rows


class GoesById(Ridge):
    """Hopes that ids tell."""

    def predict(self, features, rows):
        numbers = [int("".join(filter(str.isdigit, name))) for name in features.samples["ids"][rows]]
        return super().predict(features, rows) + 0.01 * np.array(numbers)


class Guesses(PredictMean):
    """Predicts different numbers, whatever the features."""

    looks = True

    def predict(self, features, rows):
        return np.random.default_rng(self.spec.seed).normal(size=len(rows))


class Fails(Ridge):
    def fit(self, features, parts, after_epoch=None):
        raise ValueError("no idea")


class Constant(fusions.VectorFusion):
    """A fusion whose vector is learned, and the same for every sample."""

    def __init__(self, inputs):
        super().__init__(inputs)
        self.vector = torch.nn.Parameter(torch.ones(inputs.dim))

    def fuse_vectors(self, vectors):
        return fusions.Fused(self.vector.expand(len(vectors), -1))


@pytest.mark.parametrize("name", [*fusions.names(), *REFERENCES])
def test_what_is_registered_is_honest(name, monkeypatch):
    monkeypatch.setattr(flaws, "SAMPLES", 60)  # half as many as the command takes, and as many epochs
    monkeypatch.setattr(flaws, "EPOCHS", 4)
    found = moved(name, methods.kind_of(name))
    said = row(name, found)["flagged"]
    assert found["spoiled"] == found["renumbered"] == 0
    if name in ("predict-mean", "class-prior"):
        assert said == "no, looks at no feature and says so"
    else:
        assert said == "no"
        assert found["shuffled"] > 0.01


@pytest.mark.parametrize(
    ("kind", "flaw"),
    [
        (Leaky, READS), (PeeksWhenAsked, READS), (ReadsTheFile, READS), (ScalesByAll, READS),
        (GoesByPlace, ORDER), (GoesById, ORDER), (Blind, IGNORES), (Guesses, IGNORES),
    ],
)  # fmt: skip
def test_what_is_planted_is_flagged_for_what_it_does(monkeypatch, kind, flaw):
    monkeypatch.setitem(REFERENCES, "planted", kind)
    assert row("planted", moved("planted", kind))["flagged"] == flaw


def test_a_fusion_that_ignores_its_inputs_is_flagged():
    fusions.register("constant", paper="none")(Constant)
    assert row("constant", moved("constant", methods.kind_of("constant")))["flagged"] == IGNORES


def test_a_method_that_fails_is_a_row_that_says_so(monkeypatch):
    monkeypatch.setitem(REFERENCES, "fails", Fails)
    answer = examine(Suspect("fails"))
    assert row("fails", answer)["flagged"] == "failed: ValueError: no idea"


PLUGIN = f"""
import torch
import fusions

@fusions.register("constant", paper="none")
{inspect.getsource(Constant)}
"""


def test_the_command_examines_all_methods_and_those_of_plugins(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(PLUGIN, encoding="utf-8")
    few = {"ridge": REFERENCES["ridge"], "predict-mean": REFERENCES["predict-mean"]}
    monkeypatch.setattr("bench.calibrate.flaws.REFERENCES", few)
    monkeypatch.setattr("bench.calibrate.flaws.fusions.names", lambda: ["concat", "constant"])
    asked = ["calibrate", "--part", "methods", "--plugin", str(tmp_path / "mine.py"), "--out", str(tmp_path)]
    result = CliRunner().invoke(main, asked)
    assert result.exit_code == 0, result.output
    found = pd.read_csv(tmp_path / "tables" / "calibration-methods.csv").set_index("method")
    assert found["flagged"].to_dict() == {
        "concat": "no", "constant": IGNORES, "ridge": "no",
        "predict-mean": "no, looks at no feature and says so",
        "planted: leaky": READS, "planted: blind": IGNORES,
    }  # fmt: skip
    assert found.loc[list(PLANTED), "kind"].tolist() == ["planted"] * len(PLANTED)
