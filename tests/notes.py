"""A small dataset of texts, encoded by plugins."""

import numpy as np
import pandas as pd
from click.testing import CliRunner

import encoders
from bench.cli import main
from bench.data.dataset import Dataset
from bench.features.encode import encode

RNG = np.random.default_rng(0)
WORDS = ["".join(RNG.choice(list("abcdefghij折鞋"), RNG.integers(2, 12))) + f"{i}" for i in range(60)]


def notes_of(words: list[str]) -> Dataset:
    """Samples with a text and a number each, and one or two tags, which have a text."""
    frame = pd.DataFrame({
        "id": [f"s{i}" for i in range(60)], "note": words, "size": np.arange(60) % 7,
        "price": [sum(map(ord, word)) % 97 / 97 for word in WORDS], "tag_id": ["a|b", "b", "a"] * 20,
    })  # fmt: skip
    tags = pd.DataFrame({"tag_id": ["a", "b"], "title": ["new in", "unused"]})
    entities = {
        "item": {"text": ["note"], "numeric": ["size"]},
        "tag": {"table": "tags", "id": "tag_id", "many": True, "text": ["title"]},
    }
    return Dataset.from_frames(frame, target="price", entities=entities, tables={"tags": tags})


def encoded(dataset: Dataset, name: str, **how):
    return encode(dataset, {"text": encoders.get("text", name)}, **how)[0]


def bench(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


QUICK = [
    "--fusion", "concat", "--seeds", 1, "--weights", "random", "--backbone", "resnet18", "--device", "cpu",
    "--executor", "inline", "--set", "encoders.image_size=32", "--set", "training.epochs=1",
]  # fmt: skip
