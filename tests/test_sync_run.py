"""`bench sync run` from video files to the report: resumed, repeated, and after a loss."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from bench.cli import main
from bench.sync.train import Recipe, train

TINY = ["--seeds", "1", "--executor", "inline", "--set", "training.epochs=1", "--set", "model.dim=8"]


@pytest.fixture
def posts(short_folder: Path, tmp_path: Path) -> Path:
    """The short videos, each by an influencer of its own: folds need eight."""
    folder = shutil.copytree(short_folder, tmp_path / "posts")
    table = pd.read_csv(folder / "samples.csv")
    table.assign(influencer_id=table["id"]).to_csv(folder / "samples.csv", index=False)
    return folder


def test_a_run_is_resumed_and_repeated_and_makes_again_what_is_lost(
    posts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    trained: list[int] = []

    def quick(videos, seed):
        trained.append(seed)
        if len(trained) == 3:
            raise RuntimeError("as if killed")
        return train(videos, seed, Recipe(steps=2, batch=4))

    def run(code: int = 0) -> str:
        result = CliRunner().invoke(main, ["sync", "run", "--data", str(posts), "--out", str(out), *TINY])
        assert result.exit_code == code, result.output
        return " ".join(result.output.split())

    monkeypatch.setattr("bench.sync.folds.train", quick)
    assert "fold 2 failed" in run(code=1)
    assert not (out / "report.html").exists()
    assert "2 networks trained, 7 runs executed, 0 already stored, 0 failed" in run()
    scores = (out / "tables" / "sync-scores.csv").read_bytes()
    assert len(pd.read_csv(out / "tables" / "sync-scores.csv")) == 12
    page = (out / "report.html").read_text(encoding="utf-8")
    for shown in ("Rank correlation of the score with planted synchronicity", '<table id="sync-shift">'):
        assert shown in page
    assert {path.stem for path in (out / "figures").glob("*.svg")} >= {"sync-recovery", "sync-shift"}
    monkeypatch.setattr("bench.sync.run._drawings", lambda *_: [])  # once is enough
    monkeypatch.setattr("bench.publish.Reading.write_figures", lambda *_: [])
    assert "0 networks trained, 0 runs executed, 7 already stored, 0 failed; 0 items" in run()
    lost = sorted((out / "sync" / "models").iterdir())[1]
    (lost / "model.safetensors").unlink()
    assert "1 networks trained, 0 runs executed, 7 already stored" in run()
    assert (out / "tables" / "sync-scores.csv").read_bytes() == scores
    assert len(trained) == 6
