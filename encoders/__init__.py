"""Encoders: each turns the raw items of one modality into a vector, or a sequence of vectors, per item.

    encoder = encoders.get("image", "resnet50", weights="auto", size=112)
    for result in encoder.encode(paths): ...        # Feature(values (D,) or (T, D), times), or Undecodable
    encoder.stamp, encoder.fingerprint              # "resnet50 (random)", "3f0c..."

A new encoder is one class, in a file here or in a plugin: subclass Encoder, decorate it with `register`,
check it with `encoders.testing.check_encoder`. Numbers have no encoder: the trunk of the model turns them
into tokens (`bench.methods.trunk`).
"""

import importlib
import pkgutil

import encoders.torchvision_operators  # noqa: F401 - before anything that may import torchvision
from encoders.base import MODALITIES, Encoder, Item, Network, UnknownEncoder
from encoders.batches import embedded
from encoders.decoding import CannotDecode
from encoders.feature import EncoderFailed, Feature, Undecodable
from encoders.registry import Entry, adopt, entry, get, names, networks, register, weights_present
from encoders.untrusted import WeightsUnavailable
from encoders.weights import GET, WEIGHTS, Found, Offer, bring, places

__all__ = [
    "GET",
    "MODALITIES",
    "WEIGHTS",
    "CannotDecode",
    "Encoder",
    "EncoderFailed",
    "Entry",
    "Feature",
    "Found",
    "Item",
    "Network",
    "Offer",
    "Undecodable",
    "UnknownEncoder",
    "WeightsUnavailable",
    "adopt",
    "bring",
    "embedded",
    "entry",
    "get",
    "names",
    "networks",
    "places",
    "register",
    "weights_present",
]

# importing a module registers its encoders: a new file in this folder is all that a new encoder needs
for _module in pkgutil.iter_modules(__path__, f"{__name__}."):
    importlib.import_module(_module.name)
