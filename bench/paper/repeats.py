"""Rows that are one experiment, printed in several tables, must print the same numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from bench.paper.claims import Repeat
from bench.paper.finding import Finding
from bench.paper.table import Tables


def check_repeats(tables: Tables, repeats: list[Repeat]) -> Iterator[Finding]:
    """One finding for each repeated experiment and metric that differs, or one that all copies agree."""
    for repeat in repeats:
        rows = [tables.find(ref) for ref in repeat.rows]
        claim = f"the same numbers wherever printed: {repeat.what}"
        where = "; ".join(row.where for row in rows)
        sound = True
        for metric in tables.metrics:
            cells = {row.where: row.cells[metric] for row in rows}
            intervals = [cell.interval for cell in cells.values() if cell is not None]
            if all(x.overlaps(y) for x in intervals for y in intervals):
                continue
            sound = False
            texts = [cell.text for cell in cells.values() if cell is not None]
            usual, copies = Counter(texts).most_common(1)[0]
            odd = [f"{place}: {cell.text}" for place, cell in cells.items() if cell and cell.text != usual]
            comment = f"{copies} of {len(texts)} copies print {usual}."
            yield Finding(claim, where, f"{metric} at {'; '.join(odd)}", usual, "contradicted", comment)
        if sound:
            yield Finding(claim, where, f"{len(rows)} rows", "all metrics agree", "holds")
