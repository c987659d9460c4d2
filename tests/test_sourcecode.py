"""What decides a number: which changes give a run another id, in a copy of the project's own source."""

import shutil
from pathlib import Path

import pytest

import fusions
from bench.methods.catalog import CORE, code_of, kind_of
from bench.sourcecode import OURS, Home, digest, plain

ROOT = Path(__file__).parents[1]
ENTITY = {"memf", "mean", "fc", "lstm", "cnn"}
"""They share memf's encoders of the entities."""
USES_BLOCKS = ENTITY | {
    n for n in fusions.names() if "fusions.blocks" in Path(fusions.get(n).file).read_text()
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """A copy of the source, which is read once; `changed` puts back what it changes."""
    folder = tmp_path_factory.mktemp("copy")
    for package in OURS:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def codes(root: Path) -> dict[str, str]:
    """Method -> the code that its runs have in a copy of the project."""
    home = Home(root, OURS)
    methods = {name: [kind_of(name).__module__, fusions.get(name).cls.__module__] for name in fusions.names()}
    methods["ridge"] = [kind_of("ridge").__module__]
    return {name: digest([home], [*CORE, *modules]) for name, modules in methods.items()}


def changed(root: Path, file: str, old: str, new: str) -> set[str]:
    """The methods whose code differs after a replacement in one file."""
    before, path = codes(root), root / file
    text = path.read_text(encoding="utf-8") if path.exists() else None
    assert old in (text or "")
    try:
        path.write_text((text or "").replace(old, new, 1), encoding="utf-8")
        after = codes(root)
    finally:
        path.unlink() if text is None else path.write_text(text, encoding="utf-8")
    return {name for name in before if before[name] != after[name]}


def test_the_copy_has_the_codes_of_the_project(copy):
    assert codes(copy) == {name: code_of(name) for name in (*fusions.names(), "ridge")}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("fusions/mfb.py", "", "# a comment\n"),
        ("bench/metrics.py", "", "# a comment\n"),
        ("bench/methods/train.py", "import numpy", "# a comment\n\nimport numpy"),
        ("bench/methods/train.py", '"""', '"""Other words. '),
        ("fusions/new.py", "", ""),
        ("bench/metrics.py", "BINS = 10", "BINS = 12"),
        ("bench/metrics.py", '@metric("Pearson"', '@metric("New", NUMBERS, "", SHARE)\n@metric("Pearson"'),
        ("bench/report/sheet.py", "DIGITS = 3", "DIGITS = 4"),
        ("bench/executors.py", "GLANCE = 0.5", "GLANCE = 0.6"),
        ("bench/tune.py", "RANDOM_TRIALS = 8", "RANDOM_TRIALS = 9"),
        ("bench/space.py", "0.5, 1, 1.5, 2", "0.5, 1, 2"),
        ("bench/match.py", "0.10", "0.05"),
        ("bench/observe/missing.py", "0.25", "0.3"),
        ("bench/experiments/missing.py", "0.3", "0.4"),
        ("fusions/testing.py", "def ", "def more() -> None: ...\n\n\ndef "),
    ],
)
def test_what_decides_no_number_changes_no_code(copy, file, old, new):
    assert changed(copy, file, old, new) == set()


def test_a_constant_of_a_fusion_concerns_it_alone(copy):
    assert changed(copy, "fusions/tfn.py", "", "CHANGED = 1\n") == {"tfn"}
    assert changed(copy, "fusions/memf.py", "", "CHANGED = 1\n") == ENTITY


def test_a_constant_of_the_blocks_concerns_exactly_those_that_use_them(copy):
    assert 1 < len(USES_BLOCKS) < len(fusions.names())
    assert changed(copy, "fusions/blocks.py", "4 * dim", "5 * dim") == USES_BLOCKS


def test_the_trainer_concerns_all_fusions_and_no_reference(copy):
    assert changed(copy, "bench/methods/train.py", "EVALUATION_BATCH = 256", "EVALUATION_BATCH = 255") == set(
        fusions.names()
    )


def test_references_concern_references_alone(copy):
    assert changed(copy, "bench/methods/references.py", "COMPONENTS = 32", "COMPONENTS = 31") == {"ridge"}


@pytest.mark.parametrize(
    "file", ["bench/data/splits.py", "bench/data/tables.py", "bench/features/store.py", "bench/seeds.py"]
)
def test_reading_splitting_and_batching_concern_all(copy, file):
    assert changed(copy, file, "", "CHANGED = 1\n") == set(codes(copy))


def test_comments_docstrings_and_layout_are_left_out():
    one = b'"""Doc."""\nX = 1\n"""What X is."""\n\ndef f(a, b):\n    "doc"\n    return a + b  # sum\n'
    two = b"X=1\ndef f(a,\n      b):\n\n    return (a + b)\n"
    assert plain(one) == plain(two) != plain(two.replace(b"X=1", b"X=2"))
    assert plain(b"not python (") == b"not python ("


def test_a_plugins_own_files_are_part_of_its_code_and_others_beside_it_are_not(tmp_path, monkeypatch):
    (tmp_path / "beside.py").write_text("SCALE = 2\n", encoding="utf-8")
    (tmp_path / "stranger.py").write_text("SCALE = 2\n", encoding="utf-8")
    (tmp_path / "mine_code.py").write_text(
        "import fusions\nfrom beside import SCALE\n\n"
        "@fusions.register('mine-code', paper='none')\nclass Mine(fusions.VectorFusion):\n"
        "    def fuse_vectors(self, vectors):\n        return fusions.Fused(SCALE * vectors.mean(1))\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    __import__("mine_code")
    first = code_of("mine-code")
    (tmp_path / "stranger.py").write_text("SCALE = 3\n", encoding="utf-8")
    (tmp_path / "beside.py").write_text("SCALE = 2  # two\n", encoding="utf-8")
    assert code_of("mine-code") == first
    (tmp_path / "beside.py").write_text("SCALE = 33\n", encoding="utf-8")
    assert code_of("mine-code") != first
