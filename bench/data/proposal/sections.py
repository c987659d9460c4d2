"""The sections of a proposed description, and their text: every guess with its reason in a comment."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import tomlkit
from tomlkit.items import Table

from bench.data.problems import Problem
from bench.data.schema import MODALITIES
from bench.errors import printable


@dataclass
class Section:
    """The table that a section is about, its fields, and remarks that stand above them as comments."""

    table: str
    fields: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def add(self, modality: str, path: str, remark: str = "") -> None:
        """Add a column or path pattern to an entity."""
        self.fields.setdefault(modality, []).append(path)
        self.remarks += [remark] if remark else []

    def leave_out(self, problem: Problem, samples: str) -> bool:
        """Take out what a problem is about, everything if that is the key; whether it was here."""
        place, before = (problem.file, problem.column), self.fields
        refers = [name for name in ("split", "time", "key") if (samples, before.get(name)) == place]
        self.fields = {} if "key" in refers else {k: v for k, v in before.items() if k not in refers}
        for name, value in self.fields.items():
            if isinstance(value, list) and problem.file == self.table:
                self.fields[name] = [column for column in value if column != problem.column]
            elif name == "features":
                self.fields[name] = {
                    m: a for m, a in value.items() if place != (a["file"], a.get("array", ""))
                }
        if self.fields == before:
            return False
        self.fields = {name: value for name, value in self.fields.items() if value}
        self.remarks.append(f"left out: {problem}")
        return True

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
