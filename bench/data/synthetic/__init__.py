"""Generators: datasets written from known factors, real files all of them, with the truth beside them.

A new one is a module or package in this folder with a function ``generate(root, **arguments)`` under the
`synthetic` decorator.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import TypeVar

G = TypeVar("G", bound=Callable[..., None])

GENERATORS: dict[str, Callable[..., None]] = {}
"""Name -> ``generate(root, **arguments)``."""


def synthetic(name: str) -> Callable[[G], G]:
    """Decorator: make a generator known under the name of its dataset."""

    def add(generate: G) -> G:
        GENERATORS[name] = generate
        return generate

    return add


for _module in pkgutil.iter_modules(__path__, f"{__name__}."):
    importlib.import_module(_module.name)
