"""Generators: datasets written from known factors, real files all of them, with the truth beside them.

A new one is a module or package in this folder with a function ``generate(root, **arguments)`` under the
`synthetic` decorator.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from bench.files import written_aside

G = TypeVar("G", bound=Callable[..., None])


class Generator(NamedTuple):
    """A generator: ``generate(root, **arguments)``, how many samples it can write, and of what."""

    generate: Callable[..., None]
    samples: str
    modalities: str

    @property
    def arguments(self) -> dict[str, Any]:
        """What can be set: name -> default."""
        known = signature(self.generate).parameters.values()
        return {parameter.name: parameter.default for parameter in known if parameter.name != "root"}


GENERATORS: dict[str, Generator] = {}
"""By the name of its dataset."""


def synthetic(name: str, *, samples: str, modalities: str) -> Callable[[G], G]:
    """Decorator: make a generator known under the name of its dataset; the rest is for lists."""

    def add(generate: G) -> G:
        GENERATORS[name] = Generator(generate, samples, modalities)
        return generate

    return add


@contextmanager
def new_folder(root: Path, seed: int) -> Iterator[Path]:
    """A folder to write into, which becomes `root` when complete, so that that is never half a dataset.

    Raises:
        ValueError: `seed` is negative.
        FileExistsError: `root` exists and is not an empty folder.
    """
    if seed < 0:
        raise ValueError(f"seed is {seed}; it must not be negative")
    root = Path(os.path.abspath(root))
    if root.exists() and not (root.is_dir() and not any(root.iterdir())):
        raise FileExistsError(f"{root} exists; remove it first, or choose another folder")
    with written_aside(root, sealed=False) as aside:
        yield aside


for _module in pkgutil.iter_modules(__path__, f"{__name__}."):
    importlib.import_module(_module.name)
