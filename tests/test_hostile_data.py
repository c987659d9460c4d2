"""Dataset folders of hostile and unlucky users: a line that names the file, nothing outside read, no hang."""

import io
import json
import os
import struct
import tomllib
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from bench.cli import main
from bench.data import arrays, parquet, patterns, tables
from bench.data.catalog import load
from bench.data.checks import as_json, check
from bench.data.dataset import Dataset, read_dataset
from bench.data.names import singular
from bench.data.problems import Problem
from bench.data.proposal import propose
from bench.data.schema import Schema, read_schema
from bench.errors import DataError
from fusions import Source

N = 40
SECRET = "the-secret-outside"
Break = Callable[[Path], object]


def picture() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (4, 4)).save(stream, "JPEG")
    return stream.getvalue()


PICTURE = picture()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound dataset of one table, features and media that are only looked for, beside a secret."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.csv").write_text(f"id,y,a,t\n{SECRET},1,2,3\n", encoding="utf-8")
    home = tmp_path / "home"
    (home / "img").mkdir(parents=True)
    rng = np.random.default_rng(1)
    rows = {"id": [f"s{i}" for i in range(N)], "y": rng.normal(size=N), "a": rng.normal(size=N).round(3)}
    rows["t"] = [f"word{i % 7}" for i in range(N)]
    pd.DataFrame(rows).to_csv(home / "samples.csv", index=False)
    np.savez(home / "f.npz", x=rng.normal(size=(N, 3)), k=np.array(rows["id"]))
    for i in range(N):
        (home / "img" / f"s{i}.jpg").write_bytes(PICTURE)
    describe(home)
    return home


def describe(
    home: Path, *, own: str = 'numeric = ["a"]\ntext = ["t"]', more: str = "", table: str = ""
) -> None:
    samples = f'[samples]\ntable = "{table}"\n' if table else ""
    text = f'name = "d"\n[target]\ncolumn = "y"\n{samples}[entities.e]\n{own}\n{more}\n'
    (home / "dataset.toml").write_text(text, encoding="utf-8")


def features(home: Path, file: str, key: str = "") -> None:
    names = "" if file.endswith(".npy") else '\narray = "x"' + (f'\nkey = "{key}"' if key else "")
    describe(home, more=f'[entities.f.features.text]\nfile = "{file}"{names}')


def bench(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["data", *(str(a) for a in arguments)])


def problem(home: Path, kind: str, file: str, says: str = "", **options: object) -> Problem:
    """The only problem that is in the way of a run; reading says the same, in a line."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = [p for p in check(home, **options) if p.stops]
    assert [(p.kind, p.file) for p in found] == [(kind, file)], list(map(str, found))
    line = str(found[0])
    assert says in line
    assert len(line) < 1500
    assert line.isprintable()
    assert SECRET not in line
    json.dumps(as_json(found), ensure_ascii=False).encode()
    return found[0]


# -- arrays ------------------------------------------------------------------------------------------------


def npy(header: object, data: bytes = b"", version: bytes = b"\x01\x00", size: int | None = None) -> bytes:
    """An .npy file with any header."""
    text = header if isinstance(header, bytes) else repr(header).encode()
    length = struct.pack("<H" if version[0] == 1 else "<I", len(text) if size is None else size)
    return b"\x93NUMPY" + version + length + text + data


def claim(shape: object, descr: object = "<f8") -> dict[str, object]:
    return {"descr": descr, "fortran_order": False, "shape": shape}


SOUND = npy(claim((N, 3)), np.ones((N, 3)).tobytes())
HEADERS = {
    "shape of 10^30": npy(claim((10**30, 3))),
    "shape of 6,000 digits": npy(repr(claim((0, 3))).replace("0, 3", "9" * 6000 + ",").encode()),
    "shape beyond 64 bits that wraps to fit": npy(claim((2**61, 8)), bytes(64)),
    "negative shape": npy(claim((-1, 3)), bytes(96)),
    "shape of no numbers": npy(claim((10**18, 0, 3))),
    "items of no size": npy(claim((10**18, 3), "|V0")),
    "shape that is no tuple": npy(claim("(40, 3)"), bytes(960)),
    "open brackets": npy(b"(" * 9000),
    "open string": npy(b"{'descr': '<f8"),
    "no Python at all": npy(b"\x00\xff\xfe{{{"),
    "unknown type": npy(claim((N, 3), "<q99"), bytes(960)),
    "nested type": npy(claim((N, 3), [("a", [("b", "<f8")] * 2)] * 2), bytes(99)),
    "Python objects": npy(claim((N, 3), "|O"), b"cos\nsystem\n(S'true'\ntR."),
    "huge header": npy(b" " * 60_000 + repr(claim((N, 3))).encode(), bytes(960)),
    "header longer than the file": npy(repr(claim((N, 3))).encode(), version=b"\x02\x00", size=2**32 - 1),
    "version 9": npy(claim((N, 3)), bytes(960), version=b"\x09\x00"),
    "nothing behind the header": npy(claim((N, 3))),
    "keys of the header missing": npy({"shape": (N, 3)}),
    "cut in the magic": SOUND[:4],
    "cut in the header": SOUND[:40],
    "cut in the numbers": SOUND[:-8],
    "zeroed": bytes(len(SOUND)),
    "flipped at the start": bytes([SOUND[0] ^ 0xFF]) + SOUND[1:],
    "empty": b"",
    "a pickle": b"\x80\x04cposix\nsystem\n(S'true'\ntR.",
}


def zipped(**members: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return archive.getvalue()


@pytest.mark.parametrize("form", ["f.npy", "f.npz"])
@pytest.mark.parametrize("name", HEADERS)
def test_an_array_with_an_absurd_header_cannot_be_read(folder, name, form):
    content = HEADERS[name]
    (folder / form).write_bytes(content if form == "f.npy" else zipped(**{"x.npy": content}))
    features(folder, form)
    problem(folder, "unreadable-features", form, "cannot be read (")
    with pytest.raises(DataError, match=form):
        load(str(folder)).vectors(Source("f", "text"))
    if b"objects" not in name.encode():  # of those, only the header is looked at
        with pytest.raises(DataError, match=f"{form} cannot be read"):
            propose(folder)


def encrypted(content: bytes) -> bytes:
    """The same archive with its members marked as encrypted."""
    return content.replace(b"PK\x03\x04\x14\x00\x00", b"PK\x03\x04\x14\x00\x01").replace(
        b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"
    )


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


ARCHIVES = {
    "encrypted": encrypted(zipped(**{"x.npy": SOUND})),
    "flipped in the numbers": flipped(zipped(**{"x.npy": SOUND}), 500),
    "flipped in the directory": zipped(**{"x.npy": SOUND}).replace(b"PK\x01\x02", b"PK\x01\xfd"),
    "flipped at the start": flipped(zipped(**{"x.npy": SOUND}), 0),
    "cut": zipped(**{"x.npy": SOUND})[:-30],
    "not an array": zipped(**{"x.npy": b"import os"}),
    "unknown compression": zipped(**{"x.npy": SOUND}).replace(b"\x14" + bytes(5), b"\x14\0\0\0\x63\0"),
}  # fmt: skip


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_damaged_archive_of_arrays_cannot_be_read(folder, name):
    (folder / "f.npz").write_bytes(ARCHIVES[name])
    features(folder, "f.npz")
    problem(folder, "unreadable-features", "f.npz", "cannot be read (")


def test_a_zip_bomb_is_not_unpacked(folder, monkeypatch):
    monkeypatch.setattr(arrays, "LARGEST_UNPACKED", 10_000)
    np.savez_compressed(folder / "f.npz", x=np.zeros((N, 500)))
    features(folder, "f.npz")
    problem(folder, "unreadable-features", "f.npz", "would unpack from")


def test_names_of_members_lead_nowhere(folder):
    (folder / "f.npz").write_bytes(
        zipped(**{"../../evil.npy": SOUND, "/etc/evil.npy": SOUND, "x.npy": SOUND})
    )
    features(folder, "f.npz")
    assert check(folder) == []
    assert not list(folder.parent.parent.glob("evil*"))
    assert "'../../evil' of f.npz" in " ".join(propose(folder).replace("#", "").split())


KEYS = {
    "half a character": np.array([f"s{i}\ud800" for i in range(N)]),
    "records": np.zeros(N, dtype=[("a", "f8"), ("b", "i4")]),
    "no character at all": np.full(N, 0x110000, dtype="<u4").view("<U1"),
}


@pytest.mark.parametrize("name", KEYS)
def test_keys_that_are_no_texts_are_told(folder, name):
    np.savez(folder / "f.npz", x=np.ones((N, 3)), k=KEYS[name])
    features(folder, "f.npz", key="k")
    problem(folder, "bad-key", "f.npz", "'k' does not hold texts or numbers")
    propose(folder)


# -- tables ------------------------------------------------------------------------------------------------


def parquet_bytes(**columns: object) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream)
    return stream.getvalue()


IDS = [f"s{i}" for i in range(N)]
PARQUET = parquet_bytes(id=IDS, y=np.random.default_rng(0).normal(size=N), a=np.arange(N) * 1.0, t=IDS)


FOOTER = -8 - int.from_bytes(PARQUET[-8:-4], "little")


def bad_metadata() -> bytes:
    stream = io.BytesIO()
    pq.write_table(
        pa.table({"id": IDS, "y": range(N)}).replace_schema_metadata({"pandas": b"{[not json"}), stream
    )
    return stream.getvalue()


BAD_PARQUET = {
    "empty": b"", "zeroed": bytes(999), "cut": PARQUET[:-100], "a text": b"id,y,a\n1,2,3\n",
    "flipped in the footer": flipped(PARQUET, FOOTER), "flipped in the length": flipped(PARQUET, -6),
    "flipped in the values": flipped(PARQUET, 20), "header only": b"PAR1PAR1",
    "pandas' notes are no JSON": bad_metadata(),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_PARQUET)
def test_a_damaged_parquet_is_told_as_table_and_as_features(folder, name):
    (folder / "t.parquet").write_bytes(BAD_PARQUET[name])
    describe(folder, table="t.parquet")
    problem(folder, "unreadable-table", "t.parquet", "cannot be read as a table: ")
    features(folder, "t.parquet")
    problem(folder, "unreadable-features", "t.parquet", "cannot be read (")


def test_a_parquet_that_fills_all_memory_is_refused(folder, monkeypatch):
    monkeypatch.setattr(parquet, "MOST_CELLS", 1_000)
    (folder / "t.parquet").write_bytes(parquet_bytes(id=["x"] * 500_000))
    describe(folder, table="t.parquet")
    problem(folder, "unreadable-table", "t.parquet", "unpack to 500,000 values")


NESTED = {
    "lists": [[1.0]] * N, "lists of lists": [[[1.0]]] * N, "mappings": [{"a": 1}] * N, "bytes": [b"\xff"] * N,
    "lists of mappings": [[{"a": [b"x"]}]] * N,
}  # fmt: skip


@pytest.mark.parametrize("name", NESTED)
def test_nested_cells_are_no_texts_or_numbers(folder, name):
    columns = {"id": IDS, "y": np.random.default_rng(0).normal(size=N), "a": NESTED[name]}
    (folder / "t.parquet").write_bytes(parquet_bytes(**columns))
    describe(folder, own='text = ["a"]', table="t.parquet")
    found = check(folder)
    assert ("not-text", "t.parquet", "a", True) in [(p.kind, p.file, p.column, p.stops) for p in found]
    describe(folder, own='numeric = ["a"]', table="t.parquet")
    assert "not-text" in {p.kind for p in check(folder)}


HEAD = b"id,y,a,t\n"
ROWS = b"".join(b"s%d,%d.5,%d,w%d\n" % (i, i * 7 % 11, i * 3 % 17, i % 5) for i in range(N))
BAD_CSV = {
    "NUL in a number": (HEAD + ROWS.replace(b"s3,", b"s3,\0", 1), "not-a-number", "column 'y'"),
    "all zeros": (bytes(4096), "missing-column", "has no column"),
    "more fields, later no UTF-8": (HEAD + b"1,2,3,4,5,6\n" + ROWS + b"\xff", "not-utf8", "row 43"),
    "a quote over everything": (HEAD + b'"' + ROWS, "open-quote", "row 2"),
    "other digits": (HEAD + ROWS.replace(b"s2,3.5", "s2,６６".encode()), "not-a-number", "'６６'"),
    "numbers beyond all": (HEAD + ROWS.replace(b"s2,3.5", b"s2,1e999"), "not-a-number", "'1e999'"),
    "5,000 digits": (HEAD + ROWS.replace(b"s2,3.5", b"s2," + b"9" * 5000), "not-a-number", "column 'y'"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_CSV)
def test_a_hostile_csv_is_told(folder, name):
    content, kind, says = BAD_CSV[name]
    (folder / "samples.csv").write_bytes(content)
    found = [p for p in check(folder) if p.kind == kind]
    assert found, list(map(str, check(folder)))
    assert found[0].file == "samples.csv"
    assert says in str(found[0])
    assert str(found[0]).isprintable()
    assert len(str(found[0])) < 1500


def test_a_table_of_one_giant_line_is_not_read(folder, monkeypatch):
    monkeypatch.setattr(tables, "LONGEST_HEADER", 10_000)
    (folder / "samples.csv").write_bytes(b"x" * 20_000)
    problem(folder, "unreadable-table", "samples.csv", "longer than 10,000 characters")


def test_many_columns_are_counted_and_not_listed(folder):
    names = [f"column{i}" for i in range(3_000)]
    table = pd.read_csv(folder / "samples.csv").join(pd.DataFrame(0.5, range(N), names))
    table.to_csv(folder / "samples.csv", index=False)
    (unused,) = check(folder)
    assert "and 2,992 more" in str(unused)
    describe(folder, own='numeric = ["gone"]')
    problem(folder, "missing-column", "samples.csv", "and 2,996 more")


# -- the description ---------------------------------------------------------------------------------------

LIMIT = "is too large for a description"
DESCRIPTIONS = {
    "6,000 digits": (b"x = " + b"9" * 6000, "not-toml", "a number with thousands of digits"),
    "nested": (b"x = " + b"[" * 5000, "not-toml", "nested too deeply"),
    "nested tables": (b"x = " + b"{a = " * 3000, "not-toml", ""),
    "NUL": (b"name = \"d\0\"", "not-toml", "not valid TOML"),
    "escaped half character": (b'name = "\\ud800"', "not-toml", "not valid TOML"),
    "bytes of half a character": (b'name = "\xed\xa0\x80"', "not-utf8", "not UTF-8"),
    "over a megabyte": (b"#" * (1 << 20) + b"#", "not-toml", LIMIT),
    "impossible date": (b"x = 2024-99-99", "not-toml", ""),
    "deep keys": (b".".join([b"a"] * 3000) + b" = 1", "bad-description", ""),
    "empty": (b"", "bad-description", ""),
    "strange names": (b'name = "d"\n[target]\ncolumn = "y"\n[entities."a\\n\\u0000/../\\u202e"]\n'
                      b'numeric = ["a"]\n', "bad-description", "use letters"),
    "unknown keys with line ends": (b'"a\\nb\\u0000" = 1', "bad-description", ""),
    "100,000 columns twice": (b'name = "d"\n[target]\ncolumn = "y"\n[entities.e]\nnumeric = ['
                              + b",".join(b"'%d'" % (i % 70_000) for i in range(100_000)) + b"]",
                              "bad-description", "and 29,992 more"),
}  # fmt: skip


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_a_hostile_description_is_told_in_a_line(folder, name):
    content, kind, says = DESCRIPTIONS[name]
    (folder / "dataset.toml").write_bytes(content)
    found = check(folder)
    assert {(p.kind, p.file) for p in found} == {(kind, "dataset.toml")}
    assert says in str(found[0])
    with pytest.raises(DataError, match=r"dataset\.toml") as caught:
        load(str(folder))
    assert caught.value.exit_code == 2
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1500
    told = bench("stats", folder)
    assert told.exit_code == 2
    assert 1 <= len(told.stderr.strip().splitlines()) <= 2


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


# -- what misleads -----------------------------------------------------------------------------------------


def judged(home: Path, **columns: object) -> dict[str, str]:
    """The suspicious columns of a table with further columns, and why."""
    table = pd.read_csv(home / "samples.csv").assign(**columns)
    table.to_csv(home / "samples.csv", index=False)
    kinds = {k: "numeric" if pd.api.types.is_numeric_dtype(table[k]) else "text" for k in columns}
    lists = {m: [k for k in columns if kinds[k] == m] for m in ("numeric", "text")}
    describe(home, own="\n".join(f"{m} = {json.dumps(v)}" for m, v in lists.items() if v))
    return {p.column: p.kind for p in check(home) if p.kind in ("leak", "other-target")}


def test_whatever_tells_the_target_alone_is_named_and_not_proposed(folder):
    y = pd.read_csv(folder / "samples.csv")["y"].to_numpy()
    rng = np.random.default_rng(3)
    angle = rng.uniform(-1, 1, N)
    table = pd.read_csv(folder / "samples.csv").assign(y=angle**2)
    table.to_csv(folder / "samples.csv", index=False)
    y = angle**2
    named = judged(
        folder, folded=angle, near=y + rng.normal(0, 0.04, N), sold=[f"for {v:.4f} yuan" for v in y],
        noise=rng.normal(size=N), leak=rng.normal(size=N), revenue=rng.normal(size=N),
        level=[f"level {int(v * 12)}" for v in y],
    )  # fmt: skip
    assert named == {"folded": "leak", "near": named.get("near"), "sold": "leak", "leak": "other-target",
                     "revenue": "other-target", "level": "leak"}  # fmt: skip
    (folder / "dataset.toml").unlink()
    (folder / "f.npz").unlink()
    text = propose(folder)
    schema = Schema.model_validate(tomllib.loads(text))
    taken = {c for e in schema.entities.values() for c in (*e.numeric, *e.text)}
    assert "noise" in taken
    assert not taken & set(named)
    for column in named:
        assert column in text
    (folder / "dataset.toml").write_text(text, encoding="utf-8")
    assert not {"leak", "other-target"} & {p.kind for p in check(folder)}


def test_a_target_cut_into_classes_is_named(folder):
    y = pd.read_csv(folder / "samples.csv")["y"].to_numpy()
    noisy = y + np.random.default_rng(0).normal(0, 0.3, N)
    assert judged(folder, positive=(y > 0).astype(int), negative=(y < -1).astype(int)) == {
        "positive": "leak",
        "negative": "leak",
    }
    assert judged(folder, blurred=(noisy > 0).astype(int)) == {}


@pytest.mark.parametrize("take", ["sum", "mean", "max", "min"])
def test_items_that_tell_the_target_together_are_named(folder, take):
    rng = np.random.default_rng(5)
    items = pd.DataFrame({"id": [f"i{j}" for j in range(3 * N)], "size": rng.lognormal(0, 1, 3 * N)})
    items.to_csv(folder / "items.csv", index=False)
    owner = np.concatenate([np.arange(N), rng.integers(0, N, 2 * N)])
    keys = pd.Series(items["id"]).groupby(owner).agg("|".join)
    table = pd.read_csv(folder / "samples.csv").assign(items=keys, y=items["size"].groupby(owner).agg(take))
    table.to_csv(folder / "samples.csv", index=False)
    describe(
        folder, more='[entities.item]\ntable = "items.csv"\nkey = "items"\nmany = true\nnumeric = ["size"]'
    )
    (found,) = [p for p in check(folder) if p.kind == "leak"]
    assert (found.file, found.column, found.stops) == ("items.csv", "size", False)
    assert {"max": "maximum", "min": "minimum"}.get(take, take) in str(found)


def test_one_dimension_of_features_that_tells_the_target_is_named(folder):
    y = pd.read_csv(folder / "samples.csv")["y"].to_numpy()
    x = np.random.default_rng(0).normal(size=(N, 5))
    x[:, 3] = np.abs(y) * np.sign(x[:, 0])
    x[:, 4] = -y
    np.savez(folder / "f.npz", x=x)
    features(folder, "f.npz")
    (found,) = [p for p in check(folder) if p.kind == "leak"]
    assert (found.file, found.column) == ("f.npz", "x")
    assert "dimension 4" in str(found)


DIGITS = ["part ６６", "part ٣٤", "part ²", "--", "1e999", "-", "9" * 5000, "½", "NaN", "-.5.5.", "１２３"]


@pytest.mark.parametrize("cell", DIGITS)
def test_texts_with_odd_numbers_are_proposed_and_checked(folder, cell):
    table = pd.read_csv(folder / "samples.csv")
    table["t"] = [f"{cell} {i % 5}" if i % 2 else cell for i in range(N)]
    table.to_csv(folder / "samples.csv", index=False)
    assert check(folder) is not None
    (folder / "dataset.toml").unlink()
    assert bench("init", folder).exit_code == 0
    checked = bench("check", folder)
    assert checked.exit_code == 0, checked.output


SINGULARS = {
    "movies": "movie", "cookies": "cookie", "cities": "city", "categories": "category", "series": "series",
    "species": "species", "houses": "house", "boxes": "box", "buses": "bus", "glasses": "glass",
    "analyses": "analyses", "ties": "tie", "statuses": "status", "causes": "cause", "matches": "match",
    "bus": "bus", "commodities": "commodity", "uses": "use", "gas": "gas", "news": "news",
}  # fmt: skip


@pytest.mark.parametrize("plural", SINGULARS)
def test_singulars(plural):
    assert singular(plural) == SINGULARS[plural]
