"""Paths, patterns, names and links of hostile and unlucky users: nothing outside the folder is read."""

import os
import tomllib
from pathlib import Path

import pandas as pd
import pytest
from hostile import IDS, PICTURE, SECRET, Break, N, bench, describe, features, problem, sound

from bench.data import patterns
from bench.data.catalog import load
from bench.data.checks import check
from bench.data.dataset import Dataset, read_dataset
from bench.data.proposal import propose
from bench.data.schema import Schema, read_schema
from bench.errors import DataError
from fusions import Source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return sound(tmp_path)


PLACES: dict[str, tuple[Break, str]] = {
    "a folder": (Path.mkdir, "is a folder"),
    "a pipe": (os.mkfifo, "is not a regular file"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), ""),
    "a link to nothing": (lambda path: path.symlink_to("nothing"), "is a link to nothing"),
    "a link in a circle": (lambda path: path.symlink_to(path.name), ""),
    "a link outside": (lambda path: path.symlink_to("../outside/secret.csv"), "--allow-links"),
}


@pytest.mark.parametrize("file", ["dataset.toml", "samples.csv", "f.npz"])
@pytest.mark.parametrize("name", PLACES)
def test_what_is_no_file_of_the_folder_is_never_opened(folder, name, file):
    breaks, says = PLACES[name]
    features(folder, "f.npz")
    (folder / file).unlink()
    breaks(folder / file)
    missing = {"dataset.toml": "no-description", "samples.csv": "missing-table", "f.npz": "missing-features"}
    kind = "path-leaves-folder" if name in ("a device", "a link outside") else missing[file]
    problem(folder, kind, file, says)
    ended = bench("check", folder)
    assert ended.exit_code == 1
    assert SECRET not in ended.output
    if file == "dataset.toml":
        assert bench("init", folder).exit_code == 2
        assert not (folder / "nothing").exists()


def test_files_that_may_not_be_read_are_told(folder, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "samples.csv")
    problem(folder, "missing-table", "samples.csv", "permission denied")


# -- paths -------------------------------------------------------------------------------------------------

PATTERNS = {
    "up": "../outside/{id}*.csv", "absolute": "/{id}*", "up in the middle": "img/../../outside/{id}*",
}  # fmt: skip


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_stays_in_the_folder(folder, name):
    describe(folder, own=f'image = ["{PATTERNS[name]}"]\nnumeric = ["a"]')
    problem(folder, "path-leaves-folder", "samples.csv", "--allow-links")


STRANGE_IDS = ("../outside/secret", "/etc/passwd", "..", "a/../../outside", "*", "[a", "x\0", "x" * 300)


@pytest.mark.parametrize("value", STRANGE_IDS)
def test_ids_are_no_paths_and_no_patterns(folder, value):
    table = pd.read_csv(folder / "samples.csv")
    table.loc[2, "id"] = value
    table.to_csv(folder / "samples.csv", index=False)
    (folder / "outside.csv").touch()
    for pattern in ("img/{id}.jpg", "img/{id}*.jpg", "img/{id}/*"):
        describe(folder, own=f'image = ["{pattern}"]\nnumeric = ["a"]')
        found = check(folder)
        expected = {"path-leaves-folder", "unusable-path", "missing-file", "unused-column"}
        assert {p.kind for p in found} <= expected | {"duplicate-over-parts", "empty-id"}
        dataset = Dataset(folder, read_schema(folder / "dataset.toml"), report=lambda p: None)
        for path in dataset.raw(Source("e", "image")).items:
            assert path.resolve().is_relative_to(folder.resolve())


WALKS = {"entries": ("MOST_ENTRIES", "**/{id}.jpg"), "names": ("MOST_COMPARED", "img/*{id}.jpg")}


@pytest.mark.parametrize("name", WALKS)
def test_a_pattern_over_a_large_tree_is_refused(folder, name, monkeypatch):
    limit, pattern = WALKS[name]
    describe(folder, own=f'image = ["{pattern}"]\nnumeric = ["a"]')
    assert len(read_dataset(folder).raw(Source("e", "image")).items) == N
    monkeypatch.setattr(patterns, limit, 20)
    told = [p for p in check(folder) if p.kind == "too-large-pattern"]
    assert [(p.file, p.column) for p in told] == [("samples.csv", pattern)]
    assert "more than 20" in str(told[0])


@pytest.mark.parametrize(
    "pattern",
    ["img/{id}*.jpg", "img/*{id}.jpg", "**/{id}*", "**/**/{id}.*", "*/{id}?jpg*", "i[m]g/*{id}.jpg",
     "./img/*{id}*", "img/**/{id}.jpg", "img/*/{id}*", "*/*/x{id}*", "img/[!a]{id}*"],
)  # fmt: skip
def test_patterns_find_what_pathlib_finds(folder, pattern):
    for name in (
        ".hidden/s1.jpg",
        "img/deep/s1.jpg",
        "img/deep/deeper/s2.png",
        "img/S3.jpg",
        "img/x/xs4.jpg",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "loop").symlink_to(folder)
    (folder / "img" / "up").symlink_to("..")
    walk = patterns._Walk(folder, ())
    for sample in IDS[:12]:
        filled = pattern.replace("{id}", sample)
        expected = sorted(str(p.relative_to(folder)) for p in folder.glob(filled) if p.is_file())
        assert walk.files(filled) == expected


def not_utf8(folder: Path, name: bytes) -> Path:
    path = os.path.join(os.fsencode(folder), name)
    try:
        with open(path, "wb") as file:
            file.write(PICTURE)
    except OSError:
        pytest.skip("this file system has names of UTF-8 only")
    return Path(os.fsdecode(path))


def test_media_whose_names_are_no_utf8_are_told(folder):
    not_utf8(folder, b"img/s1_\xff.jpg")
    describe(folder, own='image = ["img/{id}*.jpg"]\nnumeric = ["a"]')
    found = problem(folder, "unusable-path", "samples.csv", r"s1_\udcff.jpg")
    assert found.rows[0] in (3, 12)
    assert bench("check", folder).exit_code == 1


@pytest.mark.parametrize("name", [b"more\xff.csv", b"x\xfe.npz", b"img/p\xff.jpg"])
def test_a_proposal_names_what_is_no_utf8_and_is_utf8(folder, name):
    (folder / "dataset.toml").unlink()
    not_utf8(folder, name)
    assert "is not UTF-8; rename it" in propose(folder)
    assert bench("init", folder).exit_code == 0
    text = (folder / "dataset.toml").read_text(encoding="utf-8")
    assert r"\udcf" in text
    Schema.model_validate(tomllib.loads(text))


@pytest.mark.parametrize("name", ["[/x]", "[red]", "a\nb", "\x1b[31m", "{id}", "'\"", ":smile:"])
def test_a_folder_of_any_name_is_described_and_checked(folder, name):
    home = folder.rename(folder.parent / name.replace("/", "∕"))
    (home / "dataset.toml").unlink()
    for step in ("init", "check", "stats"):
        result = bench(step, home)
        assert result.exit_code == 0, result.output
        assert "\x1b" not in result.output
    made = bench("make", "livestream", home.parent / f"[/{name.strip()[:1]}]" / "x", "--streams", 20)
    assert made.exit_code == 0, made.output
    assert "wrote" in made.output


def test_a_folder_whose_name_is_no_utf8_is_described_and_checked(folder):
    try:
        home = folder.rename(os.fsdecode(os.fsencode(folder.parent) + b"/h\xff"))
    except OSError:
        pytest.skip("this file system has names of UTF-8 only")
    (home / "dataset.toml").unlink()
    for step in ("init", "check", "stats"):
        result = bench(step, home)
        assert result.exit_code == 0, (result.output, result.exception)
    assert tomllib.loads((home / "dataset.toml").read_text(encoding="utf-8"))["name"] == r"h\udcff"


# -- links that are allowed --------------------------------------------------------------------------------


@pytest.fixture
def linked(folder: Path) -> Path:
    """Table, features, one picture and a folder of pictures on a shared disk."""
    shared = folder.parent / "shared"
    shared.mkdir()
    (folder / "img").rename(shared / "img")
    (folder / "img").symlink_to(shared / "img")
    for name in ("samples.csv", "f.npz"):
        (folder / name).rename(shared / name)
        (folder / name).symlink_to(shared / name)
    features(folder, "f.npz", key="k")
    text = (folder / "dataset.toml").read_text(encoding="utf-8")
    (folder / "dataset.toml").write_text(
        text.replace("numeric", 'image = ["img/{id}*.jpg"]\nnumeric'), "utf-8"
    )
    return folder


def test_links_are_refused_until_they_are_allowed(linked):
    shared = linked.parent / "shared"
    refused = bench("stats", linked)
    assert refused.exit_code == 2
    assert "samples.csv" in refused.stderr
    assert "--allow-links DIR" in refused.stderr
    assert len(refused.stderr.splitlines()) <= 2
    with pytest.raises(DataError, match="allow-links"):
        load(str(linked), allow_links=(linked.parent / "outside",))
    dataset = load(str(linked), allow_links=(linked.parent / "outside", shared))
    assert len(dataset.raw(Source("e", "image")).items) == N
    assert len(dataset.vectors(Source("f", "text")).values) == N
    assert bench("stats", linked, "--allow-links", shared).exit_code == 0
    assert [p for p in check(linked, allow_links=(shared,)) if p.stops and p.kind != "undecodable"] == []
    (linked / "dataset.toml").unlink()
    assert "img/{id}.jpg" in propose(linked, (shared,))
    with pytest.raises(DataError, match="has no table"):
        propose(linked)


def test_what_a_link_leads_to_is_part_of_the_fingerprint(linked):
    shared = linked.parent / "shared"
    before = load(str(linked), allow_links=(shared,)).fingerprint
    assert load(str(linked), allow_links=(shared, linked.parent)).fingerprint == before
    (shared / "img" / "s7.jpg").write_bytes(b"another")
    assert load(str(linked), allow_links=(shared,)).fingerprint != before


@pytest.mark.parametrize("pattern", ["img/{id}*.jpg", "*/{id}*.jpg", "img/{id}.jpg"])
def test_a_linked_folder_is_not_even_listed(folder, pattern):
    (folder / "img").rename(folder.parent / "outside" / "img")
    (folder / "img").symlink_to(folder.parent / "outside" / "img")
    describe(folder, own=f'image = ["{pattern}"]\nnumeric = ["a"]')
    problem(folder, "path-leaves-folder", "samples.csv", "'img")
