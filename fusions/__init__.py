"""Fusion methods: every way of turning the tokens of many sources into one vector per sample.

    import fusions
    method = fusions.build("memf", inputs, layers=2)
    fused = method(tokens)          # fused.vector: (B, d)

A new method is one file: subclass a base, decorate it with `register`, check it with
`fusions.testing.check_fusion`.
"""

import importlib
import pkgutil

from fusions.base import (
    Fused,
    Fusion,
    Group,
    GroupFusion,
    Inputs,
    Source,
    Tokens,
    VectorFusion,
    masked_mean,
    zero_padding,
)
from fusions.registry import Entry, UnknownFusion, build, get, names, register

__all__ = [
    "Entry",
    "Fused",
    "Fusion",
    "Group",
    "GroupFusion",
    "Inputs",
    "Source",
    "Tokens",
    "UnknownFusion",
    "VectorFusion",
    "build",
    "get",
    "masked_mean",
    "names",
    "register",
    "zero_padding",
]

# importing a module registers its methods: a new file in this folder is all that a new method needs
for _module in pkgutil.iter_modules(__path__, f"{__name__}."):
    importlib.import_module(_module.name)
