"""The registry of encoders: a decorator adds one, a modality and a name get one."""

from __future__ import annotations

import hashlib
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from encoders.base import IN_HALF, MODALITIES, Encoder, Network, UnknownEncoder
from encoders.feature import EncoderFailed
from encoders.untrusted import WeightsUnavailable, first_line
from encoders.weights import WEIGHTS
from fusions.origin import Place, Registered, load
from fusions.registry import nearest

log = logging.getLogger("encoders")

AT_RANDOM = ":random"
"""The end of a name that asks for random weights, whatever is asked for of the others."""
ENTRY_POINT_GROUP = "fusion_bench.encoders"
"""Other installed packages add encoders by naming a module of theirs under this entry-point group."""

E = TypeVar("E", bound=type[Encoder])


@dataclass(frozen=True)
class Entry(Registered):
    """One registered encoder.

    Attributes:
        cls: the class, made as ``cls(modality, name, weights, **options)``.
        modality: one of MODALITIES.
        name: the name used on the command line.
    """

    home = Path(__file__).resolve().parent

    cls: type[Encoder]
    modality: str
    name: str


class Family(NamedTuple):
    """A class for all further names that it accepts; `hint` tells in an error message which these are."""

    accepts: Callable[[str], bool]
    cls: type[Encoder]
    place: Place
    hint: str


_entries: dict[tuple[str, str], Entry] = {}
_families: dict[tuple[str, str], Family] = {}
"""By modality, and what the names begin with."""
_entry_points_loaded = False


def register(modality: str, *names: str) -> Callable[[E], E]:
    """Class decorator: make an encoder known under these names.

    The same class again, from an edited file or from a notebook's cell, replaces what it was. ::

        @register("audio", "loudness")
        class Loudness(Encoder):
            def prepare(self, item):
                wave = decode(item, seconds=60)
                return Feature(np.array([np.sqrt(np.mean(wave**2))], dtype=np.float32))

    Raises:
        ValueError: a name is taken by another encoder. TypeError: the class is not an Encoder.
        UnknownEncoder: there is no such modality.
    """
    _check_modality(modality)

    def add(cls: E) -> E:
        if not (isinstance(cls, type) and issubclass(cls, Encoder)):
            raise TypeError(f"{cls!r:.80} cannot be registered: it is not a subclass of encoders.Encoder")
        place = Place.of(cls, sys._getframe(1))
        for name in names:
            known = _entries.get((modality, name))
            if known and not place.redefines(known.place):
                raise ValueError(
                    f"{modality} encoder {name!r} is already registered in {known.file}; choose another name"
                )
            adopt(Entry(cls, place, modality, name))
        return cls

    return add


def register_family(
    modality: str, accepts: Callable[[str], bool], hint: str, prefix: str = ""
) -> Callable[[E], E]:
    """Class decorator: use this class for every name that `accepts`, if no encoder has exactly that name.

    A modality has one family at most of names that begin with `prefix`; ValueError if it has one.
    """

    def add(cls: E) -> E:
        if (modality, prefix) in _families:
            raise ValueError(f"there is a family of {modality} encoders already; register a name instead")
        _families[modality, prefix] = Family(accepts, cls, Place.of(cls, sys._getframe(1)), hint)
        return cls

    return add


def adopt(entry: Entry) -> None:
    """Make an encoder known that was registered in another process."""
    _entries[entry.modality, entry.name] = entry


def names(modality: str) -> list[str]:
    """The registered names of a modality, in order of registration."""
    _check_modality(modality)
    _load_entry_points()
    return [name for kind, name in _entries if kind == modality]


def entry(modality: str, name: str) -> Entry:
    """The entry of a name, one of a family included. Raises UnknownEncoder with the nearest name."""
    known, name = names(modality), name.removesuffix(IN_HALF).removesuffix(AT_RANDOM)
    families = {prefix: found for (kind, prefix), found in _families.items() if kind == modality}
    if name in known:
        return _entries[modality, name]
    for prefix in sorted(families, key=len, reverse=True):  # the most special first
        if name.startswith(prefix) and families[prefix].accepts(name):
            return Entry(families[prefix].cls, families[prefix].place, modality, name)
    hints = "".join(family.hint for family in families.values())
    raise UnknownEncoder(
        f"no {modality} encoder {name!r}{nearest(name, known)}; {hints}`bench list encoders` shows all"
    )


def get(modality: str, name: str, weights: str = "auto", **options: Any) -> Encoder:
    """The encoder `name` of a modality; cheap, see Encoder.

    Args:
        modality: one of MODALITIES.
        name: a registered name; for images also any torchvision classification model, and timm/NAME; for
            the other modalities also a Hugging Face name ("owner/model") or a local folder with config.json.
            Weights of one's own are NAME@PATH; torchvision's by name are NAME:WEIGHTS; random ones beside
            pretrained ones are NAME:random. NAME:bfloat16, last of all, computes in that, which is faster
            and moves features by about half a percent.
        weights: "auto" (pretrained if they can be had, else random with one warning), "pretrained" (an error
            if they cannot be had) or "random" (no look-up). Of no effect for encoders without weights.
        **options: options of the encoder, such as ``size`` of an image encoder.

    Raises:
        UnknownEncoder: no such modality, name or option, or a value that the option cannot have.
        ValueError: `weights` is none of the three.
        EncoderFailed: an encoder from outside cannot be made; the message says what it raised.
    """
    if weights not in WEIGHTS:
        raise ValueError(f"weights must be one of {', '.join(WEIGHTS)}, not {weights!r}")
    found = entry(modality, name)
    if name.endswith(IN_HALF):
        encoder = get(modality, name.removesuffix(IN_HALF), weights, **options)
        if not isinstance(encoder, Network) or not encoder.trainable:  # its `embed` is its own
            raise UnknownEncoder(f"{modality} encoder {name!r} has no network that could compute in bfloat16")
        encoder.half = True
        return encoder
    if name.endswith(AT_RANDOM):
        if not issubclass(found.cls, Network):
            raise UnknownEncoder(f"{modality} encoder {name!r} has no weights that could be random")
        name, weights = name.removesuffix(AT_RANDOM), "random"
    for option in options:
        if option not in found.options:
            raise UnknownEncoder(
                f"{modality} encoder {name!r} has no option {option!r}{nearest(option, found.options)}; "
                f"it has: {', '.join(found.options) or 'none'}"
            )
    if found.bundled:
        return found.cls(modality, name, weights, **options)
    try:
        encoder = found.cls(modality, name, weights, **options)
        _ = encoder.title, encoder.asked  # are there unless its __init__ left out the base's
        encoder.code = hashlib.sha256(found.source).hexdigest()
    except (UnknownEncoder, KeyboardInterrupt):
        raise
    except BaseException as error:  # anyone's code, which may do anything
        why = f"{type(error).__name__}: {first_line(error)}"
        raise EncoderFailed(f"{modality} encoder {name!r} cannot be made: {why}") from error
    return encoder


def weights_present() -> dict[str, Path | None]:
    """For each registered encoder that needs weights, where they lie on this machine, or None.

    Weights that are there and damaged are warned of.
    """
    found: dict[str, Path | None] = {}
    for encoder in networks():
        try:
            present = encoder.present()
            found[encoder.name] = present.path if present else None
        except WeightsUnavailable as error:
            log.warning("%s", error)
            found[encoder.name] = None
    return found


def networks() -> Iterator[Network]:
    """Every registered encoder that needs weights; one that cannot be made is warned of."""
    for modality, name in [(kind, known) for kind in MODALITIES for known in names(kind)]:
        if issubclass(entry(modality, name).cls, Network):
            try:
                encoder = get(modality, name)
            except EncoderFailed as error:
                log.warning("%s", error)
                continue
            assert isinstance(encoder, Network)
            yield encoder


def _check_modality(modality: str) -> None:
    if modality not in MODALITIES:
        raise UnknownEncoder(
            f"no modality {modality!r}{nearest(modality, MODALITIES)}; there are: {', '.join(MODALITIES)}"
        )


def _load_entry_points() -> None:
    global _entry_points_loaded
    if not _entry_points_loaded:
        _entry_points_loaded = True
        load(entry_points(group=ENTRY_POINT_GROUP), "encoder", log)
