"""The one place where Parquet files of others are opened."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from bench.data.untrusted import Unreadable, reading

MOST_CELLS = 500_000_000
MOST_PACKED = 100
"""A file of more than MOST_CELLS values, and this many of them in a byte, is refused: it fills all memory."""


def read_parquet(path: Path) -> pd.DataFrame:
    """A Parquet file as a table; a named index is a column that pandas set aside. Raises Unreadable."""
    with reading(path):
        footer = pq.read_metadata(path)
        groups = (footer.row_group(i) for i in range(footer.num_row_groups))
        cells = sum(group.column(j).num_values for group in groups for j in range(group.num_columns))
        if cells > max(MOST_CELLS, MOST_PACKED * path.stat().st_size):
            raise Unreadable(f"it would unpack to {cells:,} values")
        table = pd.read_parquet(path)
        table = table.reset_index(drop=not any(name is not None for name in table.index.names))
        return table.set_axis([str(name) for name in table.columns], axis=1)
