"""What decides a number, in source: the modules that a run really uses, found by following imports.

A run's id has the source of all modules that are reached from the method's own module and from those that
read, split, batch, train and predict, without comments, docstrings and layout. A new fusion, a report or a
metric is reached from none of them, and never repeats a run; a changed loss is, and does.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import bench

READING = ("bench.data.dataset",)
"""Where the code begins that reads data."""
OURS = frozenset({"bench", "fusions"})
"""The packages that are followed. Encoders are not: features have fingerprints of their own."""


class Home(NamedTuple):
    """A folder that modules are looked for in, and the names at its top that belong to whom we ask about."""

    root: Path
    tops: frozenset[str]

    def file(self, module: str) -> Path | None:
        """The file of a module, where it is one of ours."""
        if module.partition(".")[0] not in self.tops:
            return None
        path = self.root.joinpath(*module.split("."))
        return next((f for f in (path / "__init__.py", path.with_suffix(".py")) if f.is_file()), None)


PROJECT = Home(Path(str(bench.__file__)).parent.parent, OURS)


def digest(homes: Sequence[Home], modules: Iterable[str], own: bytes = b"") -> str:
    """16 hexadecimal digits of all that is reached from some modules, and of source that is at hand."""
    total = hashlib.sha256(own)
    for name, text in sorted(reached(homes, modules).items()):
        total.update(f"{name}\0{text}\0".encode())
    return total.hexdigest()[:16]


def reached(homes: Sequence[Home], modules: Iterable[str]) -> dict[str, str]:
    """The modules reached by imports from some, themselves among them: name -> source as it counts."""
    found: dict[str, str] = {}
    todo = list(modules)
    seen = set(todo)
    while todo:
        name = todo.pop()
        path = next((path for home in homes if (path := home.file(name))), None)
        if path is None:
            continue
        found[name], imported = _read(path, name, path.name == "__init__.py", path.stat().st_mtime_ns)
        todo += imported - seen
        seen |= imported
    return found


def home_of(cls: type, file: str) -> tuple[Home, str]:
    """Where another's modules lie, its package or the folder of a file, and what its own is called there."""
    path, module = Path(file).resolve(), cls.__module__
    if (path.parent / "__init__.py").is_file() and "." in module:
        return Home(path.parents[module.count(".")], frozenset({module.partition(".")[0]})), module
    beside = {p.stem for p in path.parent.glob("*.py")}
    beside |= {p.parent.name for p in path.parent.glob("*/__init__.py")}
    return Home(path.parent, frozenset(beside) - OURS - {path.stem}), path.stem


def plain(source: bytes) -> bytes:
    """Source without comments, docstrings and layout; what is no Python source stays as it is."""
    try:
        return _without_docstrings(ast.parse(source)).encode()
    except (SyntaxError, ValueError):
        return source


@cache
def _read(path: Path, name: str, package: bool, changed: int) -> tuple[str, frozenset[str]]:
    tree = ast.parse(path.read_bytes())
    imported = frozenset(imports(tree, name, package=package))
    return _without_docstrings(tree), imported


def imports(tree: ast.AST, module: str, *, package: bool) -> Iterator[str]:
    """The names that may be modules in the imports of a module, those within functions too."""
    for node in _executed(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_parents(alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                steps = module.split(".")[: len(module.split(".")) - node.level + package]
                base = ".".join([*steps, *([node.module] if node.module else [])])
            yield from _with_parents(base)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only type checkers see."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING")):
            yield from _executed(child)


def _with_parents(module: str) -> list[str]:
    """A module and the packages that it is in, which are imported before it."""
    steps = module.split(".")
    return [".".join(steps[: n + 1]) for n in range(len(steps))]


def _without_docstrings(tree: ast.AST) -> str:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            # also the strings below fields, which describe them
            kept = [part for part in node.body if not _is_text(part)]
            node.body = kept or [ast.Pass()]
    return ast.unparse(tree)


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
