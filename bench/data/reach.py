"""What a dataset may read: regular files in its folder, and where its user allows links to lead."""

from __future__ import annotations

import os
import stat
from pathlib import Path

Fault = tuple[str, str, str]
"""Kind of problem, what is wrong, how to fix it."""
LEAVES: Fault = (
    "path-leaves-folder",
    "leaves the dataset's folder",
    "copy the file into the folder and use a relative path, "
    "or allow the folder that a link leads to: --allow-links DIR",
)


def reachable(root: Path, name: str, allow_links: tuple[Path, ...] = ()) -> bool:
    """Whether a path, its links followed, stays in the folder `root` or one of `allow_links`."""
    real = Path(os.path.realpath(root / name))
    return any(real.is_relative_to(os.path.realpath(folder)) for folder in (root, *allow_links))


def nameable(name: str) -> bool:
    """Whether a file can have this path at all: no NUL, no part of more than 255 bytes."""
    return "\0" not in name and all(len(part.encode(errors="replace")) <= 255 for part in Path(name).parts)


def not_a_file(path: Path) -> str:
    """Why a path cannot be opened as a file, to be read after its name; "" if it can.

    Only regular files are ever opened: a pipe would wait for ever, a device never end.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "is a link to nothing" if path.is_symlink() else "does not exist"
    except OSError as error:
        return f"cannot be opened ({error.strerror})"
    if stat.S_ISDIR(mode):
        return "is a folder"
    if not stat.S_ISREG(mode):
        return "is not a regular file"
    return "" if os.access(path, os.R_OK) else "cannot be opened (permission denied)"


def refusal(root: Path, name: str, allow_links: tuple[Path, ...], missing: str) -> Fault | None:
    """Why a file that a description names may not or cannot be read; None if it can.

    Args:
        root: the dataset's folder.
        name: the path, relative to it.
        allow_links: further folders that links may lead to.
        missing: the kind of problem that a missing file is.
    """
    if not nameable(name) or not reachable(root, name, allow_links):
        return LEAVES
    if what := not_a_file(root / name):
        return missing, what, "put the file there, or correct its name in the description"
    return None
