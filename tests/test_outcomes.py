"""Synthetic outcomes, and every sentence about them: right, of the right rows, without contradiction.

What is true of the frames is computed here from the stored losses alone; the sentences come from the verdict,
the headline, the terminal, tables, captions, alternative texts of figures, the page, and `bench compare`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from html import unescape
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from workshop import Row, Workshop

from bench.compare.bayes import ROPE
from bench.compare.conclusion import conclusion
from bench.compare.field import field_of
from bench.data.schema import Target
from bench.plan import Plan
from bench.publish import Reading, read
from bench.report.figures.comparison import comparison
from bench.report.figures.drawing import Drawing, write_figures
from bench.report.figures.style import settings
from bench.report.headline import Headline, headline
from bench.report.page import write_page
from bench.report.sheet import digits
from bench.report.tables import at_a_glance

FUSIONS = ("memf", "concat", "late", "mult")
REFERENCES = ("ridge", "boosted-trees")
FLOOR = "predict-mean"
SEEDS, SAMPLES = 4, 64


@dataclass(frozen=True)
class Outcome:
    """One outcome as it is stored and read.

    Attributes:
        levels: row -> its mean error.
    """

    levels: dict[str, float]
    workshop: Workshop
    plan: Plan

    @cached_property
    def reading(self) -> Reading:
        return read(self.plan, self.workshop.store)

    @cached_property
    def verdict(self) -> str:
        (said,) = self.reading.verdicts
        return said

    @cached_property
    def headline(self) -> Headline:
        found = headline(self.reading.results)
        assert found is not None
        return found

    @cached_property
    def figure(self) -> Drawing:
        """The one that compares; the others, of costs and errors, say nothing that is looked at here."""
        with matplotlib.rc_context(settings()):
            (drawn,) = comparison(self.reading.results)
        return drawn

    @cached_property
    def table(self) -> pd.DataFrame:
        return self.reading.table.set_index("method")

    @cached_property
    def markdown(self) -> str:
        paths = {path.suffix: path for path in self.reading.write_tables(self.workshop.out)[:3]}
        return paths[".md"].read_text(encoding="utf-8")

    @cached_property
    def page(self) -> str:
        (figure,) = write_figures(self.plan, lambda: [self.figure], self.workshop.out)
        chapter = self.reading.chapter([figure])
        text = write_page([chapter], self.workshop.out).read_text(encoding="utf-8")
        text = re.sub(r"<(style|script).*?</\1>|</?(strong|code)>", "", text, flags=re.DOTALL)
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())

    def best(self, names: tuple[str, ...] = (*FUSIONS, *REFERENCES)) -> str:
        """The row with the lowest mean, of what is stored."""
        return min(names, key=lambda name: self.means[name])

    def others(self, first: str) -> str:
        """The other fusions, the lowest mean first, as sentences list them."""
        return ", ".join(sorted(set(FUSIONS) - {first}, key=self.means.__getitem__))

    @cached_property
    def means(self) -> dict[str, float]:
        store = self.workshop.store
        return {
            row.method: float(
                np.mean(
                    [((t := store.predictions(r))["y_pred"] - t["y_true"]).pow(2).mean() for r in row.runs]
                )
            )
            for row in self.plan.rows
        }


def stored(out: Path, levels: dict[str, float], wobble: float = 0.02) -> Outcome:
    """Rows whose squared errors are near these levels in every split, with a little noise of their own."""
    workshop = Workshop(out, seeds=SEEDS, target=Target(column="y"))
    rows = [Row(name, 0.5, reference=name not in FUSIONS, blind=name == FLOOR) for name in levels]
    plan = workshop.plan("fusion", rows)
    for i, row in enumerate(plan.rows):
        for seed, run in enumerate(row.runs):
            true = workshop.store.predictions(run)["y_true"].to_numpy()
            # every sample is as hard for all
            hard = np.random.default_rng(seed).uniform(0.8, 1.2, len(true))
            own = np.random.default_rng([i, seed]).normal(0, wobble, len(true))
            error = np.sqrt(np.clip(levels[row.method] * hard + own, 0.001, None))
            sign = np.where(np.arange(len(true)) % 2, 1, -1)
            workshop.predict(run, true + sign * error)
    return Outcome(levels, workshop, plan)


CLEAR = {
    "memf": 0.3,
    "concat": 0.6,
    "late": 0.65,
    "mult": 0.7,
    "ridge": 0.8,
    "boosted-trees": 0.9,
    FLOOR: 1.1,
}
TIE = {"memf": 0.60, "concat": 0.601, "late": 0.602, "mult": 0.601, "ridge": 0.601, "boosted-trees": 0.602}
USELESS = {
    "memf": 0.7,
    "concat": 0.8,
    "late": 0.9,
    "mult": 0.9,
    "ridge": 0.4,
    "boosted-trees": 0.6,
    FLOOR: 1.1,
}
NOISE = {
    "memf": 1.3,
    "concat": 1.4,
    "late": 1.4,
    "mult": 1.5,
    "ridge": 1.2,
    "boosted-trees": 1.25,
    FLOOR: 1.0,
}
SOME = {
    "memf": 0.500,
    "concat": 0.502,
    "late": 0.65,
    "mult": 0.7,
    "ridge": 0.8,
    "boosted-trees": 0.9,
    FLOOR: 1.1,
}
OUTCOMES = {
    "clear winner": CLEAR,
    "tie": TIE,
    "fusion useless": USELESS,
    "nothing to learn": NOISE,
    "two lead": SOME,
}


@pytest.fixture(scope="module")
def of(tmp_path_factory) -> Callable[[str], Outcome]:
    """The outcome of a name, which is stored and read once."""

    @cache
    def found(name: str) -> Outcome:
        out = tmp_path_factory.mktemp(name.replace(" ", "-"))
        return stored(out, OUTCOMES[name], wobble=0.3 if name == "tie" else 0.05)

    return found


@pytest.fixture(params=OUTCOMES)
def outcome(request, of) -> Outcome:
    return of(request.param)


# -- each by its words -------------------------------------------------------------------------------------

HOW = r"\(All pairs of 6 rows at once, 5 %; 4 random splits, 64 test samples in each\.\)"
AGAINST = r"\(4 fusions against it at once, 5 %; 4 random splits, 64 test samples in each\)"


def gap(first: str, rival: str) -> str:
    return (
        rf"The MSE of {first} less that of {rival} is [-+]\d\.\d{{3}}, simultaneous 95 % interval "
        rf"\[[-+][\d.]+, [-+][\d.]+\] {AGAINST}\."
    )


def test_a_clear_winner_is_named_by_all(of):
    it = of("clear winner")
    assert re.fullmatch(
        rf"Lowest mean MSE of a fusion: memf. Distinguished from it: {it.others('memf')}. "
        rf"May be the best of all 6 rows: 1: memf. {HOW}", it.verdict,
    )  # fmt: skip
    assert it.headline.answer == "Yes"
    reason = rf"{gap('memf', 'ridge')} Better than every reference: memf, {it.others('memf')}."
    assert re.fullmatch(reason, it.headline.reason)
    assert [entry.name for entry in it.headline.entries] == ["memf", "ridge"]
    assert it.figure.finding.endswith("; each of the others can be distinguished from it.")
    assert it.table["letters"]["memf"] == "a"
    assert "a" not in "".join(it.table["letters"].drop(["memf", FLOOR]))


def test_a_tie_is_called_none(of):
    it = of("tie")
    first = it.best(FUSIONS)
    said = (
        r"No other fusion can be distinguished from it: any difference of \d\.\d{3} or more would have been "
    )
    assert re.fullmatch(
        rf"Lowest mean MSE of a fusion: {first}. {said}found in at least four cases of five. {HOW}",
        it.verdict,
    )
    assert it.headline.answer == "Not shown"
    reason = (
        rf"{gap(first, it.best(REFERENCES))} It may be chance: a difference of \d\.\d{{3}} would have been "
    )
    assert re.fullmatch(rf"{reason}found in four cases of five\.", it.headline.reason)
    assert it.figure.finding.endswith("; none of the others can be distinguished from it.")
    assert "no pair of rows can be" in it.figure.caption
    assert set(it.table["letters"]) == {"a"}


@pytest.mark.parametrize(("name", "rival"), [("fusion useless", "ridge"), ("nothing to learn", FLOOR)])
def test_fusions_that_help_nothing_are_called_so(of, name, rival):
    it = of(name)
    above = f"{FLOOR}, which looks at no feature, has a lower mean MSE than all of these. "
    lower = above if rival == FLOOR else ""
    assert re.fullmatch(
        rf"Lowest mean MSE of a fusion: memf. Distinguished from it: {it.others('memf')}. "
        rf"May be the best of all 6 rows: 1: ridge. {lower}{HOW}", it.verdict,
    )  # fmt: skip
    assert lower.strip() in it.figure.finding
    assert lower.strip() in it.figure.caption
    assert it.headline.answer == "No"
    assert re.fullmatch(rf"{gap('memf', rival)} No fusion may be the best of all rows\.", it.headline.reason)
    assert [entry.name for entry in it.headline.entries] == ["memf", rival]
    assert it.figure.finding.startswith("ridge has the lowest mean MSE")
    assert "memf" not in it.headline.reason.split("No fusion")[1]


def test_one_that_cannot_be_distinguished_is_one(of):
    it = of("two lead")
    assert "Distinguished from it: late, mult. The other one cannot be: a difference of" in it.verdict
    assert re.search(r"May be the best of all 6 rows: 2: (memf, concat|concat, memf)\.", it.verdict)
    assert it.figure.finding.endswith("; 1 of the 5 others cannot be distinguished from it.")


# -- whatever the outcome ----------------------------------------------------------------------------------


def listed_after(text: str, start: str) -> set[str]:
    found = re.search(rf"{start}([\w, -]+)[.;]", text)
    return set(found[1].split(", ")) if found else set()


def test_names_and_numbers_are_those_of_the_rows(outcome):
    fused, plain = outcome.best(FUSIONS), outcome.best(tuple(set(outcome.levels) - set(FUSIONS)))
    assert outcome.verdict.startswith(f"Lowest mean MSE of a fusion: {fused}.")
    first, second = outcome.headline.entries
    assert (first.name, second.name) == (fused, plain)
    assert (first.mean, second.mean) == (digits(outcome.means[fused]), digits(outcome.means[plain]))
    best = outcome.best()
    assert outcome.figure.finding.startswith(
        f"{best} has the lowest mean MSE of 6 rows, {outcome.means[best]:.3g};"
    )
    assert f"Right: each row less the best, {best}," in outcome.figure.caption
    assert outcome.table["gap"].drop(FLOOR, errors="ignore").idxmin() == best
    value, low, high = re.search(
        r"is ([-+]\d\.\d+), simultaneous 95 % interval \[([-+][\d.]+), ([-+][\d.]+)\]",
        outcome.headline.reason,
    ).groups()
    assert float(low) <= float(value) <= float(high)
    named = re.search(r"The MSE of (\S+) less that of (\S+) is", outcome.headline.reason)
    assert float(value) == pytest.approx(outcome.means[named[1]] - outcome.means[named[2]], abs=6e-4)


def test_sentences_do_not_contradict_each_other(outcome):
    letters = outcome.table["letters"].drop(FLOOR, errors="ignore")
    best, fused = outcome.best(), outcome.best(FUSIONS)
    # verdict and letters
    apart = {name for name in letters.index if not set(letters[name]) & set(letters[fused])}
    assert listed_after(outcome.verdict, "Distinguished from it: ") == apart & set(FUSIONS)
    # gaps and letters
    low, high = outcome.table["gap_low"], outcome.table["gap_high"]
    for name in set(letters.index) - {best}:
        assert (low[name] > 0 or high[name] < 0) == (not set(letters[name]) & set(letters[best]))
    # candidates hold the best row, and nothing that shares no letter with it is called "may be the best"
    candidates = listed_after(outcome.verdict, r"rows: \d: ") or set(letters.index)
    assert best in candidates
    assert all(set(letters[name]) & set(letters[best]) for name in candidates)
    # the answer, its interval and the candidates
    found = re.search(r"\[([-+][\d.]+), ([-+][\d.]+)\]", outcome.headline.reason)
    below, above = float(found[2]) < 0, float(found[1]) > 0
    assert {"Yes": below, "No": above, "Not shown": not below and not above}[outcome.headline.answer]
    if outcome.headline.answer == "Yes":
        winners = listed_after(outcome.headline.reason, "Better than every reference: ")
        assert fused in winners
        assert not candidates & set(REFERENCES)
        assert all(outcome.means[w] < min(outcome.means[r] for r in REFERENCES) for w in winners)
    if outcome.headline.answer == "No" and FLOOR not in outcome.headline.reason:
        assert not candidates & set(FUSIONS)
    # the figure
    rest = len(letters) - 1
    same = sum(bool(set(letters[name]) & set(letters[best])) for name in letters.index) - 1
    counted = {0: "each of the others can be", rest: "none of the others can be"}
    assert counted.get(same, f"{same} of the {rest} others cannot be") in outcome.figure.finding
    assert ("rows that share a letter cannot be" in outcome.figure.caption) == (same < rest)


def test_letters_of_the_figure_are_those_of_the_table(outcome):
    shown = {text.get_text() for text in outcome.figure.canvas.axes[1].texts if text.get_text().isalpha()}
    letters = {text for text in outcome.table["letters"] if text}
    assert shown == (letters if len(letters) > 1 else set())


def test_the_same_sentences_stand_everywhere(outcome):
    assert outcome.verdict in outcome.markdown
    assert outcome.verdict in outcome.page
    assert outcome.headline.reason in outcome.page
    assert f"Does fusion help? {outcome.headline.answer}. " in outcome.page
    assert f"Best fusion {outcome.best(FUSIONS)} MSE" in outcome.page
    # best first, the best fusion in bold
    rows = [line.split("|")[1].split()[0] for line in outcome.markdown.splitlines() if line[:2] == "| "][1:]
    rows = rows[: len(outcome.means)]  # other tables follow
    assert rows == sorted(outcome.means, key=outcome.means.__getitem__)
    (bold,) = {
        line.split("|")[1].strip()
        for line in outcome.markdown.splitlines()
        if re.search(rf"\*\*{re.escape(digits(outcome.means[outcome.best(FUSIONS)]))}\*\*", line)
    }
    assert bold == outcome.best(FUSIONS)
    assert "Bold: best fusion by mean." in outcome.markdown
    glance = at_a_glance(outcome.plan, outcome.reading.table, outcome.reading.results.metrics)
    assert [name.removesuffix(" *") for name in glance["method"]] == rows
    assert all(name.endswith(" *") == (name.split()[0] not in FUSIONS) for name in glance["method"])


def test_the_comparison_of_the_folder_agrees(outcome):
    field = field_of(outcome.reading.results, "About.")
    said, best = conclusion(field, ROPE), outcome.best()
    letters = outcome.table["letters"].drop(FLOOR, errors="ignore")
    apart = {name for name in letters.index if not set(letters[name]) & set(letters[best])}
    assert said.startswith(f"Lowest mean MSE: {best}.")
    assert listed_after(said, "Distinguished from it: ") == apart
    candidates = listed_after(outcome.verdict, r"rows: \d: ")
    assert listed_after(said, "May be the best: ") == candidates


# -- answers at the edge -----------------------------------------------------------------------------------


def test_a_fusion_that_beats_the_references_and_not_the_mean_is_no_help(tmp_path):
    levels = {"memf": 1.02, "concat": 1.4, "ridge": 1.3, "boosted-trees": 1.4, FLOOR: 1.0}
    it = stored(tmp_path, levels, wobble=0.4)
    assert it.headline.answer == "Not shown"
    assert f"less that of {FLOOR} is" in it.headline.reason
    assert it.headline.entries[1].name == FLOOR


def test_what_wins_against_a_control_and_shares_a_letter_says_why(tmp_path):
    """Between what Dunnett's test of one question asks for and what all pairs do."""
    for step in np.arange(0.1, 0.3, 0.01):
        levels = {"memf": 0.6, **dict.fromkeys(("concat", "late", "mult"), 0.6 + step)}
        it = stored(tmp_path / f"{step:.2f}", levels | dict.fromkeys(REFERENCES, 0.6 + step), wobble=0.35)
        if it.headline.answer == "Yes":
            break
    letters = it.table["letters"]
    shares = bool(set(letters["memf"]) & set(letters[it.best(REFERENCES)]))
    assert shares, "the first step that is found is found by the easier test alone"
    assert it.headline.reason.endswith(
        "Letters compare all pairs of rows, which asks for more: these two share one."
    )
