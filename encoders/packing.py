"""Texts laid end to end in one row of fixed length, so that none is padded and bits depend on one text alone.

    [text A][text B][text C][filling]   ROOM tokens, or a multiple of it

A row of tokens goes through the linear layers as one matrix, always of the same shape, whose rows do not mix;
attention, where tokens do mix, is computed for each text by itself (`attend`). `bench perf encoders` compares
it with padded batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

ROOM = 256
"""Tokens in a row: with more, few texts leave more of it empty; with fewer, matrices are slower."""
WAITING = 16
"""Rows that are begun before the fullest is embedded: what is left in one, a shorter text may fill."""
ARCHITECTURES = ("bert",)
"""Model types whose positions can be given, and whose attention hands on what it is called with."""
NAME = "end_to_end"
"""Of this attention among those of transformers."""
LENGTHS = "lengths"
"""What a network is called with besides tokens and positions: how many tokens each text in the row has."""


def fits(config: PretrainedConfig) -> bool:
    """Whether a network of this configuration takes texts end to end."""
    return config.model_type in ARCHITECTURES


def prepare(network: nn.Module) -> None:
    """Let a network of transformers take `end_to_end`; padded texts it still takes as ever."""
    _register()
    cast("PreTrainedModel", network).set_attn_implementation(NAME)


def rows_of(tokens: int) -> int:
    """How many times ROOM so many tokens take."""
    return -(-tokens // ROOM)


def end_to_end(texts: Sequence[Tensor]) -> dict[str, Any]:
    """What a network is called with for texts, each token numbers (tokens,), in one row of whole ROOMs."""
    lengths = [len(text) for text in texts]
    filling = rows_of(sum(lengths)) * ROOM - sum(lengths)
    rest = torch.zeros(filling, dtype=torch.long)
    places = [torch.arange(length) for length in lengths]
    return {
        "input_ids": torch.cat([*texts, rest])[None],
        "position_ids": torch.cat([*places, rest])[None],
        LENGTHS: [*lengths, filling] if filling else lengths,
    }


def padded(texts: Sequence[Tensor], most: int) -> dict[str, Tensor]:
    """What any network is called with for texts, each token numbers (tokens,), padded to `most` tokens."""
    inputs = torch.zeros(len(texts), most, dtype=torch.long)  # nothing attends to what is padded
    present = torch.zeros_like(inputs)
    for row, text in enumerate(texts):
        inputs[row, : len(text)], present[row, : len(text)] = text, 1
    return {"input_ids": inputs, "attention_mask": present}


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    lengths: Sequence[int] | None = None,
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """Attention of tokens to those of their own text.

    Args:
        module: the layer, as transformers hands it on.
        query: (1, heads, tokens, D of a head) of a row; (B, heads, tokens, D) without lengths.
        key: the same.
        value: the same.
        attention_mask: that of padded texts.
        scaling: of products.
        dropout: share of weights that is dropped.
        lengths: tokens of each text in the row; None for texts that are padded.
        options: the rest, for padded texts.

    Returns:
        (1, tokens, heads, D), and no weights.
    """
    if lengths is None:
        from transformers import AttentionInterface

        usual = AttentionInterface()["sdpa"]  # type: ignore[no-untyped-call] # theirs is not typed
        padded: tuple[Tensor, Tensor | None] = usual(
            module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **options
        )
        return padded
    # parts of their own lie in memory alike, wherever in the row a text stands
    wholes = (query, key, value)
    texts = zip(*(torch.split_with_sizes(whole, list(lengths), dim=2) for whole in wholes), strict=True)
    attended = [
        scaled_dot_product_attention(
            q.contiguous(), k.contiguous(), v.contiguous(), dropout_p=dropout, scale=scaling
        )
        for q, k, v in texts
    ]
    return torch.cat(attended, dim=2).transpose(1, 2), None


@cache
def _register() -> None:
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, attend)
    masks = AttentionMaskInterface()  # type: ignore[no-untyped-call] # theirs is not typed
    AttentionMaskInterface.register(NAME, masks["sdpa"])
