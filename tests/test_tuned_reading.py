"""What is read of tuned runs: gains and flips."""

from workshop import Row, Workshop

from bench.experiments.fusion_tuned import flips, gains, order
from bench.publish import read


def test_gains_and_flips_are_those_of_the_runs(tmp_path):
    workshop = Workshop(tmp_path, seeds=8)
    rows = [("mfb", 0.6, 0.2), ("tfn", 0.5, 0.4), ("gmu", 0.9, 0.95)]
    plan = workshop.plan(
        "fusion-tuned",
        [
            Row(m, noise, variant)
            for m, *both in rows
            for noise, variant in zip(both, ("", "tuned"), strict=True)
        ],
        split="random",
    )
    results = read(plan, workshop.store).results
    table = gains(results).set_index("method")
    assert (table["gain"] > 0).to_dict() == {"mfb": True, "tfn": True, "gmu": False}
    assert (table["gain_low"] < table["gain"]).all()
    assert list(flips(results)[["one", "other"]].itertuples(index=False, name=None)) == [("mfb", "tfn")]
    assert order(results).endswith("Kendall's tau 0.33, 1 of 3 pairs flip.")
    assert "Tuning changes the MSE of mfb" in " ".join(read(plan, workshop.store).verdicts)


def test_where_no_method_gains_the_verdict_says_so(tmp_path):
    workshop = Workshop(tmp_path, seeds=8)
    rows = [Row(m, noise, variant) for m in ("mfb", "tfn") for noise, variant in ((0.4, ""), (0.42, "tuned"))]
    plan = workshop.plan("fusion-tuned", rows, split="random")
    said = " ".join(read(plan, workshop.store).verdicts)
    assert "all means are worse, least so " in said
    assert "mean gain" not in said
