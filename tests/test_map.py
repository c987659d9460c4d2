"""The map in bench/__init__.py names every part of bench, and imports run down it."""

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import bench
from bench.sourcecode import imports

ROOT = Path(bench.__file__).parents[1]
MAP = str(bench.__doc__).partition("Files to touch")[0]
RANK = {name: rank for rank, name in enumerate(dict.fromkeys(re.findall(r"\b([a-z_]+)(?:\.py|/)", MAP)))}
"""Parts of bench, those at the top first."""


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


FILES = {
    module_of(path): path for top in ("bench", "encoders", "fusions") for path in (ROOT / top).rglob("*.py")
}


@pytest.fixture(scope="module")
def imported() -> dict[str, set[str]]:
    """Module -> modules of this project that it imports, within functions too, but for packages it is in."""
    found = {}
    for module, path in FILES.items():
        names = imports(ast.parse(path.read_bytes()), module, package=path.name == "__init__.py")
        found[module] = {n for n in names if n in FILES and not f"{module}.".startswith(f"{n}.")}
    return found


def part(module: str) -> str:
    return module.split(".")[1]


def test_the_map_names_every_part_of_bench_and_no_other():
    parts = {part(module) for module in FILES if module.startswith("bench.")} - {"__main__"}
    assert set(RANK) == parts


def test_imports_run_down_the_map(imported):
    upward = [
        (module, other)
        for module, others in imported.items()
        for other in others
        if module.startswith("bench.") and other.startswith("bench.") and part(module) != "__main__"
        if part(module) != part(other) and RANK[part(other)] < RANK[part(module)]
    ]
    assert upward == []


def test_no_imports_go_in_a_circle(imported):
    TopologicalSorter(imported).prepare()  # raises CycleError, which names the circle


def test_fusions_know_themselves_and_encoders_no_bench(imported):
    tops = {
        (m.partition(".")[0], other.partition(".")[0]) for m, others in imported.items() for other in others
    }
    assert not tops & {("fusions", "bench"), ("fusions", "encoders"), ("encoders", "bench")}


def test_no_file_is_longer_than_can_be_read_at_once():
    files = [*FILES.values(), *(ROOT / "tests").rglob("*.py")]
    assert [f.name for f in files if len(f.read_text(encoding="utf-8").splitlines()) > 400] == []
