"""What a request would have encoded, how long that takes, and which pretrained weights it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import encoders
from bench.data import catalog
from bench.data.dataset import Dataset
from bench.errors import UsageError
from bench.features.forecast import Forecast, forecast
from bench.request import Request, get_encoder, resolve
from bench.workflow import choice_of, variants_of

Row = dict[str, str]
HERE = "yes"


def plan(request: Request, progress: Callable[[str, int, int], None]) -> list[Forecast]:
    """What every encoder of a request has to do, with the time of a few items. Raises BenchError."""
    asked = resolve(request)
    dataset, chosen = _encoders_of(request)
    found = []
    for number, (modality, name) in enumerate(chosen):
        progress("measuring", number, len(chosen))
        try:
            encoder = get_encoder(modality, name, asked.preset)
            found.append(forecast(dataset, modality, encoder, str(asked.device)))
        except encoders.WeightsUnavailable as error:
            raise UsageError(str(error)) from None
    progress("measuring", len(chosen), len(chosen))
    return found


def needed(request: Request) -> list[Row]:
    """The pretrained weights that a request asks for: those of all its encoders that have any."""
    if request.weights == "random":
        return []
    # of random weights nothing is looked for, and no encoder takes the place of another
    _, chosen = _encoders_of(replace(request, weights="random"))
    preset = resolve(request).preset
    made = [(name, get_encoder(modality, name, preset)) for modality, name in chosen]
    return [_row(name, encoder) for name, encoder in made if isinstance(encoder, encoders.Network)]


def known() -> list[Row]:
    """The weights of every encoder that goes by a short name."""
    return [_row(encoder.name, encoder) for encoder in encoders.networks()]


def fetch(names: Sequence[str], folder: Path) -> Iterator[Path]:
    """Bring the weights of encoders into a folder: from this machine, or else from where they are published.

    Raises UsageError for a name that has none, or whose weights are not to be had.
    """
    for name in names:
        yield encoders.bring(_found(name), folder)


def _encoders_of(request: Request) -> tuple[Dataset, list[tuple[str, str]]]:
    """The data of a request, and the modality and name of every encoder that its experiments use."""
    asked, data = resolve(request), request.data
    read = {"allow_links": request.allow_links, **request.data_arguments}
    dataset = data if isinstance(data, Dataset) else catalog.load(data, **read)
    choice = choice_of(asked, dataset.schema)
    sets = [v.encoders for experiment in asked.experiments for v in variants_of(experiment, choice)]
    return dataset, list(dict.fromkeys(pair for chosen in sets for pair in chosen.items()))


def _row(name: str, encoder: encoders.Network) -> Row:
    """What there is to know of an encoder's weights."""
    offer = encoder.offer
    try:
        present = encoder.present()
        here = HERE if present else "no"
    except encoders.WeightsUnavailable as error:
        present, here = None, str(error)
    size = _bytes(present.path) if present else offer.size if offer else 0
    return {
        "modality": encoder.modality,
        "encoder": name,
        "weights": present.stamp if present else offer.label if offer else "",
        "here": here,
        "MB": f"{size / 1e6:.0f}" if size else "",
        "licence": offer.licence if offer else "",
        "from": offer.origin if offer else "",
        "where": str(present.path) if present else "",
    }


def _bytes(path: Path) -> int:
    files = [path] if path.is_file() else [file for file in path.glob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


def _found(name: str) -> encoders.Found:
    """The weights of a name, whichever modality it is of."""
    reasons = []
    for modality in encoders.MODALITIES:
        try:
            encoder = encoders.get(modality, name, weights="pretrained")
        except encoders.UnknownEncoder as error:
            reasons.append(str(error))
            continue
        if not isinstance(encoder, encoders.Network):
            raise UsageError(f"{name} needs no weights.")
        try:
            if encoder.found:
                return encoder.found
        except encoders.WeightsUnavailable as error:
            reasons.insert(0, str(error))
    raise UsageError(f"{reasons[0].partition(encoders.GET)[0]}.")
