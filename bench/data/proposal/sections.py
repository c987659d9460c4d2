"""The sections of a proposed description, and their text: every guess with its reason in a comment."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import tomlkit
from tomlkit.items import Table

from bench.data.schema import MODALITIES
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

    @property
    def learns(self) -> bool:
        """Whether an entity has something to learn from."""
        return not self.fields.keys().isdisjoint((*MODALITIES, "features"))

    def toml(self) -> Table:
        """It as TOML."""
        table = tomlkit.table()
        for remark in self.remarks:
            for line in textwrap.wrap(printable(remark), 100, subsequent_indent="  "):
                table.add(tomlkit.comment(line))
        table.update(self.fields)
        return table


def write(head: Section, target: Section, samples: Section, entities: Mapping[str, Section]) -> str:
    """The whole description."""
    text, tables = head.toml(), tomlkit.table(is_super_table=True)
    tables.update({name: entity.toml() for name, entity in entities.items()})
    text.update({"target": target.toml(), "samples": samples.toml(), "entities": tables})
    return text.as_string()
