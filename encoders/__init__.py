"""Encoders: each turns the raw items of one modality into one feature vector per item.

    encoder = encoders.get("image", "resnet50", weights="auto", size=112)
    for result in encoder.encode(paths): ...        # np.ndarray float32 (D,), or Undecodable(reason)
    encoder.stamp, encoder.fingerprint              # "resnet50 (random)", "3f0c..."

Numbers have no encoder: the trunk of the model turns them into tokens (`bench.methods.trunk`).
"""

import encoders.torchvision_operators  # noqa: F401, I001 - before anything that may import torchvision
from encoders.base import (
    MODALITIES,
    Encoder,
    Undecodable,
    UnknownEncoder,
    get,
    names,
    register,
    weights_present,
)
from encoders.untrusted import WeightsUnavailable
from encoders.weights import WEIGHTS, places

from encoders import audio, image, text, video  # noqa: F401 - they register their encoders

__all__ = [
    "MODALITIES",
    "WEIGHTS",
    "Encoder",
    "Undecodable",
    "UnknownEncoder",
    "WeightsUnavailable",
    "get",
    "names",
    "places",
    "register",
    "weights_present",
]
