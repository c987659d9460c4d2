"""What an audit finds, and how it is shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

Verdict = Literal["contradicted", "partly", "typographical", "undecided", "holds"]
VERDICTS: dict[Verdict, str] = {
    "contradicted": "no unrounded values make the printed digits agree",
    "partly": "holds for some metrics, groups or assumptions, not for others",
    "typographical": "a slip of the pen; the value or name that is meant is clear",
    "undecided": "what is printed does not decide it",
    "holds": "agrees within rounding",
}
"""Verdict -> what it says, worst first."""


@dataclass(frozen=True)
class Finding:
    """One thing that was checked.

    Attributes:
        claim: what the paper says, in its words where it is a quotation.
        where: section or table, and row.
        printed: what stands there.
        recomputed: what the tables give.
        comment: why, where verdict and numbers do not say it.
    """

    claim: str
    where: str
    printed: str
    recomputed: str
    verdict: Verdict
    comment: str = ""


def overall(parts: Iterable[bool]) -> Verdict:
    """Holds if all parts do, contradicted if none does, else partly."""
    parts = list(parts)
    if all(parts):
        return "holds"
    return "partly" if any(parts) else "contradicted"


def as_table(findings: list[Finding]) -> pd.DataFrame:
    """One row per finding, the worst verdicts first, else in the order of the checks."""
    worst_first = sorted(findings, key=lambda finding: list(VERDICTS).index(finding.verdict))
    return pd.DataFrame([asdict(finding) for finding in worst_first], columns=list(Finding.__annotations__))


def render(findings: list[Finding], paper: str = "the paper") -> str:
    """The findings as Markdown: how many of each verdict, then one table."""
    table = as_table(findings)
    counts = table["verdict"].value_counts()
    cells = table.map(lambda text: str(text).replace("|", "\\|").replace("\n", " "))
    lines = [
        f"# Audit of the numbers printed in {paper}",
        "",
        *(f"- {counts.get(verdict, 0)} {verdict}: {meaning}" for verdict, meaning in VERDICTS.items()),
        "",
        "| " + " | ".join(cells.columns) + " |",
        "|" + "---|" * cells.shape[1],
        *("| " + " | ".join(row) + " |" for row in cells.itertuples(index=False)),
        "",
    ]
    return "\n".join(lines)


def write_findings(findings: list[Finding], out: Path, paper: str = "the paper") -> list[Path]:
    """Write ``tables/audit.md`` and ``tables/audit.csv`` under `out`; the paths."""
    folder = out / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    markdown, csv = folder / "audit.md", folder / "audit.csv"
    markdown.write_text(render(findings, paper), encoding="utf-8")
    as_table(findings).to_csv(csv, index=False)
    return [markdown, csv]
