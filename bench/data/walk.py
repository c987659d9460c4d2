"""Every file of a dataset's folder that may be read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from bench.data.reach import reachable


def readable(root: Path, allow_links: tuple[Path, ...] = ()) -> Iterator[str]:
    """The paths of all regular files below a folder that are not hidden, in the order of their names.

    Links are followed where they stay in the folder or one of `allow_links`, and into a folder once.
    """
    seen = {os.path.realpath(root)}

    def shown(path: Path) -> bool:
        return not path.name.startswith(".") and reachable(root, path.as_posix(), allow_links)

    for folder, folders, files in os.walk(root, followlinks=True):
        inside = Path(folder).relative_to(root)
        paths = [inside / name for name in sorted(folders, reverse=True)]
        new = {os.path.realpath(root / path): path.name for path in paths if shown(path)}
        folders[:] = sorted(name for real, name in new.items() if real not in seen)
        seen.update(new)
        paths = [inside / name for name in sorted(files)]
        yield from (path.as_posix() for path in paths if shown(path) and (root / path).is_file())
