"""Writes the dataset's folder: description, tables, media, truth."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd

import bench.data.synthetic.livestream.audio as audio
import bench.data.synthetic.livestream.factors as factors
import bench.data.synthetic.livestream.image as image
import bench.data.synthetic.livestream.numeric as numeric
import bench.data.synthetic.livestream.text as text
import bench.data.synthetic.livestream.video as video
from bench.data.synthetic import new_folder, synthetic
from bench.data.synthetic.livestream.factors import Design, Interaction, Levels, Sales, generator

FEWEST_STREAMS = 20
SEPARATOR = "|"  # between the commodities, and the clips, of one stream

Row = dict[str, str | float]

TEMPLATE = """\
name = "livestream"
description = "{description}"

[target]
column = "sales"
transform = "log10"
unit = "yuan"

[samples]
table = "samples.csv"
id = "id"

[entities.anchor]
table = "anchors.csv"
key = "anchor_id"
text = ["broadCasterField", "categoryName", "nick", "tags"]
image = ["HeadImage"]
numeric = ["avg30DayView", "avgComment", "avgLike", "commentCount", \
"fansCount", "followTopCount", "likeCount", "score"]
log = ["avg30DayView", "avgComment", "avgLike", "commentCount", "fansCount", "followTopCount", "likeCount"]

[entities.commodity]
table = "commodities.csv"
key = "commodity_ids"
many = true
text = ["title", "itemRights", "brandName", "shopName", "categoryName"]
image = ["image"]
numeric = ["couponPrice", "price"]
log = ["couponPrice", "price"]

[entities.room]
text = ["title", "tag"]
image = ["headImage"]
numeric = ["duration"]
log = ["duration"]

[entities.video]
video = ["videos"]

[entities.audio]
audio = ["audios"]
"""
NEVER_EMPTY = ("id", "sales", "anchor_id", "commodity_ids")
IMAGE_COLUMNS = {"anchor": "HeadImage", "commodity": "image", "room": "headImage"}
NUMBERS: dict[str, Callable[[int, np.random.Generator], dict[str, float]]] = {
    "anchor": numeric.anchor,
    "commodity": numeric.commodity,
    "room": numeric.room,
}


@synthetic("livestream", samples="any number (440)", modalities="text, image, numeric, video, audio")
def generate(
    root: Path,
    *,
    streams: int = 440,
    interaction: Interaction = "entity",
    seed: int = 0,
    removed: float = 0.0,
) -> None:
    """Write the dataset to the folder `root`, which must not exist yet (or be empty).

    The same arguments give the same bytes. The folder is written aside, next to `root`, and renamed when
    complete, so that `root` is never half a dataset.

    Args:
        root: where to; folders above it are made as needed.
        streams: how many samples, at least 20.
        interaction: which factors multiply: those within an entity, those of one modality, or none.
        seed: not negative.
        removed: share of the attributes' values that are left empty, drawn at random.

    Raises:
        ValueError: an argument is out of range.
        FileExistsError: `root` exists and is not an empty folder.
    """
    if streams < FEWEST_STREAMS:
        raise ValueError(f"streams is {streams}; the generator needs at least {FEWEST_STREAMS}")
    if interaction not in get_args(Interaction):
        raise ValueError(f"interaction is {interaction!r}; choose from {', '.join(get_args(Interaction))}")
    if not 0 <= removed < 1:
        raise ValueError(f"removed is {removed}; it must be at least 0 and below 1")
    with new_folder(root, seed) as aside:
        _write(aside, streams, interaction, seed, removed)


def _write(root: Path, streams: int, interaction: Interaction, seed: int, removed: float) -> None:
    for folder in ("images", "video", "audio"):
        (root / folder).mkdir()
    drawn = factors.design(streams, seed)
    outcome = factors.sales(drawn, interaction, seed)
    arguments: dict[str, object] = {"streams": streams, "interaction": interaction, "seed": seed}
    arguments |= {"removed": removed} if removed else {}
    tables = {
        "anchors.csv": _entity_rows(root, "anchor", drawn.anchor, seed),
        "commodities.csv": _entity_rows(root, "commodity", drawn.commodity, seed),
        "samples.csv": _sample_rows(root, drawn, outcome, seed),
    }
    for name, rows in tables.items():
        _write_table(root / name, _with_gaps(pd.DataFrame(rows), removed, generator(seed, name, "removed")))
    stated = ", ".join(f"{name}={value}" for name, value in arguments.items())
    description = f"Synthetic live streams with known factors, not real sales (generated with {stated})"
    _write_text(root / "dataset.toml", TEMPLATE.format(description=description))
    truth: dict[str, object] = {"arguments": arguments} | _truth(drawn, outcome, interaction)
    _write_text(root / "truth.json", json.dumps(truth, indent=1) + "\n")


def _write_text(path: Path, content: str) -> None:
    path.write_text(content, encoding="utf-8", newline="\n")


def _write_table(path: Path, table: pd.DataFrame) -> None:
    table.to_csv(path, index=False, encoding="utf-8", lineterminator="\n")


def _with_gaps(table: pd.DataFrame, removed: float, rng: np.random.Generator) -> pd.DataFrame:
    """The table with a share of its cells empty; ids, keys and the target stay."""
    gaps = rng.random(table.shape) < removed
    gaps[:, table.columns.isin(NEVER_EMPTY)] = False
    return table.mask(gaps)


def _entity_rows(root: Path, entity: str, levels: Levels, seed: int) -> list[Row]:
    """The table of an entity with text, image and numbers, from its levels (rows, 3); writes its images."""
    rows: list[Row] = []
    for number, (of_text, of_image, of_numbers) in enumerate(levels.tolist()):
        name = _name(entity, number)
        row: Row = {"id": name}
        for attribute, vocabulary in text.VOCABULARIES[entity].items():
            row[attribute] = text.write(vocabulary, of_text, generator(seed, name, attribute))
        picture = f"images/{name}.jpg"
        image.write(root / picture, entity, of_image, generator(seed, name, "image"))
        row[IMAGE_COLUMNS[entity]] = picture
        row |= NUMBERS[entity](of_numbers, generator(seed, name, "numeric"))
        rows.append(row)
    return rows


def _sample_rows(root: Path, drawn: Design, outcome: Sales, seed: int) -> list[Row]:
    """The table of samples, which is also that of rooms; writes images, video and audio."""
    rows: list[Row] = []
    for stream, of_room in enumerate(_entity_rows(root, "room", drawn.room, seed)):
        name = _sample(stream)
        clips = range(1, 2 + int(generator(seed, name, "clips").integers(factors.MAX_CLIPS)))
        videos = [f"video/{name}-{clip}.mp4" for clip in clips]
        audios = [f"audio/{name}-{clip}.wav" for clip in clips]
        for path in videos:
            video.write(root / path, int(drawn.video[stream, 0]), generator(seed, path))
        for path in audios:
            audio.write(root / path, int(drawn.audio[stream, 0]), generator(seed, path))
        keys: Row = {
            "id": name,
            "sales": float(outcome.yuan[stream]),
            "anchor_id": _name("anchor", int(drawn.anchor_of[stream])),
            "commodity_ids": SEPARATOR.join(_name("commodity", int(item)) for item in drawn.items_of(stream)),
        }
        attributes = {column: value for column, value in of_room.items() if column != "id"}
        rows.append(keys | attributes | {"videos": SEPARATOR.join(videos), "audios": SEPARATOR.join(audios)})
    return rows


def _name(entity: str, number: int) -> str:
    return f"{entity}-{number:05d}"


def _sample(stream: int) -> str:
    return _name("stream", stream)


def _truth(drawn: Design, outcome: Sales, interaction: Interaction) -> dict[str, object]:
    """What is known of the dataset beyond its files; shares are of the variance of the signal."""
    population = factors.population_worth(interaction)
    realised = factors.realised_worth(outcome.parts)
    products = {term: values for term, values in outcome.parts.items() if len(term.factors) > 1}
    in_products = np.var(np.sum(list(products.values()), axis=0)) if products else 0.0
    levels: dict[str, dict[str, int | list[int]]] = {}
    for stream in range(len(outcome.signal)):
        of_stream = {
            "anchor": drawn.anchor[drawn.anchor_of[stream]],
            "commodity": drawn.commodity[drawn.items_of(stream)],
            "room": drawn.room[stream],
            "video": drawn.video[stream],
            "audio": drawn.audio[stream],
        }
        levels[_sample(stream)] = {
            f"{entity}.{modality}": of_stream[entity][..., column].tolist()
            for entity, modalities in factors.FACTORS.items()
            for column, modality in enumerate(modalities)
        }
    return {
        "ceiling_r2": factors.CEILING,
        "ceiling_r2_realised": outcome.ceiling,
        "entity_shares": factors.shapley(population),
        "entity_shares_realised": factors.shapley(realised),
        "leave_one_out": factors.leave_one_out(population),
        "leave_one_out_realised": factors.leave_one_out(realised),
        "interaction_share": sum(term.share for term in products),
        "interaction_share_realised": float(in_products / np.var(outcome.signal)),
        "term_shares": {term.name: term.share for term in outcome.parts},
        "clipped": outcome.clipped,
        "signal": {_sample(stream): float(value) for stream, value in enumerate(outcome.signal)},
        "levels": levels,
    }
