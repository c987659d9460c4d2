"""The audit of printed tables: what two numbers, or a number and a sentence, say of each other."""

from __future__ import annotations

import pandas as pd

from bench.paper.arithmetic import check_arithmetic, check_dataset
from bench.paper.claims import Claims
from bench.paper.finding import Finding
from bench.paper.repeats import check_repeats
from bench.paper.resolution import check_resolution
from bench.paper.table import Tables
from bench.paper.text import check_claim
from bench.paper.typography import check_typography
from bench.paper.unusual import check_unusual


def audit(tables: pd.DataFrame, claims: Claims) -> list[Finding]:
    """Check a paper's tables against themselves, its text and its data.

    Nothing here knows a paper: what is known of one is in `claims`.

    Args:
        tables: as `bench.paper.printed.read_tables` reads them.
        claims: as `bench.paper.claims.load_claims` reads them.

    Raises:
        UsageError: tables and claims do not fit each other; says which claim, table, row or metric.
    """
    printed, dataset = Tables(tables, claims.metrics), claims.dataset
    findings = [check_claim(claim, printed, claims) for claim in claims.claims]
    findings += check_arithmetic(printed, dataset)
    findings += check_repeats(printed, claims.repeats)
    findings += check_unusual(printed)
    findings += check_typography(printed, claims.names)
    if dataset is not None:
        findings += check_dataset(dataset)
        findings += check_resolution(printed, dataset, claims.proposed)
    return findings
