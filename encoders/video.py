"""Video encoders: videomae, and motion, which needs no weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import torch
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from encoders.base import Encoder, Item, evenly
from encoders.decoding import CannotDecode
from encoders.feature import Feature
from encoders.huggingface import HINT, PREPROCESSOR, HuggingFace, loading, model_name
from encoders.image import IMAGENET
from encoders.media import PIXELS, Opened, opened
from encoders.registry import register, register_family
from encoders.timeline import Inexact, Timeline, in_turn
from encoders.untrusted import read_object

if TYPE_CHECKING:
    from transformers import PretrainedConfig

LONG = 3000
"""A video of more frames is sampled from its key frames only: decoding every frame would take minutes."""
FARTHEST = 2.0
"""A stated length is believed up to so many times the time of all frames."""
FRAMES = 16
MOST_PATCHES = 2**16
"""Patches that a video network may see, twenty times those of VideoMAE."""

Reader = Callable[[Opened, list[int]], Iterator[tuple[int, VideoFrame]]]


class Clip(NamedTuple):
    """Chosen frames of a video: their positions, uint8 (F, size, size, 3) in RGB, the length in seconds."""

    positions: np.ndarray
    pixels: np.ndarray
    seconds: float


def decode(path: Path, choose: Callable[[int], list[int]], size: int) -> Clip:
    """Decode the frames that `choose` picks (given how many there are), upright, squeezed to squares.

    At a variable frame rate positions are those of an even one, see `Timeline.slots`: frames are chosen by
    time, and one that stays takes several positions. Raises CannotDecode if the file is broken or no frame of
    it can be decoded.
    """
    with opened(path, "video") as media:
        line = Timeline.of(media)
    keys_only = len(line.keys) > LONG
    positions = choose(int(line.keys.sum()) if keys_only else line.slots)
    places = {position: position if keys_only else line.shown(position) for position in positions}
    wanted = sorted(set(places.values()))
    try:
        taken, stated = _pixels(path, size, in_turn if keys_only else line.jumping, wanted, keys_only)
    except Inexact:
        taken, stated = _pixels(path, size, in_turn, wanted)
    shown = [position for position, place in places.items() if place in taken]
    if not shown:
        raise CannotDecode("it has no frame that can be decoded")
    wrong = line.end and not 0 < stated <= FARTHEST * line.end
    pixels = np.stack([taken[places[position]] for position in shown])
    return Clip(np.array(shown), pixels, line.end if wrong else stated)


def _pixels(
    path: Path, size: int, reader: Reader, wanted: list[int], keys_only: bool = False
) -> tuple[dict[int, np.ndarray], float]:
    """Place -> pixels (size, size, 3) of the wanted frames, and the stated length in seconds."""
    reformatter = VideoReformatter()  # kept over the frames, since making one costs more than using it
    with opened(path, "video") as media:
        if keys_only:
            media.stream.codec_context.skip_frame = "NONKEY"
        taken = {}
        for place, frame in reader(media, wanted):
            small = reformatter.reformat(frame, size, size, "rgb24", interpolation="AREA").to_ndarray()
            # degrees anticlockwise by which the picture is to be turned
            taken[place] = np.rot90(small, round(frame.rotation / 90) % 4)
        return taken, media.duration


@register("video", "motion")
class Motion(Encoder):
    """44 statistics of colour, brightness and motion over up to 16 pairs of neighbouring frames.

    In order: mean and deviation of R, G, B (6); mean and deviation of saturation (2); brightness histogram
    (8); brightness of the four quarters of the picture (4); edge strength across and down (2); change between
    neighbouring frames (6) and between successive pairs (6), each as mean, deviation and the 10, 50, 90 and
    100 % quantile over time of the mean absolute difference in brightness; neighbour change in the four
    quarters (4); slope over the clip of brightness and of neighbour change, deviation over time of brightness
    (3); natural logarithms of 1 + seconds, of 1 + frames, of 1 + contrast (3). Brightness runs from 0 to 1.
    """

    size = 64

    def prepare(self, item: Item) -> Feature:
        """The statistics (44,)."""
        clip = decode(Path(item), pairs, self.size)
        rgb = clip.pixels.astype(np.float64) / 255
        grey = 0.299 * rgb[..., 0] + 0.587 * rgb[..., 1] + 0.114 * rgb[..., 2]  # ITU-R BT.601
        saturation = rgb.max(axis=-1) - rgb.min(axis=-1)
        step = np.abs(np.diff(grey, axis=0))
        neighbours = step[np.diff(clip.positions) == 1]
        leaps = np.abs(np.diff(grey[::2], axis=0))
        level = grey.mean(axis=(1, 2))
        change = neighbours.mean(axis=(1, 2))
        statistics = np.concatenate([
            rgb.mean(axis=(0, 1, 2)), rgb.std(axis=(0, 1, 2)),
            [saturation.mean(), saturation.std()],
            np.histogram(grey, bins=8, range=(0, 1))[0] / grey.size,
            quarters(grey),
            [np.abs(np.diff(grey, axis=2)).mean(), np.abs(np.diff(grey, axis=1)).mean()],
            over_time(change), over_time(leaps.mean(axis=(1, 2))),
            quarters(neighbours),
            [slope(level), slope(change), level.std()],
            np.log1p([clip.seconds, float(clip.positions[-1] + 1), grey.std(axis=(1, 2)).mean()]),
        ])  # fmt: skip
        return Feature(statistics.astype(np.float32))


def pairs(count: int) -> list[int]:
    """Up to 16 evenly spaced positions, each with its successor."""
    chosen = evenly(count, FRAMES)
    return sorted({p for first in chosen for p in (first, first + 1) if p < count})


def quarters(grey: np.ndarray) -> np.ndarray:
    """Means over the four quarters of pictures (F, size, size): (4,); zeros if F is 0."""
    if not len(grey):
        return np.zeros(4)
    half = grey.shape[1] // 2
    means: np.ndarray = grey.mean(axis=0).reshape(2, half, 2, half).mean(axis=(1, 3)).ravel()
    return means


def over_time(series: np.ndarray) -> np.ndarray:
    """Mean, deviation and quantiles of a series: (6,); zeros if it is empty (a video of one frame)."""
    if not len(series):
        return np.zeros(6)
    return np.array([series.mean(), series.std(), *np.quantile(series, [0.1, 0.5, 0.9, 1.0])])


def slope(series: np.ndarray) -> float:
    """Least-squares change of a series from its first to its last value."""
    if len(series) < 2:
        return 0.0
    time = np.linspace(-0.5, 0.5, len(series))
    return float((time * (series - series.mean())).sum() / (time**2).sum())


@register_family("video", model_name("videomae"), HINT)
@register("video", "videomae")
class VideoMAE(HuggingFace):
    """Mean of the last hidden state of VideoMAE over 16 evenly spaced frames of 224 x 224 pixels.

    "videomae" is MCG-NJU/videomae-base (Tong et al., NeurIPS 2022). Shorter videos repeat frames.
    Mean and deviation of the colours are those that the weights bring (preprocessor_config.json); the whole
    frame is squeezed to a square, where their own processor would cut off its ends.

    Args:
        sequence: a feature for every tubelet of two frames, the mean over the picture, with its time.
    """

    repositories: ClassVar[dict[str, str]] = {"videomae": "MCG-NJU/videomae-base"}
    licences: ClassVar[dict[str, str]] = {"videomae": "CC-BY-NC-4.0"}
    stand_in = "motion"
    model_types = ("videomae",)
    batch = 32

    def __init__(self, modality: str, name: str, weights: str, *, sequence: bool = False):
        super().__init__(modality, name, weights, sequence=sequence)

    @property
    def stamp(self) -> str:
        """As for every network; ``tubelets of NAME`` for a sequence."""
        return f"tubelets of {super().stamp}" if self.options["sequence"] else super().stamp

    def default_config(self) -> PretrainedConfig:
        """The published base size."""
        from transformers import VideoMAEConfig

        return VideoMAEConfig()

    def check_size(self, config: PretrainedConfig) -> None:
        """As for every network, whose table of positions is computed even if it is only laid out."""
        patches = (config.image_size // config.patch_size) ** 2 * config.num_frames
        if not 0 < patches <= MOST_PATCHES or not 0 < config.image_size**2 * config.num_frames <= PIXELS:
            raise ValueError(f"{config.num_frames} frames of {config.image_size} pixels square")
        super().check_size(config)

    def prepare(self, item: Item) -> dict[str, torch.Tensor]:
        """The frames (frames, 3, size, size)."""
        frames = self.config.num_frames
        clip = decode(Path(item), lambda count: evenly(count, frames), self.config.image_size)
        pixels = clip.pixels[np.arange(frames) * len(clip.pixels) // frames]
        mean, std = (np.array(s, dtype=np.float32) for s in self.statistics)
        values = torch.from_numpy((pixels.astype(np.float32) / 255 - mean) / std).permute(0, 3, 1, 2)
        prepared = {"pixel_values": values.contiguous()}
        return prepared | {"seconds": torch.tensor(clip.seconds)} if self.options["sequence"] else prepared

    def outputs(
        self, network: Callable[..., Any], batch: Sequence[Mapping[str, torch.Tensor]], device: str
    ) -> torch.Tensor:
        """The mean over all tubelets (B, hidden size), or over the picture, (B, tubelets, hidden size)."""
        if not self.options["sequence"]:
            return super().outputs(network, batch, device)
        pixels = [{"pixel_values": item["pixel_values"]} for item in batch]
        states = self.states(network, pixels, device)
        count = self.config.num_frames // self.config.tubelet_size
        return states.reshape(len(batch), count, -1, states.shape[-1]).mean(dim=2)

    def embed(self, batch: Sequence[Mapping[str, torch.Tensor]], device: str) -> list[Feature]:
        """As of every network; of a sequence with the times of tubelets."""
        features = super().embed(batch, device)
        if not self.options["sequence"]:
            return features
        count = self.config.num_frames // self.config.tubelet_size
        middles = (np.arange(count) + 0.5) / count
        lengths = [float(item["seconds"]) for item in batch]
        return [
            Feature(feature.values, middles * seconds if seconds > 0 else None)
            for feature, seconds in zip(features, lengths, strict=True)
        ]

    @cached_property
    def statistics(self) -> tuple[list[float], list[float]]:
        """Mean and standard deviation of the colour channels that the weights expect."""
        mean, std = map(list, IMAGENET)
        if self.found is None or not (self.found.path / PREPROCESSOR).is_file():
            return mean, std
        with loading(self.found.path / PREPROCESSOR):
            said = read_object(self.found.path / PREPROCESSOR)
            found = [
                [float(x) for x in said.get(key, own)]
                for key, own in (("image_mean", mean), ("image_std", std))
            ]
            if (
                not all(len(values) == 3 for values in found)
                or not np.isfinite(found).all()
                or min(found[1]) <= 0
            ):
                raise ValueError(f"a mean of {found[0]} and a deviation of {found[1]}")
        return found[0], found[1]
