"""Arrays of hostile and unlucky users: a line that names the file, nothing unpacked or executed."""

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hostile import N, features, flipped, problem, sound

from bench.data import arrays
from bench.data.catalog import load
from bench.data.checks import check
from bench.data.proposal import propose
from bench.errors import DataError
from fusions import Source


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return sound(tmp_path)


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
