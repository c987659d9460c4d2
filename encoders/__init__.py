"""Encoders: each turns the raw items of one modality into a vector, or a sequence of vectors, per item.

    encoder = encoders.get("image", "resnet50", weights="auto", size=112)
    for result in encoder.encode(paths): ...        # Feature(values (D,) or (T, D), times), or Undecodable
    encoder.stamp, encoder.fingerprint              # "resnet50 (random)", "3f0c..."

A new encoder is one class: subclass Encoder, decorate it with `register`, check it with
`encoders.testing.check_encoder`. Numbers have no encoder: the trunk of the model turns them into tokens
(`bench.methods.trunk`).
"""

import encoders.torchvision_operators  # noqa: F401, I001 - before anything that may import torchvision
from encoders.batches import embedded
from encoders.base import MODALITIES, Encoder, Item, Network, UnknownEncoder
from encoders.decoding import CannotDecode
from encoders.feature import EncoderFailed, Feature, Undecodable
from encoders.registry import Entry, adopt, entry, get, names, register, weights_present
from encoders.untrusted import WeightsUnavailable
from encoders.weights import WEIGHTS, places

from encoders import audio, image, text, video  # noqa: F401 - they register their encoders

__all__ = [
    "MODALITIES",
    "WEIGHTS",
    "CannotDecode",
    "Encoder",
    "EncoderFailed",
    "Entry",
    "Feature",
    "Item",
    "Network",
    "Undecodable",
    "UnknownEncoder",
    "WeightsUnavailable",
    "adopt",
    "embedded",
    "entry",
    "get",
    "names",
    "places",
    "register",
    "weights_present",
]
