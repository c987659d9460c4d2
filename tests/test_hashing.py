"""The text encoder hashing: the very bits of scikit-learn's HashingVectorizer."""

import random

import numpy as np
import pytest
from sklearn.feature_extraction.text import HashingVectorizer

import encoders
from encoders.text import grams, normalised


def texts() -> list[str]:
    """Chinese, English, emoji, one character, and lengths of up to 300 characters."""
    draw = random.Random(0)
    alphabet = [*map(chr, range(0x4E00, 0x4E00 + 80)), *"abcde XYZ 0189 ,!é😀"]
    lengths = [1, 2, 3, *(draw.randint(4, 300) for _ in range(60))]
    return ["a" + "".join(draw.choices(alphabet, k=length - 1)) for length in lengths]


@pytest.mark.parametrize("width", [16, 256, 4097])
def test_bits_are_those_of_scikit_learn(width):
    encoder = encoders.get("text", "hashing", width=width)
    ours = np.stack([encoder.prepare(text).values for text in texts()])
    vectorizer = HashingVectorizer(n_features=width, analyzer=grams, norm="l2")
    theirs = vectorizer.transform(normalised(text) for text in texts()).toarray().astype(np.float32)
    assert ours.tobytes() == theirs.tobytes()


def test_counts_that_cancel_out_are_zeros(monkeypatch):
    """As in scikit-learn, which leaves a row without length as it is."""
    monkeypatch.setattr("encoders.text.grams", lambda text: iter(["c 7", "c 0"]))
    hashes = {"c 7": 3, "c 0": -3}
    monkeypatch.setattr("sklearn.utils.murmurhash3_32", hashes.__getitem__)
    assert not encoders.get("text", "hashing").prepare("70").values.any()
