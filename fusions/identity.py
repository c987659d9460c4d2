"""What identifies a class that no file holds: one from a notebook cell, from standard input or from exec."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from contextlib import suppress
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

from torch import Tensor

BOOKKEEPING = {"__module__", "__dict__", "__weakref__", "__doc__", "__annotations__", "__firstlineno__"}


def identity(cls: type) -> str:
    """The compiled code of a class and of all it uses from where it was defined, as one text.

    The same in every process of one version of Python; layout and comments are no part of it. Objects that
    are neither code, plain values nor tensors count by their type alone.
    """
    return "\n".join(_parts(cls, cls.__module__, set()))


def _parts(value: Any, home: str, seen: set[int]) -> Iterator[str]:
    if isinstance(value, CodeType):
        yield from (value.co_code.hex(), repr(value.co_names))
        yield from _parts(value.co_consts, home, seen)
    elif isinstance(value, type | FunctionType | BuiltinFunctionType | ModuleType):
        yield getattr(value, "__qualname__", value.__name__)
        if _is_own(value, home) and id(value) not in seen:
            seen.add(id(value))
            if isinstance(value, type):
                yield from _of_class(value, home, seen)
            elif isinstance(value, FunctionType):
                yield from _used(value, home, seen)
    elif isinstance(value, staticmethod | classmethod):
        yield from _parts(value.__func__, home, seen)
    elif isinstance(value, property):
        yield from _parts((value.fget, value.fset, value.fdel), home, seen)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _parts(item, home, seen)
    elif isinstance(value, dict | set | frozenset):  # the order of a set differs between processes
        items = value.items() if isinstance(value, dict) else value
        yield from sorted("\n".join(_parts(item, home, seen)) for item in items)
    elif isinstance(value, Tensor):
        yield repr(value.tolist())
    else:
        plain = value is None or isinstance(value, bool | int | float | complex | str | bytes)
        yield repr(value) if plain else type(value).__qualname__


def _is_own(value: Any, home: str) -> bool:
    """Whether a class or function was defined where the method was; bare exec gives functions no module."""
    ours = isinstance(value, type | FunctionType) and value.__module__ in (home, None)
    return ours and getattr(builtins, value.__name__, None) is not value


def _of_class(cls: type, home: str, seen: set[int]) -> Iterator[str]:
    yield from _parts(cls.__bases__, home, seen)
    for name, value in sorted(vars(cls).items()):
        if name not in BOOKKEEPING:
            yield name
            yield from _parts(value, home, seen)


def _used(function: FunctionType, home: str, seen: set[int]) -> Iterator[str]:
    """The code of a function, its defaults, and what its free names stand for now."""
    yield from _parts((function.__code__, function.__defaults__, function.__kwdefaults__), home, seen)
    for name in sorted(set(_names(function.__code__)) & function.__globals__.keys()):
        yield name
        yield from _parts(function.__globals__[name], home, seen)
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # a name that is not assigned yet
            yield from _parts(cell.cell_contents, home, seen)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names(inner)
