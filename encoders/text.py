"""Text encoders: bert and xlnet (or any Hugging Face text encoder), and hashing, which needs no weights."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch

from encoders.base import Encoder, Item, within
from encoders.decoding import CannotDecode
from encoders.feature import Feature
from encoders.huggingface import HINT, HuggingFace, loading, model_name
from encoders.registry import register, register_family

if TYPE_CHECKING:
    from transformers import PretrainedConfig

WORD = re.compile(r"\w+")
PIECE = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+|[^\w\s]")
"""One Chinese character, one word of another script, or one punctuation mark."""
STEP = 8
"""Tokens from one padded length of texts to the next: with 16, a third of short texts was padding."""


def normalised(text: Item) -> str:
    """NFKC form (full-width letters become plain ones), lower case, single spaces.

    Raises CannotDecode if nothing is left: an empty text is a missing value, not a vector of zeros.
    """
    if not isinstance(text, str):
        raise TypeError(f"a text item must be a str, not {type(text).__name__}")
    text = " ".join(unicodedata.normalize("NFKC", text).lower().split())
    if not text:
        raise CannotDecode("the text is empty")
    return text


@register("text", "hashing")
class Hashing(Encoder):
    """Counts of character 1- to 3-grams and of words and word pairs, hashed to `width` signed buckets.

    Feature hashing as in Weinberger et al., ICML 2009, bit for bit that of scikit-learn's HashingVectorizer,
    whose ways around one text take longer than the text; L2 norm 1. The characters carry Chinese, which
    writes no spaces between words.
    """

    def __init__(self, modality: str, name: str, weights: str, *, width: int = 256):
        super().__init__(modality, name, weights, width=within("width", width, 16, 2**20))

    def prepare(self, item: Item) -> Feature:
        """The hashed counts (width,)."""
        from sklearn.utils import murmurhash3_32

        marked = list(grams(normalised(item)))
        hashes = np.fromiter(map(murmurhash3_32, marked), np.int64, len(marked))
        width: int = self.options["width"]
        counts = np.bincount(np.abs(hashes) % width, np.where(hashes < 0, -1.0, 1.0), width)
        norm = np.sqrt(counts @ counts)  # sums of whole numbers are exact in any order
        return Feature((counts / norm if norm else counts).astype(np.float32))


def grams(text: str) -> Iterator[str]:
    """The 1- to 3-grams of characters, the words and the word pairs of a text, marked by kind."""
    for size in (1, 2, 3):
        for start in range(len(text) - size + 1):
            yield "c " + text[start : start + size]
    words = WORD.findall(text)
    yield from ("w " + word for word in words)
    yield from ("w " + " ".join(pair) for pair in pairwise(words))


@register_family("text", model_name("bert", "xlnet", "minilm"), HINT)
@register("text", "bert", "xlnet", "minilm")
class Transformer(HuggingFace):
    """Mean of the last hidden state over the tokens of a text, at most `length` of them.

    The paper's texts are Chinese: "bert" is google-bert/bert-base-chinese, "xlnet" is hfl/chinese-xlnet-base.
    "minilm" is sentence-transformers/all-MiniLM-L6-v2, small and for English, whose vectors are such means.
    Hugging Face names and folders must hold an encoder whose tokenizer loads from the same place.

    With random weights there is no vocabulary either: each Chinese character, word or punctuation mark is
    hashed (CRC-32) to a token number, which is as good as any other numbering for random embeddings.
    """

    repositories: ClassVar[dict[str, str]] = {
        "bert": "google-bert/bert-base-chinese",
        "xlnet": "hfl/chinese-xlnet-base",
        "minilm": "sentence-transformers/all-MiniLM-L6-v2",
    }
    licences: ClassVar[dict[str, str]] = dict.fromkeys(repositories, "Apache-2.0")
    stand_in = "hashing"
    vocabulary = True
    version = 2
    special_tokens = 5
    """Token numbers that the hash leaves free, because models treat some of them (padding) specially."""

    def __init__(self, modality: str, name: str, weights: str, *, length: int = 128):
        super().__init__(modality, name, weights, length=within("length", length, 1, 2**15))

    def default_config(self) -> PretrainedConfig:
        """The published sizes."""
        from transformers import BertConfig, XLNetConfig

        if self.architecture == "bert":
            return BertConfig(vocab_size=21128)
        if self.architecture == "minilm":
            return BertConfig(hidden_size=384, num_hidden_layers=6, intermediate_size=1536)
        return XLNetConfig(vocab_size=32000, d_model=768, n_layer=12, n_head=12, d_inner=3072)

    @cached_property
    def tokenize(self) -> Callable[[str], list[int]]:
        """From a text to its token numbers."""
        length = self.options["length"]
        if self.found is None:
            with loading(self.folder or self.name):
                room = self.config.vocab_size - self.special_tokens
                if room < 1:
                    raise ValueError(f"a vocabulary of {self.config.vocab_size}")
            return lambda text: [
                self.special_tokens + zlib.crc32(piece.encode("utf-8", "replace")) % room
                for piece in PIECE.findall(text)[:length]
            ]
        from transformers import AutoTokenizer

        with loading(self.found.path):
            tokenizer = AutoTokenizer.from_pretrained(self.found.path, trust_remote_code=False)
        return lambda text: tokenizer(text, truncation=True, max_length=length)["input_ids"]

    @property
    def cpu_batch(self) -> int:
        """8 texts: 16 are 2 to 10 % faster (bert, 16 to 64 tokens), but one text costs as much as a batch."""
        return 8

    @cached_property
    def longest(self) -> int:
        """How many tokens a text may be padded to: `length`, or fewer if the network has fewer positions."""
        positions = getattr(self.config, "max_position_embeddings", None)
        length: int = self.options["length"]
        return min(length, positions) if isinstance(positions, int) and positions > 0 else length

    def prepare(self, item: Item) -> dict[str, torch.Tensor]:
        """The token numbers and which of them are present, both (padded tokens,).

        The text alone decides how far it is padded: to the next multiple of STEP, so that texts of nearly one
        length are embedded together.
        """
        text = normalised(item)
        tokens = self.tokenize(
            text if self.found is None else str(item)
        )  # a tokenizer normalises in its own way
        if not tokens:
            raise CannotDecode("the text has no tokens")
        padding = max(0, min(-(-len(tokens) // STEP) * STEP, self.longest) - len(tokens))
        return {
            "input_ids": torch.tensor(tokens + [0] * padding),  # any number would do: nothing attends to it
            "attention_mask": torch.tensor([1] * len(tokens) + [0] * padding),
        }
