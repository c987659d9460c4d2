"""Fusions and encoders from outside: plugin files, notebooks, other packages, brought to any process."""

from __future__ import annotations

import hashlib
import logging
import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType

from bench.errors import UsageError
from bench.failure import Failure
from bench.isolation import undisturbed
from encoders import registry as encoder_registry
from fusions import registry
from fusions.origin import Registered

log = logging.getLogger("bench")

_loaded: dict[Path, bytes] = {}
"""Plugin file -> the text that was run."""


def load_plugins(paths: Iterable[Path]) -> None:
    """Run plugin files, which register fusions or encoders; each once per process, and again when edited.

    Of what a file does beside, imports stay; a changed setting, such as torch's default dtype, would change
    the results of the other methods.

    Raises:
        UsageError: it is no file, or whatever went wrong in it.
    """
    for path in paths:
        path = path.resolve()
        if not path.is_file():
            raise UsageError(f"--plugin {path}: not a Python file.")
        text = path.read_bytes()
        if _loaded.get(path) == text:
            continue
        before = _registered()
        _run(path, text)
        if _registered() == before:
            log.warning("--plugin %s registers neither a fusion nor an encoder", path)
        _loaded[path] = text


def _registered() -> tuple[Registered, ...]:
    return *registry._entries.values(), *encoder_registry._entries.values()


def _run(path: Path, text: bytes) -> None:
    name = f"bench_plugin_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module
    try:
        with undisturbed(), redirect_stdout(sys.stderr):  # standard output is for results
            exec(compile(text, path, "exec"), module.__dict__)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # anyone's code, which may do anything
        raise UsageError(f"--plugin {path}: {Failure.of(error).reason}") from None


def carried(name: str, plugins: Iterable[Path]) -> registry.Entry | None:
    """The entry of a method that a worker process would not know: neither bundled nor from these plugins."""
    if name not in registry.names():
        return None  # a reference
    entry = registry.get(name)
    return None if _known(entry, plugins) else entry


def carried_encoder(modality: str, name: str, plugins: Iterable[Path]) -> encoder_registry.Entry | None:
    """The same of an encoder."""
    entry = encoder_registry.entry(modality, name)
    return None if _known(entry, plugins) else entry


def _known(entry: Registered, plugins: Iterable[Path]) -> bool:
    """Whether a worker process that loads these plugins knows an entry."""
    return entry.bundled or Path(entry.file).resolve() in {path.resolve() for path in plugins}
