"""`bench calibrate`: rates of false verdicts that bind, and work that goes on where it was killed."""

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from committed import read, table
from scipy.stats import t

import fusions
from bench.calibrate import verdicts
from bench.calibrate.planted import PLANTED
from bench.calibrate.verdicts import EQUAL, FUSIONS, allowed, conclude, simulated
from bench.calibrate.work import Kept, work_through
from bench.cli import main
from bench.commands.calibrating import PARTS
from bench.compare.calibration import SEEDS, SHAPES
from bench.compare.simultaneous import LEVEL, Simultaneous
from bench.methods.references import REFERENCES as METHODS

PER_CASE = 25
"""Comparisons of each of the 16 cases: 400 in all, of which 7 % may be false."""


def run(*arguments: object) -> str:
    result = CliRunner().invoke(main, ["calibrate", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.output


# --- rates ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rates() -> pd.DataFrame:
    return pd.DataFrame([verdicts.rates(case) for case in verdicts.cases(PER_CASE)])


def test_rates_are_those_of_so_many_comparisons_and_repeat(no_processes):
    once = simulated(2)
    assert once.equals(simulated(2))
    assert list(zip(once["losses"], once["seeds"], strict=True)) == [(s, n) for s in SHAPES for n in SEEDS]


def test_verdicts_are_no_oftener_false_than_they_may_be(rates):
    many = PER_CASE * len(rates)
    assert rates["false"].mean() <= allowed(many)
    assert rates["excluded"].mean() <= allowed(many)
    assert rates["covered"].mean() >= 1 - allowed(many)


def test_verdicts_find_more_with_more_seeds(rates):
    found = rates.groupby("seeds")[["found", "ruled_out"]].mean()
    assert (found.diff().dropna() > 0).all(axis=None)
    assert found["found"][3] > 0.5


def test_a_test_that_forgets_how_many_it_compares_is_caught(monkeypatch):
    """The bound binds: Student's t of each pair alone is far beyond it."""
    monkeypatch.setattr(
        Simultaneous, "_critical", lambda self, inner: np.sqrt(2) * t.ppf(1 - LEVEL / 2, self._df)
    )
    monkeypatch.setattr("bench.executors.EXECUTORS", {})
    found = pd.DataFrame([verdicts.rates(case) for case in verdicts.cases(10)])
    assert found["false"].mean() > 3 * allowed(10 * len(found))
    assert found["covered"].mean() < 1 - 3 * allowed(10 * len(found))


# --- trained on noise -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("better", "worse", "expected"),
    [
        ((), (), {"equal": False, "excluded": False, "helped": False}),
        ((), ("copy",), {"equal": True, "excluded": True, "helped": False}),
        (("fusion",), (), {"equal": False, "excluded": False, "helped": True}),
    ],
)
def test_what_there_is_to_find_is_found(monkeypatch, better, worse, expected):
    """The rates are of verdicts that can come out otherwise."""
    calls: list[str] = []

    def losses(spec, features, parts):
        calls.append(spec.method)
        turn = (len(calls) - 1) % (EQUAL + len(FUSIONS) + 2)
        rng = np.random.default_rng([spec.seed, len(calls)])
        level = 9.0 if "copy" in worse and turn == 0 else 0.1 if "fusion" in better and turn == EQUAL else 1.0
        return level * rng.chisquare(1, len(parts.test))

    monkeypatch.setattr(verdicts, "_losses", losses)
    assert conclude(0) == expected


# --- what is committed ------------------------------------------------------------------------------------


def test_the_committed_rates_hold_the_contract():
    found, noise = table("calibration", "calibration-simulated"), table("calibration", "calibration-trained")
    assert set(zip(found["losses"], found["seeds"], strict=True)) == {(s, n) for s in SHAPES for n in SEEDS}
    assert found["comparisons"].min() >= 1000
    assert (found["false"] <= allowed(1000)).all()
    assert (found["excluded"] <= allowed(1000)).all()
    assert found["covered"].between(0.93, 0.97).all()
    assert noise["datasets"].min() >= 300
    assert (noise["rate"] <= allowed(300)).all()


@pytest.mark.parametrize("part", PARTS)
def test_a_committed_page_has_its_table_and_the_command_that_makes_it(part):
    page = read("calibration", f"tables/calibration-{part}.md")
    assert f"Regenerate: `bench calibrate --part {part}" in page
    for name in table("calibration", f"calibration-{part}").columns:
        assert f" {name} |" in page


def test_the_committed_methods_are_those_of_the_registry_and_only_planted_ones_are_flagged():
    found = table("calibration", "calibration-methods").set_index("method")
    assert set(found.index) == {*fusions.names(), *METHODS, *PLANTED}
    assert set(found.index[~found["flagged"].str.startswith("no")]) == set(PLANTED)


# --- work -------------------------------------------------------------------------------------------------


def square(number: int) -> dict[str, int]:
    if number < 0:
        raise ValueError("no root")
    return {"square": number**2}


def test_what_is_kept_is_not_done_again_and_what_is_damaged_is(tmp_path, no_processes):
    kept = Kept(tmp_path, "squares", ["bench.calibrate.work"])
    assert work_through(square, [2, 3], "squares", kept=kept) == [{"square": 4}, {"square": 9}]
    (path,) = (tmp_path / "runs" / "calibration").iterdir()
    path.write_text(path.read_text().replace("9", "81") + '["4", {"squ', encoding="utf-8")
    heard: list[tuple[int, int]] = []

    def hear(what: str, done: int, total: int) -> None:
        heard.append((done, total))

    found = work_through(square, [3, 4, 5], "squares", kept=kept, progress=hear)
    assert [one["square"] for one in found] == [81, 16, 25], "3 is read, cut off 4 is not"
    assert heard == [(1, 3), (2, 3), (3, 3)]
    assert kept.read().keys() == {"2", "3", "4", "5"}


def test_answers_of_other_code_are_not_taken(tmp_path, no_processes):
    Kept(tmp_path, "squares", ["bench.calibrate.work"]).add("2", {"square": 5})
    other = Kept(tmp_path, "squares", ["bench.calibrate.verdicts"])
    assert work_through(square, [2], "squares", kept=other) == [{"square": 4}]


def test_work_that_fails_says_what_and_keeps_the_rest(tmp_path, no_processes):
    kept = Kept(tmp_path, "squares", ["bench.calibrate.work"])
    with pytest.raises(Exception, match=r"squares, -1: ValueError: no root"):
        work_through(square, [2, -1], "squares", kept=kept)
    assert kept.read() == {"2": {"square": 4}}


# --- command ----------------------------------------------------------------------------------------------


def test_the_command_writes_tables_with_the_commands_that_make_them(tmp_path):
    """In worker processes; on some datasets of noise nothing is found."""
    asked = ["--part", "simulated", "--part", "trained", "--repeats", 2, "--datasets", 3, "--out", tmp_path]
    first = run(*asked)
    assert "cases of simulated comparisons: 0/16" in first
    pages = [tmp_path / "tables" / f"calibration-{part}.md" for part in ("simulated", "trained")]
    texts = [page.read_text(encoding="utf-8") for page in pages]
    assert "Regenerate: `bench calibrate --part simulated --repeats 2`" in texts[0]
    assert "Regenerate: `bench calibrate --part trained --datasets 3`" in texts[1]
    noise = pd.read_csv(tmp_path / "tables" / "calibration-trained.csv")
    assert noise["datasets"].tolist() == [3, 3, 3]
    assert noise["rate"].tolist() == [0, 0, 0]
    again = run(*asked)
    assert "cases of simulated comparisons: 0/16" not in again
    assert "cases of simulated comparisons: 16/16" in again
    assert [page.read_text(encoding="utf-8") for page in pages] == texts


@pytest.mark.parametrize(
    ("option", "part"),
    [(("--repeats", "3"), "simulated"), (("--retrain",), "shares"), (("--seeds", "3"), "order")],
)
def test_an_option_that_nothing_looks_at_is_refused(option, part):
    result = CliRunner().invoke(main, ["calibrate", "--part", "methods", *option])
    assert result.exit_code == 2
    assert part in result.output
    assert "Traceback" not in result.output
