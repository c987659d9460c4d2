"""Path patterns of a description: filled from rows, and the files that they stand for."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from bisect import bisect_left, bisect_right
from pathlib import Path, PurePosixPath

import pandas as pd

from bench.data.problems import Problem
from bench.data.reach import reachable
from bench.data.schema import SEPARATOR
from bench.data.tables import Tables

MOST_ENTRIES = 1_000_000
"""Files and folders that are listed for one pattern."""
MOST_COMPARED = 100_000_000
"""Names that are compared with one pattern filled from all rows, and files that it may stand for."""


class _TooLarge(Exception):
    """A pattern that looks at too much; says at what."""


def paths_of(tables: Tables, file: str, pattern: str) -> pd.Series:
    """The relative paths that a pattern stands for, indexed by row, of a row in the order of their names.

    Nothing for rows where a column that it names is empty. A pattern without ``*`` stands for one path
    whether it is there or not; so does one that no file can fit, which is then reported as any path.
    """
    filled = _filled(tables, file, pattern)
    if "*" not in pattern:
        return filled
    walk = _Walk(tables.root, tables.allow_links)
    try:
        found = {name: walk.files(name) for name in filled.unique()}
        lengths = [len(found[name]) for name in filled]
        if sum(lengths) > MOST_COMPARED:
            raise _TooLarge(f"stands for more than {MOST_COMPARED:,} files")
    except _TooLarge as error:
        fix = "name a folder per row, such as images/{id}/*.jpg, or list the files in a column"
        tables.report(Problem("too-large-pattern", f"the pattern {error}", fix, file, pattern))
        return filled[:0]
    paths = [path for name in filled for path in found[name]]
    # not yet texts: names of files need not be UTF-8
    return pd.Series(paths, index=filled.index.repeat(lengths), dtype=object)


def _filled(tables: Tables, file: str, pattern: str) -> pd.Series:
    filled = pd.Series("", index=tables.table(file).index, dtype="string")
    for text, column in re.findall(r"([^{]*)(?:{([^}]+)})?", pattern):
        filled = filled + text
        if column:
            cells = tables.column(file, column)
            filled = filled + (cells.map(glob.escape, na_action="ignore") if "*" in pattern else cells)
    return filled[filled.notna()]


class _Walk:
    """Finds the files that fit patterns; lists every folder once, follows no link on the way of a ``**``."""

    def __init__(self, root: Path, allow_links: tuple[Path, ...]) -> None:
        self.root, self.allow_links = root, allow_links
        self._listed: dict[str, tuple[list[str], list[str]]] = {}
        self._entries = self._compared = 0

    def files(self, pattern: str) -> list[str]:
        """The files that fit, relative to the root and sorted; a folder that leaves it in place of its files.

        Raises:
            _TooLarge: the limits are reached.
        """
        parts = PurePosixPath(pattern).parts
        odd = SEPARATOR in pattern or "\0" in pattern or Path(pattern).is_absolute() or ".." in parts
        if odd or any("**" in part and part != "**" for part in parts):
            return [pattern]  # reported as leaving the folder, or as a file that is not there
        found: set[str] = set()
        seen, todo = set(), [("", 0)]
        while todo:
            step = todo.pop()
            if step in seen:
                continue
            seen.add(step)
            folder, depth = step
            if not reachable(self.root, folder, self.allow_links):
                found.add(folder)
                continue
            part, last = parts[depth], depth == len(parts) - 1
            if part == "**":
                todo += [(os.path.join(folder, name), depth) for name in self._list(folder)[1]]
                todo += [] if last else [(folder, depth + 1)]
                continue
            paths = [os.path.join(folder, name) for name in self._fitting(folder, part)]
            fits = os.path.isfile if last else os.path.isdir
            paths = [path for path in paths if fits(self.root / path)]
            found.update(paths if last else ())
            todo += [] if last else [(path, depth + 1) for path in paths]
        return sorted(found)

    def _fitting(self, folder: str, part: str) -> list[str]:
        """The names in a folder that fit one part of a pattern."""
        wild = re.search(r"[*?\[]", part)
        if wild is None:
            self._count(1)
            return [part]
        names, prefix = self._list(folder)[0], part[: wild.start()]
        start = bisect_left(names, prefix)
        names = names[start : bisect_right(names, prefix, start, key=lambda name: name[: len(prefix)])]
        self._count(len(names))
        return fnmatch.filter(names, part)

    def _count(self, compared: int) -> None:
        self._compared += compared
        if self._compared > MOST_COMPARED:
            raise _TooLarge(f"compares more than {MOST_COMPARED:,} names")

    def _list(self, folder: str) -> tuple[list[str], list[str]]:
        """The sorted names in a folder, and those that are folders and no links."""
        if folder not in self._listed:
            names, folders = [], []
            try:
                with os.scandir(self.root / folder) as entries:
                    for entry in entries:
                        self._entries += 1
                        if self._entries > MOST_ENTRIES:
                            raise _TooLarge(f"looks at more than {MOST_ENTRIES:,} files and folders")
                        names.append(entry.name)
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(entry.name)
            except OSError:  # a folder that may not be listed has no files
                pass
            self._listed[folder] = sorted(names), folders
        return self._listed[folder]
