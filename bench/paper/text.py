"""The text's claims against the tables: numbers, changes, ranks, orders, effects."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from bench.errors import UsageError, did_you_mean
from bench.paper.claims import (
    ChangeClaim,
    Claim,
    Claims,
    EffectClaim,
    MemberClaim,
    OrderClaim,
    RankClaim,
    RowRef,
    ShareClaim,
    SumClaim,
    UnprintedClaim,
    ValueClaim,
)
from bench.paper.finding import Finding, Verdict, overall
from bench.paper.numbers import Interval, Printed, parse
from bench.paper.resolution import CORRELATIONS, STANDARD_ERRORS, gap
from bench.paper.table import Row, Tables

NEAR = 1e-9
"""Differences of decimal fractions below this are equal numbers."""


def check_claim(claim: Claim, tables: Tables, claims: Claims) -> Finding:
    """One claim of the text.

    Raises:
        UsageError: the claim names a table, row, metric or fact that is not there; the message quotes it.
    """
    checks: dict[type, Callable[[Any], Finding]] = {
        ValueClaim: partial(_value, tables=tables, claims=claims),
        ChangeClaim: partial(_change, tables=tables),
        RankClaim: partial(_rank, tables=tables),
        EffectClaim: partial(_effect, tables=tables, claims=claims),
        OrderClaim: partial(_order, tables=tables),
        SumClaim: _sum,
        ShareClaim: _share,
        MemberClaim: _member,
        UnprintedClaim: _unprinted,
    }
    try:
        return checks[type(claim)](claim)
    except UsageError as error:
        raise UsageError(f"claim {claim.quote!r} ({claim.where}): {error}") from None


def _value(claim: ValueClaim, tables: Tables, claims: Claims) -> Finding:
    if claim.row is not None and claim.metric is not None:
        row = tables.find(claim.row)
        source, where = tables.cell(row, claim.metric).text, f"{row.where}, {claim.metric}"
    else:
        fact = claims.facts.get(claim.fact or "")
        if fact is None:
            raise UsageError(f"no fact {claim.fact!r}; {did_you_mean(claim.fact or '', claims.facts)}")
        source, where = fact.printed, fact.where
    said, cell = parse(claim.printed), parse(source)
    same = claim.printed == source
    if said is not None and cell is not None:
        same = said.interval.overlaps(cell.interval.scaled(claim.scale))
    verdict: Verdict = "holds" if same else ("typographical" if claim.typographical else "contradicted")
    comment = f"From {where}."
    if not same and said is not None and claim.fact is None:
        comment += f" {claim.printed} is {_places(said, claim.scale, tables)}."
    return Finding(claim.quote, claim.where, claim.printed, source, verdict, comment)


def _places(said: Printed, scale: float, tables: Tables) -> str:
    found = [
        f"{row.where}, {metric}"
        for row in tables.rows
        for metric, cell in row.cells.items()
        if cell is not None and abs(said.value - cell.value * scale) < NEAR
    ]
    return "in " + "; ".join(found) if found else "nowhere in the tables"


def _change(claim: ChangeClaim, tables: Tables) -> Finding:
    row, rival = tables.find(claim.row), claim.against
    peers = [peer for peer in tables.groups[row.table, row.group] if peer is not row]
    if rival == "second-best":
        other = tables.ranked(peers, claim.metric)[0]
    else:
        other = tables.find(RowRef(table=row.table, group=row.group, row=rival))
    new, old = tables.cell(row, claim.metric), tables.cell(other, claim.metric)
    if old.low <= 0 or new.low <= 0:
        raise UsageError(f"{claim.metric} must be positive to change by per cent.")
    ratio = new.interval.over(old.interval)
    sign = 1 if tables.metrics[claim.metric].better == "higher" else -1
    ends = sorted(sign * 100 * (r - 1) for r in (ratio.low, ratio.high))
    said = parse(claim.printed)
    holds = said is not None and said.interval.meets(Interval(ends[0], ends[1]))
    exact = sign * 100 * (new.value / old.value - 1)
    return Finding(
        claim.quote,
        claim.where,
        f"{claim.printed} % ({claim.metric})",
        f"{exact:.2f} % ({ends[0]:.2f} to {ends[1]:.2f})",
        "holds" if holds else "contradicted",
        f"{row.name} {new.text} against {other.name} {old.text}.",
    )


def _metrics(named: list[str] | None, tables: Tables) -> list[str]:
    for metric in named or []:
        if metric not in tables.metrics:
            raise UsageError(f"no metric {metric!r}; {did_you_mean(metric, tables.metrics)}")
    return named or list(tables.metrics)


def _rank(claim: RankClaim, tables: Tables) -> Finding:
    holds, exceptions = [], []
    for table in claim.tables:
        groups = {row.group: tables.groups[row.table, row.group] for row in tables.at(table)}
        for group, rows in groups.items():
            named = tables.find(RowRef(table=table, group=group, row=claim.row))
            for metric in _metrics(claim.metrics, tables):
                own = tables.goodness(named, metric)
                others = [tables.goodness(row, metric) for row in rows if row is not named]
                rank, ties = 1 + sum(x > own + NEAR for x in others), sum(abs(x - own) < NEAR for x in others)
                holds.append(rank == claim.rank and not ties)
                if not holds[-1]:
                    tied = " (tied)" if ties else ""
                    exceptions.append(f"{metric} in Table {table}, {group}: rank {rank} of {len(rows)}{tied}")
    said = f"{claim.row}: rank {claim.rank} in Table {', '.join(claim.tables)}"
    found = f"rank {claim.rank} in {sum(holds)} of {len(holds)} comparisons"
    comment = f"Not: {'; '.join(exceptions)}." if exceptions else ""
    return Finding(claim.quote, claim.where, said, found, overall(holds), comment)


def _order(claim: OrderClaim, tables: Tables) -> Finding:
    than = tables.find(claim.than)
    refs = [RowRef(table=than.table, group=than.group, row=name) for name in claim.better]
    holds, exceptions = [], []
    for row in map(tables.find, refs):
        for metric in _metrics(claim.metrics, tables):
            holds.append(tables.goodness(row, metric) > tables.goodness(than, metric) + NEAR)
            if not holds[-1]:
                numbers = f"{tables.cell(row, metric).text} against {tables.cell(than, metric).text}"
                exceptions.append(f"{row.name} by {metric} ({numbers})")
    said = f"{', '.join(claim.better)} better than {than.name}"
    found = f"better in {sum(holds)} of {len(holds)} comparisons"
    comment = f"Not: {'; '.join(exceptions)}." if exceptions else ""
    return Finding(claim.quote, claim.where, said, found, overall(holds), comment)


def _effect(claim: EffectClaim, tables: Tables, claims: Claims) -> Finding:
    named = tables.find(claim.row)
    baseline = tables.find(RowRef(table=named.table, group=named.group, row=claim.baseline))
    peers = [row for row in tables.groups[named.table, named.group] if row is not baseline]
    for name in claim.among or []:
        tables.find(RowRef(table=named.table, group=named.group, row=name))
    rows = [row for row in peers if claim.among is None or row.name in claim.among]
    if named not in rows:
        raise UsageError(f"{named.name} is not one of the rows to compare.")
    holds, words = [], []
    rivals: list[Row] = []
    for metric in _metrics(claim.metrics, tables):
        harm = {row.name: _harm(row, baseline, metric, tables) for row in rows}
        extreme = max(harm.values()) if claim.extreme == "largest" else min(harm.values())
        most = [row for row in rows if abs(harm[row.name] - extreme) < NEAR]
        holds.append(most == [named])
        words.append(f"{metric}: {' = '.join(row.name for row in most)} ({extreme:+.4f})")
        rivals += [row for row in most if row is not named]
    comment = f"{sum(holds)} of {len(holds)} metrics. Of {', '.join(row.name for row in rows)}."
    if rivals and claims.dataset is not None:
        comment += _resolvable(named, rivals[0], claims.dataset.tested.size)
    said = f"{claim.extreme} effect: {named.name}"
    return Finding(claim.quote, claim.where, said, "; ".join(words), overall(holds), comment)


def _harm(row: Row, baseline: Row, metric: str, tables: Tables) -> float:
    """By how much leaving something out makes the metric worse."""
    return tables.goodness(baseline, metric) - tables.goodness(row, metric)


def _resolvable(a: Row, b: Row, n: int) -> str:
    found = gap(a, b, "mse", n)
    if found is None:
        return ""
    difference, errors = found
    needed = f"{STANDARD_ERRORS * min(errors):.3f} to {STANDARD_ERRORS * max(errors):.3f}"
    return (
        f" {a.name} and {b.name} differ by {difference:.4f} in MSE; {n} samples tell {needed} apart "
        f"(errors correlated by {CORRELATIONS[-1]:g} to {CORRELATIONS[0]:g})."
    )


def _sum(claim: SumClaim) -> Finding:
    total = sum(float(term) for term in claim.terms)
    holds = abs(total - float(claim.printed)) < NEAR
    verdict: Verdict = "holds" if holds else "contradicted"
    return Finding(claim.quote, claim.where, claim.printed, f"{total:g} = {' + '.join(claim.terms)}", verdict)


def _share(claim: ShareClaim) -> Finding:
    percent, said = 100 * float(claim.part) / float(claim.whole), parse(claim.printed)
    holds = said is not None and said.interval.meets(Interval(percent, percent))
    found = f"{percent:.2f} % = {claim.part} of {claim.whole}"
    return Finding(
        claim.quote, claim.where, f"{claim.printed} %", found, "holds" if holds else "contradicted"
    )


def _member(claim: MemberClaim) -> Finding:
    verdict: Verdict = "holds" if claim.printed in claim.among else "contradicted"
    return Finding(claim.quote, claim.where, claim.printed, f"one of {', '.join(claim.among)}", verdict)


def _unprinted(claim: UnprintedClaim) -> Finding:
    return Finding(claim.quote, claim.where, "", "", "undecided", claim.reason)
