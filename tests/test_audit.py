"""The audit of printed numbers: what it must find in the MEMF paper, what it must not, and other papers."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.errors import UsageError
from bench.paper.audit import audit
from bench.paper.claims import Claims, load_claims
from bench.paper.finding import VERDICTS, Finding, render, write_findings
from bench.paper.numbers import Interval, parse
from bench.paper.printed import printed, read_tables
from bench.paper.resolution import mse_standard_error
from bench.paper.target import Target

METRICS = ("MAE", "MSE", "MAPE", "R2_score", "EVS")


@pytest.fixture(scope="module")
def claims() -> Claims:
    return load_claims()


@pytest.fixture(scope="module")
def findings(claims: Claims) -> list[Finding]:
    return audit(read_tables(), claims)


def only(findings: list[Finding], words: str, where: str = "") -> Finding:
    found = [f for f in findings if words in f.claim and f.where.startswith(where)]
    assert len(found) == 1, [f.claim for f in found]
    return found[0]


def verdicts(findings: list[Finding], verdict: str) -> set[tuple[str, str]]:
    return {(f.where, f.printed) for f in findings if f.verdict == verdict}


# -- the MEMF paper


def test_contradictions_are_these_and_no_others(findings: list[Finding]) -> None:
    assert verdicts(findings, "contradicted") == {
        ("4.4.1", "0.7653"),
        ("4.4.5, Table 9", "9.7 % (MSE)"),
        ("4.4.2", "768"),
    }


def test_r2_of_the_text_is_not_that_of_the_table(findings: list[Finding]) -> None:
    found = only(findings, "R2_score value of 0.7653")
    assert (found.verdict, found.recomputed) == ("contradicted", "0.7631")
    assert "nowhere in the tables" in found.comment


@pytest.mark.parametrize(
    ("metric", "said", "verdict", "exact"),
    [
        ("MAE", "3.4 %", "holds", "3.38 %"),
        ("MSE", "9.7 %", "contradicted", "9.60 %"),
        ("MAPE", "1.4 %", "holds", "1.38 %"),
        ("R2_score", "3.4 %", "holds", "3.42 %"),
        ("EVS", "1.8 %", "holds", "1.76 %"),
    ],
)
def test_changes(findings: list[Finding], metric: str, said: str, verdict: str, exact: str) -> None:
    found = next(f for f in findings if f.printed == f"{said} ({metric})")
    assert found.verdict == verdict
    assert found.recomputed.startswith(exact)
    assert "VTFSA" in found.comment


def test_commodity_matters_most_by_mae_only(findings: list[Finding]) -> None:
    found = only(findings, "commodity information is the main factor")
    assert found.verdict == "partly"
    assert found.recomputed.split("; ") == [
        "MAE: Commodity (+0.0852)",
        "MSE: Anchor (+0.1290)",
        "MAPE: Anchor = Commodity (+0.0170)",
        "R2_score: Anchor (+0.1097)",
        "EVS: Streaming room (+0.0868)",
    ]
    assert "1 of 5 metrics" in found.comment


def test_partly_true_sentences_are_these(findings: list[Finding]) -> None:
    sentences = {f.where for f in findings if f.verdict == "partly" and not f.claim.endswith("beyond chance")}
    assert sentences == {
        "1",
        "4.4.2, Table 7",
        "4.4.4, Table 8",
        "4.4.6, Table 10",
        "4.5; again in 5",
        "4.5, of Table 8",
    }
    assert (
        "MAPE in Table 10, Resnet101: rank 3 of 3" in only(findings, "under different feature extr").comment
    )
    assert "FC by MSE (0.3505 against 0.3425)" in only(findings, "the Mean model cannot").comment


def test_slips_of_the_pen_are_these_and_no_others(findings: list[Finding]) -> None:
    slips = {(f.printed, f.recomputed) for f in findings if f.verdict == "typographical"}
    assert slips == {
        ("MHB", "MFH, which has no row"),
        ("Muti-Entity Transformer", "Multi-Entity Transformer, which has no row"),
        ("0.37811", "0.3781"),
        ("0.76544", "0.7654"),
        ("07131", "0.7131"),
        ("5", "6"),
        ("printed with R2_score shifted into the header line", ""),
    }


def test_the_tables_agree_with_table_5(findings: list[Finding]) -> None:
    found = only(findings, "R2 = 1 - MSE / sd^2")
    assert (found.verdict, found.printed) == ("holds", "sd 1.0846")
    assert "divisor n;" in found.comment


def test_the_lead_is_about_one_standard_error(findings: list[Finding]) -> None:
    found = only(findings, "MEMF predicts better than VTFSA")
    assert found.verdict == "undecided"
    assert found.recomputed.startswith("1.0 standard errors of a single MSE")
    assert "one run per row" in found.comment


def test_standard_errors_are_those_of_simulated_errors() -> None:
    rng = np.random.default_rng(0)
    mse = (rng.normal(size=(4000, 184)) ** 2).mean(axis=1)
    assert mse.std() == pytest.approx(mse_standard_error(1.0, 184), rel=0.05)


def test_floats_are_audited_like_their_text(claims: Claims, findings: list[Finding]) -> None:
    assert audit(printed(), claims) == findings


# -- altered digits


def contradictions(tables: pd.DataFrame, claims: Claims) -> Counter[tuple[str, str]]:
    return Counter((f.claim, f.where) for f in audit(tables, claims) if f.verdict == "contradicted")


def altered(i: int, metric: str, place: int, digit: str) -> pd.DataFrame:
    tables = read_tables()
    text = tables.loc[i, metric]
    tables.loc[i, metric] = f"{text[:place]}{digit}{text[place + 1 :]}"
    return tables


@pytest.mark.parametrize("metric", ["MSE", "R2_score"])
def test_an_altered_digit_is_caught(claims: Claims, metric: str) -> None:
    """Any digit but the last, in any row: a sample of digits, every row and place."""
    usual, texts = contradictions(read_tables(), claims), read_tables()[metric]
    rng = np.random.default_rng(0)
    for i, text in enumerate(texts):
        place = int(rng.choice([0, 2, 3, 4]))
        digit = str(rng.choice([d for d in "0123456789" if d != text[place]]))
        assert contradictions(altered(i, metric, place, digit), claims) - usual, (i, text, place, digit)


def test_an_altered_last_digit_is_caught_beyond_rounding(claims: Claims) -> None:
    usual, texts = contradictions(read_tables(), claims), read_tables()["R2_score"]
    for i, text in enumerate(texts):
        digit = str((int(text[-1]) + 5) % 10)
        assert contradictions(altered(i, "R2_score", len(text) - 1, digit), claims) - usual, (i, text)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("row", [4, 14, 15, 31])
def test_any_altered_digit_of_a_repeated_row_is_caught(claims: Claims, metric: str, row: int) -> None:
    usual, text = contradictions(read_tables(), claims), read_tables().loc[row, metric]
    last = str((int(text[-1]) + 1) % 10)
    assert contradictions(altered(row, metric, len(text) - 1, last), claims) - usual


@pytest.mark.parametrize(("metric", "digit"), [("MAE", "9"), ("MAPE", "3"), ("EVS", "1")])
def test_the_first_decimal_is_caught_where_no_row_repeats(claims: Claims, metric: str, digit: str) -> None:
    found = contradictions(altered(11, metric, 2, digit), claims)
    assert found - contradictions(read_tables(), claims)


def test_an_unusual_row_is_pointed_at(claims: Claims) -> None:
    found = audit(altered(11, "MAPE", 3, "3"), claims)
    assert any(
        f.verdict != "holds" and "Table 9, fusion, MFB" in f.where and "MAPE" in f.claim for f in found
    )


# -- numbers and bounds


def test_printed_numbers() -> None:
    number = parse("07131")
    assert number is not None
    assert (number.value, number.decimals, number.lost_point) == (0.7131, 4, True)
    assert parse("–") is None
    assert parse("0.7250").interval.low == pytest.approx(0.72495)
    assert not Interval(0.71, 0.72).overlaps(Interval(0.72, 0.73))
    assert Interval(0.71, 0.72).meets(Interval(0.72, 0.73))


def test_mape_bounds_hold_for_any_errors() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        y = rng.uniform(1.2, 9.0, 184)
        e = np.abs(rng.standard_t(3, 184)) * rng.choice([y**-3, y**0, y**3])
        mae, mse, mape = e.mean(), (e**2).mean(), (e / y).mean()
        bounds = Target(y.min(), y.max(), y.mean(), y.std()).mape(Interval(mae, mae), Interval(mse, mse))
        assert bounds.low <= mape <= bounds.high


# -- output


def test_output_lists_the_worst_first(findings: list[Finding], tmp_path: Path) -> None:
    markdown, csv = write_findings(findings, tmp_path, "a paper")
    table = pd.read_csv(csv, keep_default_na=False)
    assert len(table) == len(findings)
    order = [list(VERDICTS).index(v) for v in table["verdict"]]
    assert order == sorted(order)
    assert {"claim", "where", "printed", "recomputed", "verdict"} <= set(table)
    assert "3 contradicted" in markdown.read_text(encoding="utf-8")
    assert "| R \\| S |" in render([Finding("R | S", "", "", "", "holds")])


# -- another paper

OTHER_TABLES = """table,group,row,rmse,accuracy
A,small,ours,,0.91
A,small,theirs,,0.88
A,large,ours,,0.85
A,large,theirs,,0.85
"""
OTHER_CLAIMS = """
paper = "another"
metrics = { accuracy = { role = "other", better = "higher" } }
[[claims]]
kind = "rank"
quote = "ours is best everywhere"
where = "5"
tables = ["A"]
row = "ours"
[[claims]]
kind = "change"
quote = "3.4 % better"
where = "5"
printed = "3.4"
row = { table = "A", group = "small", row = "ours" }
metric = "accuracy"
"""


def other(folder: Path, tables: str = OTHER_TABLES, claims: str = OTHER_CLAIMS) -> list[Finding]:
    (folder / "t.csv").write_text(tables, encoding="utf-8")
    (folder / "c.toml").write_text(claims, encoding="utf-8")
    return audit(read_tables(folder / "t.csv"), load_claims(folder / "c.toml"))


def test_another_papers_tables(tmp_path: Path) -> None:
    rank, change, *rest = other(tmp_path)
    assert (rank.verdict, change.verdict) == ("partly", "holds")
    assert "rank 1 of 2 (tied)" in rank.comment
    assert {f.verdict for f in rest} == {"holds"}


def test_another_paper_with_a_wrong_r2(tmp_path: Path) -> None:
    tables = "table,group,row,err,fit\n" + "".join(
        f"1,g,{name},{mse:.3f},{1 - mse / 4:.3f}\n" for name, mse in [("a", 1.0), ("b", 1.5), ("c", 2.0)]
    )
    claims = """
metrics = { err = { role = "mse", better = "lower" }, fit = { role = "r2", better = "higher" } }
[dataset]
where = "Table 0"
target = "y"
tested_on = "test"
parts = [{ name = "test", size = 50, min = "-5.0", max = "6.0", mean = "0.1", sd = "2.00" }]
"""
    assert not verdicts(other(tmp_path, tables, claims), "contradicted")
    wrong = other(tmp_path, tables.replace("0.625", "0.652"), claims)
    assert verdicts(wrong, "contradicted") == {("Table 1, g, b", "MSE 1.500, R2 0.652")}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('kind = "rank"', 'kind = "ranks"', r"claims\.0.*'ranks'"),
        ('printed = "3.4"', "printed = 3.4", r"claims\.1\.change\.printed"),
        ('row = "ours"\n', 'row = "our"\n', r"claim 'ours is best everywhere' \(5\).*did you mean 'ours'"),
        ('metric = "accuracy"', 'metric = "acuracy"', "no metric 'acuracy'; did you mean 'accuracy'"),
        ('tables = ["A"]', 'tables = ["B"]', "no table 'B'"),
        ('group = "small", ', "", "2 rows 'ours': name the group"),
        ("[[claims]]", "[[claims", "not valid TOML"),
        ("metrics = {", "metrics = { loss = { role = 'mse', better = 'lower' },", "no column 'loss'"),
    ],
)
def test_a_malformed_claims_file_is_plain_errors(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        other(tmp_path, claims=OTHER_CLAIMS.replace(old, new))


def test_unreadable_files_are_plain_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file"):
        load_claims(tmp_path / "none.toml")
    with pytest.raises(UsageError, match="no file"):
        read_tables(tmp_path / "none.csv")
    (tmp_path / "t.csv").write_text("group,row,accuracy\nsmall,ours,0.9\n", encoding="utf-8")
    with pytest.raises(UsageError, match="lacks the column table"):
        read_tables(tmp_path / "t.csv")
