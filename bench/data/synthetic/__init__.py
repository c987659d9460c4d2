"""Generators: datasets written from known factors, real files all of them, with the truth beside them.

A new one is a module or package in this folder with a function ``generate(root, **arguments)`` under the
`synthetic` decorator.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from inspect import signature
from typing import Any, NamedTuple, TypeVar

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


for _module in pkgutil.iter_modules(__path__, f"{__name__}."):
    importlib.import_module(_module.name)
