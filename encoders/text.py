"""Text encoders: bert and xlnet (or any Hugging Face text encoder), and hashing, which needs no weights."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import nn

from encoders import packing
from encoders.base import Encoder, Item, UnknownEncoder, within
from encoders.batches import Batching
from encoders.cleaning import CannotClean, check_installed, cleaned, versions
from encoders.decoding import CannotDecode
from encoders.feature import Feature
from encoders.huggingface import HINT, HuggingFace, loading, model_name, quiet
from encoders.registry import register, register_family
from encoders.untrusted import WeightsUnavailable
from encoders.weights import Found

if TYPE_CHECKING:
    from transformers import PretrainedConfig

WORD = re.compile(r"\w+")
PIECE = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+|[^\w\s]")
"""One Chinese character, one word of another script, or one punctuation mark."""
UNREADABLE = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff]")
"""Control characters, but for those that separate words, and halves of surrogate pairs."""
SEPARATORS = re.compile(r"[\x0b\x0c\x1c-\x1f\x85]")
"""Characters that separate words for Python and for few tokenizers."""
POOLINGS = ("mean", "cls")
STEP = 8
"""Tokens from one padded length of texts to the next: with 16, a third of short texts was padding."""


def readable(text: Item) -> str:
    """A text without control characters and halves of characters, which mean nothing and break tokenizers.

    Raises CannotDecode if nothing is left: an empty text is a missing value, not a vector of zeros.
    """
    if not isinstance(text, str):
        raise TypeError(f"a text item must be a str, not {type(text).__name__}")
    text = SEPARATORS.sub(" ", UNREADABLE.sub("", text))
    if not text.strip():
        raise CannotDecode("the text is empty")
    return text


def normalised(text: Item) -> str:
    """A readable text in NFKC form (full-width letters become plain ones), lower case, single spaces."""
    return " ".join(unicodedata.normalize("NFKC", readable(text)).lower().split())


@register("text", "hashing")
class Hashing(Encoder):
    """Counts of character 1- to 3-grams and of words and word pairs, hashed to `width` signed buckets.

    Feature hashing as in Weinberger et al., ICML 2009, bit for bit that of scikit-learn's HashingVectorizer,
    whose ways around one text take longer than the text; L2 norm 1. The characters carry Chinese, which
    writes no spaces between words.

    With `cleaning` only words that are no stop words are counted (`encoders.cleaning`), as the paper cleans
    its texts. That is off by default: counts need it least, and it needs two more packages. Transformers have
    no such option: they were trained on whole sentences, whose function words, negations and punctuation they
    read, and cut words in a way of their own.
    """

    def __init__(self, modality: str, name: str, weights: str, *, width: int = 256, cleaning: bool = False):
        if cleaning:
            try:
                check_installed()
            except CannotClean as error:
                raise UnknownEncoder(str(error)) from None
        super().__init__(modality, name, weights, width=within("width", width, 16, 2**20), cleaning=cleaning)

    @property
    def stamp(self) -> str:
        """``hashing``, or ``hashing (cleaned)``."""
        return f"{self.name} (cleaned)" if self.options["cleaning"] else self.name

    @property
    def source(self) -> str:
        """The versions that decide how texts are cleaned."""
        return versions() if self.options["cleaning"] else ""

    def prepare(self, item: Item) -> Feature:
        """The hashed counts (width,)."""
        from sklearn.utils import murmurhash3_32

        text = normalised(item)
        marked = list(grams(cleaned(text) if self.options["cleaning"] else text))
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
    """Mean of the last hidden state over the tokens of a text, at most `length` of them; or that of CLS.

    With `pooling` "cls" it is the state of the token that BERT puts first, and XLNet last, for the text as a
    whole. Nothing trained it to be a summary unless the weights were fine-tuned, so the mean is the default.

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
    version = 3
    special_tokens = 5
    """Token numbers that the hash leaves free, because models treat some of them (padding) specially."""

    def __init__(
        self, modality: str, name: str, weights: str, *, length: int = 128, pooling: str = POOLINGS[0]
    ):
        if pooling not in POOLINGS:
            raise UnknownEncoder(f"pooling must be one of {', '.join(POOLINGS)}, not {pooling!r:.40}")
        super().__init__(modality, name, weights, length=within("length", length, 1, 2**15), pooling=pooling)

    @property
    def of_cls(self) -> bool:
        """Whether a text's vector is that of its CLS token."""
        return bool(self.options["pooling"] == "cls")

    @property
    def stamp(self) -> str:
        """As for every network; with the pooling, where it is not the mean: ``CLS of bert``."""
        return f"CLS of {super().stamp}" if self.of_cls else super().stamp

    def find_weights(self) -> Found | None:
        """As for every network; the CLS token of random ones says nothing, and there is no vocabulary."""
        found = super().find_weights()
        if found is None and self.of_cls:
            raise WeightsUnavailable(
                f"pooling 'cls' needs pretrained weights of {self.name!r}: get them, or use pooling 'mean'"
            )
        return found

    def default_config(self) -> PretrainedConfig:
        """The published sizes."""
        from transformers import BertConfig, XLNetConfig

        if self.architecture == "bert":
            return BertConfig(vocab_size=21128)
        if self.architecture == "minilm":
            return BertConfig(hidden_size=384, num_hidden_layers=6, intermediate_size=1536)
        return XLNetConfig(vocab_size=32000, d_model=768, n_layer=12, n_head=12, d_inner=3072)

    @cached_property
    def tokenizer(self) -> Any:
        """The one that comes with the weights."""
        assert self.found, "random weights have no tokenizer"
        from transformers import AutoTokenizer

        with loading(self.found.path):
            return AutoTokenizer.from_pretrained(self.found.path, trust_remote_code=False)

    @cached_property
    def room(self) -> int:
        """How many token numbers there are for the hash of random weights."""
        with loading(self.folder or self.name):
            room: int = self.config.vocab_size - self.special_tokens
            if room < 1:
                raise ValueError(f"a vocabulary of {self.config.vocab_size}")
        return room

    def tokenize(self, item: Item, *, cut: bool = True) -> list[int]:
        """The numbers of a text's tokens, as many as are read or all. Raises CannotDecode if it has none."""
        most = self.longest if cut else None
        if self.found is None:
            pieces = PIECE.findall(normalised(item))[:most]
            found = [self.special_tokens + zlib.crc32(piece.encode()) % self.room for piece in pieces]
        else:  # a tokenizer normalises in its own way
            text = readable(item)
            with quiet():
                found = self.tokenizer(text, truncation=cut, max_length=most)["input_ids"]
        if not found:
            raise CannotDecode("the text has no tokens")
        return found

    def remark(self, item: Item) -> str:
        """Whether the text is cut."""
        cut = len(self.tokenize(item, cut=False)) > self.longest
        return f"longer than {self.longest} tokens, and cut there" if cut else ""

    @property
    def cpu_batch(self) -> int:
        """8 texts: 16 are 2 to 10 % faster (bert, 16 to 64 tokens), but one text costs as much as a batch.

        Of texts that are laid end to end 8 of medium length fill a row.
        """
        return 8

    @cached_property
    def packs(self) -> bool:
        """Whether texts are laid end to end on the CPU, which not every network can take."""
        return packing.fits(self.config)

    def build(self) -> nn.Module:
        """As for every network."""
        network = super().build()
        if self.packs:
            packing.prepare(network)
        return network

    def batching(self, device: str) -> Batching:
        """Texts of any length in a row of tokens, or as many of nearly one length as for every network.

        On a device, where bits may depend on other texts, all are padded to the longest of them.
        """
        if device != "cpu":
            return Batching(self.batch, kind=type)
        if self.packs:
            return Batching(packing.ROOM, kind=_rows, size=len, waiting=packing.WAITING)
        return Batching(self.cpu_batch, kind=self._padded)

    @cached_property
    def longest(self) -> int:
        """How many tokens of a text are read: `length`, or fewer if the network has fewer positions."""
        positions = getattr(self.config, "max_position_embeddings", None)
        length: int = self.options["length"]
        return min(length, positions) if isinstance(positions, int) and positions > 0 else length

    def prepare(self, item: Item) -> torch.Tensor:
        """The token numbers (tokens,)."""
        return torch.tensor(self.tokenize(item))

    def outputs(self, network: Callable[..., Any], batch: Sequence[Any], device: str) -> torch.Tensor:
        """The mean over the tokens of each text, or its CLS token: (B, hidden size)."""
        with loading(self.found.path if self.found else self.folder or self.name):
            states = self._states(network, batch, device)
            return torch.stack([self._summary(*both) for both in zip(batch, states, strict=True)])

    def _states(
        self, network: Callable[..., Any], batch: Sequence[torch.Tensor], device: str
    ) -> Sequence[torch.Tensor]:
        """The last hidden state of each text, (tokens, hidden size)."""
        if device == "cpu" and self.packs:
            inputs = packing.end_to_end(batch)
            row: torch.Tensor = network(**inputs).last_hidden_state[0]
            return torch.split_with_sizes(row, inputs[packing.LENGTHS])[: len(batch)]
        most = max(map(len, batch)) if device != "cpu" else self._padded(batch[0])
        inputs = {name: t.to(device) for name, t in packing.padded(batch, most).items()}
        states = network(**inputs).last_hidden_state
        return [of[: len(text)] for of, text in zip(states, batch, strict=True)]

    def _padded(self, text: torch.Tensor) -> int:
        """How many tokens a text is padded to on the CPU, which it alone decides: a multiple of STEP."""
        return max(len(text), min(-(-len(text) // STEP) * STEP, self.longest))

    def _summary(self, text: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        """The mean of the states of a text's tokens, or the state of CLS, wherever that stands."""
        if not self.of_cls:
            return states.mean(dim=0)
        cls = self.tokenizer.cls_token_id
        if cls is None:
            raise WeightsUnavailable(f"the tokenizer of {self.name!r} has no CLS token; use pooling 'mean'")
        return states[(text == cls).to(states.device)].mean(dim=0)


def _rows(text: torch.Tensor) -> int:
    return packing.rows_of(len(text))
