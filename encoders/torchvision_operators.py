"""Lets `import torchvision` succeed where its compiled operators cannot be loaded.

The stock torchvision wheel carries operators compiled against one build of torch. Beside another build (a
CPU-only torch, say) the library does not load, torchvision goes on without it, and then fails a few lines
later: it registers shape functions for the operators ``nms`` and ``qnms``, which nobody has declared
("operator torchvision::nms does not exist", https://github.com/pytorch/vision/issues/8289). transformers
imports torchvision too, and so fails with it.

Nothing here needs these two operators (they suppress overlapping boxes in object detectors). Declaring their
signatures, without code behind them, is all that the import asks for. Where the compiled library does load,
this module does nothing. It is imported once, by ``encoders/__init__.py``, before anything that may import
torchvision; no other module knows of it.
"""

from __future__ import annotations

import sys
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path

import torch

SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
OPERATORS = ("nms", "qnms")

_declared: list[torch.library.Library] = []
"""Keeps the declarations alive: they vanish with the Library object."""


def compiled_operators_load() -> bool:
    """Whether torchvision's own library loads (then it stays loaded), or torchvision is not installed."""
    spec = find_spec("torchvision")  # finds the folder without importing the package
    if spec is None or spec.origin is None:
        return True
    for suffix in EXTENSION_SUFFIXES:
        library = Path(spec.origin).with_name(f"_C{suffix}")
        if library.is_file():
            try:
                torch.ops.load_library(library)  # type: ignore[no-untyped-call] # torch's is not typed
            except OSError:
                return False
            return True
    return False


def declare() -> None:
    """Declare what torchvision misses, once; do nothing where its own operators are there."""
    if "torchvision" in sys.modules or _declared or compiled_operators_load():
        return
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call] # nor this
    for operator in OPERATORS:
        if not hasattr(torch.ops.torchvision, operator):
            library.define(operator + SIGNATURE)  # type: ignore[no-untyped-call] # nor this
    _declared.append(library)


declare()
