"""What identifies the content of files: SHA-256."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path


def sha256(path: Path) -> str:
    """The SHA-256 of a file, computed once per process as long as it does not change."""
    status = path.stat()
    return _sha256(path, status.st_size, status.st_mtime_ns)


@cache
def _sha256(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(folder: Path, patterns: tuple[str, ...]) -> str:
    """16 hexadecimal digits over the names and the content of the files that match, whatever their order."""
    files = sorted({path for pattern in patterns for path in folder.glob(pattern)})
    total = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            total.update(path.name.encode() + b"\0" + hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()[:16]
