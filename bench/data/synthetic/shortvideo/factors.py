"""Who posts what, how well music and motion go together, and what follows from it. Knows nothing of files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from bench.data.synthetic.shortvideo import phrase

Levels = NDArray[np.int64]
Values = NDArray[np.float64]

TYPE_SLOPES = {"dance": 2.4, "beauty": 1.2, "comedy": 0.0, "education": -0.8}
"""By how much the logarithm of engagement rises from synchronicity 0 to 1, by influencer type."""
GENRE_SLOPES = {"electronic": 0.6, "pop": 0.3, "hiphop": 0.2, "rock": 0.0, "jazz": -0.4, "reggae": -0.7}
"""What a genre adds to that; 0 on the mean of the genres."""
TYPES, GENRES = tuple(TYPE_SLOPES), tuple(GENRE_SLOPES)
TEMPOS = {
    "electronic": (118, 135), "pop": (95, 128), "hiphop": (80, 100),
    "rock": (110, 160), "jazz": (110, 160), "reggae": (80, 110),
}  # fmt: skip
"""Beats per minute."""
SWINGS = {"hiphop": (0.05, 0.2), "jazz": (0.2, 0.33)}
"""By what share of half a beat its second half comes late; 0 in other genres."""
FOLLOWERS, QUALITY, TEMPO, EVENING = 0.8, 0.5, 0.1, 0.15
"""What a deviation of followers, of quality and of tempo adds to the logarithm of engagement, and 8 pm."""
CONFOUNDED = 0.45
"""Correlation of followers, and of quality, with what decides synchronicity."""
INFLUENCER = 0.25
"""Deviation of what an influencer adds, whatever the video."""
VIRALITY = 4.0
"""Shape of the gamma factor of mean 1 that all counts of a video share: a dispersion of 1 / 4."""
LOG_RATES = {"likes": 6.6, "comments": 3.6, "shares": 4.0, "plays": 9.2}
"""Logarithm of the expected counts where all else is 0."""
VIDEOS_EACH = 4
SECONDS = 6.0, 8.0
LOWEST_SYNC = 0.03


@dataclass(frozen=True)
class Design:
    """n videos of I influencers; each array (n,) if it says nothing else.

    Attributes:
        influencer: row of the influencer.
        type_of: of each influencer, (I,), a position in TYPES.
        genre: a position in GENRES.
        followers, quality: standardised; followers by influencer.
        wanted: the synchronicity that the loss of strokes, phase and tempo is made for.
        losses: how much of the loss comes by dropped strokes, by phase and by tempo, (n, 3); rows sum to 1.
        signs: whether motion is early (-1) or late, and slower (1) or faster, (n, 2).
        tempo: beats per minute of the music.
        swing: share of half a beat.
        seconds: length of the video.
        day: days after the first day; the fraction is the time of the day.
        cut_rate: share of the strokes of motion with a cut.
        first: when the first beat of the music is, in beats.
        intro: beats of quiet intro.
        phrases: sixteenths from the first beat on that have a stroke, of each video.
    """

    influencer: Levels
    type_of: Levels
    genre: Levels
    followers: Values
    quality: Values
    wanted: Values
    losses: Values
    signs: Values
    tempo: Values
    swing: Values
    seconds: Values
    day: Values
    cut_rate: Values
    first: Values
    intro: Levels
    phrases: list[Levels]

    @property
    def types(self) -> Levels:
        """The influencer type of every video."""
        return self.type_of[self.influencer]

    @property
    def slopes(self) -> Values:
        """The slope of log engagement on synchronicity of every video."""
        of_type, of_genre = (np.array(list(s.values())) for s in (TYPE_SLOPES, GENRE_SLOPES))
        return np.asarray(of_type[self.types] + of_genre[self.genre])

    @cached_property
    def strokes(self) -> list[Values]:
        """When the strokes of each video's music are, in seconds; those off the beat as late as it swings."""
        found = []
        for video, sixteenths in enumerate(self.phrases):
            late = np.where(sixteenths % 4 >= 2, self.swing[video] / 2, 0.0)
            at = (self.first[video] + sixteenths / 4 + late) * 60 / self.tempo[video]
            found.append(at[at < self.seconds[video]])
        return found


def design(videos: int, seed: int) -> Design:
    """Draw the factors; types and genres are equally frequent."""
    rng = np.random.default_rng([seed, 0])
    influencers = max(len(TYPES), round(videos / VIDEOS_EACH))
    influencer = _balanced(rng, videos, influencers)
    genre = _balanced(rng, videos, len(GENRES))
    followers = np.clip(rng.standard_normal(influencers), -2.5, 2.5)[influencer]
    quality = np.clip(rng.standard_normal(videos), -2.5, 2.5)
    own = np.sqrt(1 - 2 * CONFOUNDED**2) * rng.standard_normal(videos)
    music = np.random.default_rng([seed, 4])
    rank = norm.cdf(CONFOUNDED * (followers + quality) + own)
    names = [GENRES[g] for g in genre]
    return Design(
        influencer=influencer,
        type_of=_balanced(rng, influencers, len(TYPES)),
        genre=genre,
        followers=followers,
        quality=quality,
        wanted=LOWEST_SYNC + (1 - LOWEST_SYNC) * rank**0.7,
        losses=rng.dirichlet(np.ones(3), videos),
        signs=rng.choice([-1.0, 1.0], (videos, 2)),
        tempo=rng.uniform(*np.transpose([TEMPOS[name] for name in names])),
        swing=rng.uniform(*np.transpose([SWINGS.get(name, (0, 0)) for name in names])),
        seconds=rng.uniform(*SECONDS, videos),
        day=rng.uniform(0, 365, videos),
        cut_rate=rng.uniform(0, 0.4, videos),
        first=rng.uniform(0.1, 1.0, videos),
        intro=rng.choice([0, 0, 2, 4], videos),
        phrases=[phrase.draw(music) for _ in range(videos)],
    )


def _balanced(rng: np.random.Generator, size: int, kinds: int) -> Levels:
    """Numbers 0..kinds-1, each equally often (give or take one), in random order."""
    return rng.permutation(np.arange(size) % kinds)


@dataclass(frozen=True)
class Timing:
    """When things move in one video, and how well that goes with its music.

    Attributes:
        strokes: of the motion, in seconds.
        offset: of the motion in seconds in the middle of the video; positive is late.
        mismatch: by which share the beats of the motion are longer than those of the music.
        dropped: share of the music's strokes without motion.
        synchronicity: in 0 .. 1; see `timing`.
    """

    strokes: Values
    offset: float
    mismatch: float
    dropped: float
    synchronicity: float


def timing(drawn: Design, video: int, seed: int) -> Timing:
    """Put the motion of a video off its music, until little more than the wanted synchronicity is left.

    Synchronicity is the share of the music's strokes that have a motion, times the mean over these of
    cos(2 pi phase), where phase is how far the motion is from its stroke, in beats; 0 if that is negative. A
    constant offset of a quarter beat, or tempos that come apart by one beat over the video, make it 0.
    """
    rng = np.random.default_rng([seed, 1, video])
    music, beat = drawn.strokes[video], 60 / float(drawn.tempo[video])
    kept, in_phase, together = drawn.wanted[video] ** drawn.losses[video]
    early_late, slower_faster = drawn.signs[video]
    phase = early_late * np.arccos(in_phase) / (2 * np.pi)
    apart = np.linspace(0, 1, 1001)
    drift = slower_faster * np.interp(-together, -np.sinc(apart), apart)  # in beats, over the whole video
    middle, seconds = float(drawn.seconds[video]) / 2, float(drawn.seconds[video])
    mismatch = drift * beat / seconds
    moved = middle + (music - middle) * (1 + mismatch) + phase * beat
    has = np.zeros(len(music), dtype=bool)
    has[rng.permutation(len(music))[: max(1, round(kept * len(music)))]] = True
    has &= (moved >= 0) & (moved < seconds)
    near = np.cos(2 * np.pi * (moved - music) / beat)[has]
    synchronicity = max(0.0, float(near.sum()) / len(music))
    return Timing(moved[has], phase * beat, mismatch, 1 - float(has.mean()), synchronicity)


@dataclass(frozen=True)
class Engagement:
    """What people do with the videos.

    Attributes:
        counts: of likes, comments, shares and plays, (n,) each.
        signal: log engagement without chance and what the influencer adds, (n,).
        log_mean: with what the influencer adds, (n,): counts are negative binomial around its exponential.
    """

    counts: dict[str, Levels]
    signal: Values
    log_mean: Values


def engagement(drawn: Design, synchronicity: Values, seed: int) -> Engagement:
    """Draw the counts: a log-linear mean, a gamma factor that all counts of a video share, then Poisson."""
    rng = np.random.default_rng([seed, 2])
    hour = drawn.day % 1 * 24
    signal = (
        drawn.slopes * synchronicity
        + FOLLOWERS * drawn.followers
        + QUALITY * drawn.quality
        + TEMPO * (drawn.tempo - 115) / 20
        + EVENING * np.cos(2 * np.pi * (hour - 20) / 24)
    )
    log_mean = signal + INFLUENCER * rng.standard_normal(len(drawn.type_of))[drawn.influencer]
    viral = rng.gamma(VIRALITY, 1 / VIRALITY, len(signal))
    counts = {name: rng.poisson(viral * np.exp(log_mean + rate)) for name, rate in LOG_RATES.items()}
    return Engagement(counts, signal, log_mean)
