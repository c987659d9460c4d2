"""A section of a proposed description, and its text: every guess with its reason in a comment."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import Any

import tomlkit
from tomlkit.items import Table

from bench.errors import printable


@dataclass
class Section:
    """Fields, remarks that stand above them as comments, and of an entity the table with its rows."""

    fields: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    table: str = ""

    def add(self, modality: str, path: str, remark: str = "") -> None:
        """Add a column or path pattern to an entity."""
        self.fields.setdefault(modality, []).append(path)
        self.remarks += [remark] if remark else []

    def toml(self) -> Table:
        """It as TOML."""
        table = tomlkit.table()
        for remark in self.remarks:
            for line in textwrap.wrap(printable(remark), 100, subsequent_indent="  "):
                table.add(tomlkit.comment(line))
        table.update(self.fields)
        return table
