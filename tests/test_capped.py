"""Rows whose training ended at the most epochs allowed: counted in the CSV, and a warning."""

import pytest
from workshop import Row, Workshop, rows_of

from bench.publish import read
from bench.report.warnings import collect


@pytest.mark.parametrize(("met", "warned"), [(0, False), (1, False), (2, True)])
def test_more_than_a_tenth_of_runs_at_the_cap_is_a_warning(tmp_path, met, warned):
    workshop = Workshop(tmp_path, seeds=10)
    plan = workshop.plan("fusion", [Row("memf", 0.5), Row("ridge", 0.6, reference=True)])
    cap = workshop.store.spec(plan.rows[0].runs[0]).training.epochs
    for run in plan.rows[0].runs[:met]:
        workshop.measure(run, epochs=cap)
    assert rows_of(plan, workshop.store)["capped"].tolist() == [met / 10, 0]
    titles = [notice.title for notice in collect([read(plan, workshop.store).results])]
    assert any(title.startswith("Training cut short: 1 row met") for title in titles) == warned
