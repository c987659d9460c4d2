"""A network that tells whether music and motion belong together, step by step, at every lag.

    h_m = encoder_m(conv_m(motion)),  h_a = encoder_a(conv_a(music))           (B, T, d)
    e[t, l] = q(h_m[t]) . k(h_a[t + l]) / sqrt(d)             music -> motion: motion asks, music answers
    e'[t, l] = q'(h_a[t]) . k'(h_m[t - l]) / sqrt(d)          motion -> music: music asks, motion answers

As in MulT, a temporal convolution makes tokens of each sequence and crossmodal attention relates them; the
encoders are MulT's own (`fusions.mult.CrossmodalEncoder`, reading itself, within a window), and e are the
scores of crossmodal attention before their softmax over the lags l of a window: where a moment of motion
looks in the music. A pair is synchronous as far as it looks at the same moment.

Nothing here knows what time it is: convolutions are cut to where they see whole windows and no position is
added. Otherwise two sequences that begin together would give the answer away (measured: with positions, lag
0 is found in every video, however little its music goes with its motion; as it is, music of other videos has
no more evidence at lag 0 than at others).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from encoders.motion import COLUMNS as MOTION
from encoders.music import COLUMNS as MUSIC
from encoders.music import PITCHES
from fusions.base import Group
from fusions.mult import CrossmodalEncoder

LAGS = 20
"""Steps either way at which music and motion are compared: 1.33 s, so that of music that is a second off,
what is around the true lag is still in view."""
HEARD = tuple(name for name in MUSIC if name not in (*PITCHES, "beat"))
"""Of music: not its harmony, which says little of when something moves, nor the tracker's guess of beats."""
SEEN = ("difference", "acceleration", "impact", "turn", "cut")
"""Of motion: what happens at a moment. How fast it is says more of the video than of the moment."""
LARGEST = 6.0
"""Standardised numbers are cut off here."""
CONTEXT = 4
"""Steps on either side of a step that the convolution of music sees, and most that any does."""
LONG = 512
"""Steps that attention is computed on at a time."""
CLOSE = 2
"""The same of motion, which is over sooner."""


class Sequences(NamedTuple):
    """Music (B, T, 43) and motion (B, T, 24) of one clock, and how many steps each pair has, (B,)."""

    music: Tensor
    motion: Tensor
    lengths: Tensor


class Evidence(NamedTuple):
    """How well moments go together at every lag.

    Attributes:
        values: (B, T', 2 LAGS + 1), 0 where there is nothing to compare with.
        known: the same shape, whether there is.
    """

    values: Tensor
    known: Tensor

    @property
    def mean(self) -> Tensor:
        """(B, 2 LAGS + 1) over the steps that can be compared."""
        return self.values.sum(1) / self.known.sum(1).clamp(min=1)


class Stream(nn.Module):
    """Tokens of one sequence, with what is around them.

    Args:
        names: of all numbers of a step; those in `used` are seen.
        used: the names that matter.
        dim: width d.
        context: steps on either side that the convolution sees, at most CONTEXT.
        window: steps on either side that the encoder sees.
        heads: attention heads.
        dropout: of numbers, channels and branches.
    """

    mean: Tensor
    scale: Tensor
    columns: Tensor

    def __init__(
        self,
        names: tuple[str, ...],
        used: tuple[str, ...],
        *,
        dim: int,
        context: int,
        window: int,
        heads: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.register_buffer("columns", torch.tensor([names.index(name) for name in used]))
        self.register_buffer("mean", torch.zeros(len(used)))
        self.register_buffer("scale", torch.ones(len(used)))
        self.unseen = CONTEXT - context
        self.convolution = nn.Conv1d(len(used), dim, 2 * context + 1)
        self.encoder = CrossmodalEncoder(
            dim, heads, 1, dropout, ordered=False, source_ordered=False, causal=False, window=window
        )
        self.dropout = nn.Dropout(dropout)

    def fit_scale(self, rows: Tensor) -> None:
        """Take mean and deviation of steps (N, D) of the training part."""
        seen = rows[:, self.columns]
        self.mean.copy_(seen.mean(0))
        self.scale.copy_(1 / seen.std(0).clamp(min=1e-6))

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D) and which tokens are present (B, T') -> (B, T' = T - 2 CONTEXT, d).

        What is long is done piece by piece; as nothing sees far, that changes nothing.
        """
        reach = self.encoder.window or 0
        pieces = []
        for start in range(0, mask.shape[1], LONG):
            low, high = max(0, start - reach), min(mask.shape[1], start + LONG + reach)
            tokens = self._encoded(values[:, low : high + 2 * CONTEXT], mask[:, low:high])
            pieces.append(tokens[:, start - low : start - low + LONG])
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=1)

    def _encoded(self, values: Tensor, mask: Tensor) -> Tensor:
        values = values[:, self.unseen : values.shape[1] - self.unseen]
        seen = ((values[..., self.columns] - self.mean) * self.scale).clamp(-LARGEST, LARGEST)
        tokens = F.gelu(self.convolution(self.dropout(seen).transpose(1, 2))).transpose(1, 2)
        out: Tensor = self.encoder(Group(tokens, mask))[0]
        return out


class SynchronyNetwork(nn.Module):
    """Evidence for every lag, in both directions.

    Args:
        dim: width d.
        heads: attention heads of the encoders.
        dropout: everywhere.
        music_window, motion_window: steps on either side that the encoders see.
    """

    def __init__(
        self,
        dim: int = 24,
        heads: int = 4,
        dropout: float = 0.3,
        music_window: int = 8,
        motion_window: int = 3,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.music = Stream(
            MUSIC, HEARD, dim=dim, context=CONTEXT, window=music_window, heads=heads, dropout=dropout
        )
        self.motion = Stream(
            MOTION, SEEN, dim=dim, context=CLOSE, window=motion_window, heads=heads, dropout=dropout
        )
        self.ask_motion, self.answer_music = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.ask_music, self.answer_motion = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def fit_scale(self, music: Tensor, motion: Tensor) -> None:
        """Standardise by steps of the training part, (N, 43) and (N, 24)."""
        self.music.fit_scale(music)
        self.motion.fit_scale(motion)

    def directions(
        self, music: Tensor, motion: Tensor, music_mask: Tensor, motion_mask: Tensor
    ) -> tuple[Evidence, Evidence]:
        """Evidence of tokens: music -> motion, by steps of motion; motion -> music, by steps of music.

        Of both, lag l means the music l steps after the motion.
        """
        to_motion = compare(self.ask_motion(motion), self.answer_music(music), motion_mask, music_mask)
        backwards = compare(self.ask_music(music), self.answer_motion(motion), music_mask, motion_mask)
        return to_motion, Evidence(backwards.values.flip(-1), backwards.known.flip(-1))

    def forward(self, pairs: Sequences) -> tuple[Evidence, Evidence]:
        """Evidence of pairs, (B, T', lags) each direction."""
        mask = present(pairs.lengths, pairs.music.shape[1])
        return self.directions(self.music(pairs.music, mask), self.motion(pairs.motion, mask), mask, mask)


def present(lengths: Tensor, steps: int) -> Tensor:
    """(B, steps - 2 CONTEXT): which tokens of sequences (B, steps, D) there are."""
    return torch.arange(steps - 2 * CONTEXT) < (lengths - 2 * CONTEXT)[:, None]


def compare(queries: Tensor, keys: Tensor, query_mask: Tensor, key_mask: Tensor) -> Evidence:
    """Scores of attention from steps (B, T, d) to the steps (B, T, d) at most LAGS away, in order of lag."""
    keys, key_mask = F.pad(keys, (0, 0, LAGS, LAGS)), F.pad(key_mask, (LAGS, LAGS))
    known = key_mask.unfold(1, 2 * LAGS + 1, 1) & query_mask.unsqueeze(-1)
    pieces = []
    for start in range(0, queries.shape[1], LONG):
        asked = queries[:, start : start + LONG]
        pieces.append(_band(asked @ keys[:, start : start + asked.shape[1] + 2 * LAGS].transpose(1, 2)))
    scores = torch.cat(pieces, dim=1) * queries.shape[-1] ** -0.5
    return Evidence(scores * known, known)


def _band(table: Tensor) -> Tensor:
    """Of (B, T, T + 2 LAGS) the entries (t, t + l), l from 0 to 2 LAGS: (B, T, 2 LAGS + 1)."""
    batch, steps, width = table.shape
    # a row that is one entry longer begins one entry later each time
    skewed = F.pad(table.flatten(1), (0, steps)).view(batch, steps, width + 1)
    return skewed[..., : 2 * LAGS + 1]
