"""Audio encoders: wav2vec2, and logmel, which needs no weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import av
import numpy as np
import torch

from encoders.base import Encoder, Item
from encoders.decoding import CannotDecode
from encoders.feature import Feature
from encoders.huggingface import HINT, PREPROCESSOR, HuggingFace, loading, model_name
from encoders.media import opened
from encoders.registry import register, register_family

if TYPE_CHECKING:
    from scipy.sparse import csr_array
    from transformers import PretrainedConfig, Wav2Vec2FeatureExtractor

RATE = 16000
WINDOW, HOP, BANDS = 400, 160, 40
"""Samples in a window and between windows (25 ms and 10 ms at 16 kHz), and mel bands."""
WINDOW_SECONDS, LONGEST_SECONDS = 10.0, 600.0
"""Length of what a network hears at once, and of all that it hears."""
HEARD = range(4000, 96001)
"""Sampling rates in Hz that weights may ask for."""
FLOOR = 1e-10
"""Smallest power, -100 dB: digital silence has no logarithm."""


def decode(path: Path, seconds: float, rate: int = RATE) -> np.ndarray:
    """Read the sound of an audio or video file: mono, resampled, float32 (n,), where 1 is full scale.

    Channels are mixed as in ITU-R BS.775: left and right count 0.707, the centre 1, those behind 0.5 and the
    bass channel nothing. So stereo of equal channels is 3 dB louder than either, and may exceed full scale;
    what is said in the centre is as loud as it is alone. At most the first `seconds` are read.

    Raises CannotDecode if the file is broken or has no sample.
    """
    limit = int(seconds * rate)
    chunks, read, frame = [], 0, None
    with opened(path, "audio") as media:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
        for frame in media.frames():
            for piece in resampler.resample(frame):
                chunks.append(piece.to_ndarray()[0])
                read += piece.samples
            if read >= limit:
                break
        else:
            if frame is not None:  # what the resampler still holds back
                chunks.extend(piece.to_ndarray()[0] for piece in resampler.resample(None))
    if not chunks:
        raise CannotDecode("it has no sample")
    return np.concatenate(chunks)[:limit]


@cache
def mel_filters() -> csr_array:
    """Triangular filters (BANDS, WINDOW // 2 + 1), evenly spaced from 0 to 8 kHz on the mel scale.

    The mel scale of HTK, 2595 log10(1 + f / 700). Sparse, so that their product with a spectrum has one fixed
    order of summation; a dense product's last bits depend on the BLAS and its threads.
    """
    from scipy.sparse import csr_array

    top = 2595 * np.log10(1 + RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, BANDS + 2) / 2595) - 1)
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    frequency = np.fft.rfftfreq(WINDOW, 1 / RATE)
    return csr_array(
        np.clip(
            np.minimum((frequency - left) / (centre - left), (right - frequency) / (right - centre)), 0, None
        )
    )


@register("audio", "logmel")
class LogMel(Encoder):
    """133 statistics of the first minute of sound: log-mel bands, loudness, brightness, rhythm.

    In order: mean (40), deviation (40) and deviation of the change per window (40) of the log10 power in
    each mel band; loudness in tens of dB as mean, deviation and the 5, 50 and 95 % quantile (5); zero
    crossings per sample, mean and deviation (2); spectral centroid in kHz, mean and deviation (2); strength
    and lag in seconds of the strongest beat between 0.25 s and 2 s, from the autocorrelation of the onset
    strength (2); mean onset strength (1); logarithm of 1 + seconds (1).
    """

    seconds = 60.0

    def prepare(self, item: Item) -> Feature:
        """The statistics (133,)."""
        wave = decode(Path(item), self.seconds).astype(np.float64)
        length = len(wave) / RATE
        wave = np.pad(wave, (0, max(0, WINDOW - len(wave))))
        windows = np.lib.stride_tricks.sliding_window_view(wave, WINDOW)[::HOP]
        power = np.abs(np.fft.rfft(windows * np.hanning(WINDOW), axis=1)) ** 2 / WINDOW
        mel = np.log10(np.maximum((mel_filters() @ power.T).T, FLOOR))
        change = np.diff(mel, axis=0, prepend=mel[:1])
        onset = np.maximum(change, 0).mean(axis=1)
        loudness = np.log10(np.maximum((windows**2).mean(axis=1), FLOOR))
        crossings = (np.diff(np.signbit(windows), axis=1)).mean(axis=1)
        frequency = np.fft.rfftfreq(WINDOW, 1 / RATE) / 1000
        centroid = (power * frequency).sum(axis=1) / np.maximum(power.sum(axis=1), FLOOR)
        statistics = np.concatenate([
            mel.mean(axis=0), mel.std(axis=0), change.std(axis=0),
            [loudness.mean(), loudness.std()], np.quantile(loudness, [0.05, 0.5, 0.95]),
            [crossings.mean(), crossings.std(), centroid.mean(), centroid.std()],
            beat(onset),
            [onset.mean(), np.log1p(length)],
        ])  # fmt: skip
        return Feature(statistics.astype(np.float32))


def beat(onset: np.ndarray) -> tuple[float, float]:
    """Strength (at most 1) and lag in seconds of the strongest beat; zeros for sound too short or steady."""
    first, last = int(0.25 * RATE / HOP), min(int(2 * RATE / HOP), len(onset) // 2)
    centred = onset - onset.mean()
    energy = (centred**2).sum()
    if last <= first or energy < FLOOR:
        return 0.0, 0.0
    strength = [(centred[lag:] * centred[:-lag]).sum() / energy for lag in range(first, last)]
    best = int(np.argmax(strength))
    return float(strength[best]), (first + best) * HOP / RATE


@register_family("audio", model_name("wav2vec2"), HINT)
@register("audio", "wav2vec2")
class Wav2Vec2(HuggingFace):
    """Mean over time of the last hidden state of wav2vec 2.0 (or HuBERT).

    "wav2vec2" is facebook/wav2vec2-base (Baevski et al., NeurIPS 2020). Sound is mono and, unless weights say
    otherwise (preprocessor_config.json), at 16 kHz and normalised to mean 0 and variance 1. What is longer
    than WINDOW_SECONDS is heard in windows of equal length, as few as possible, each normalised by itself;
    the feature is the mean over them. Beyond LONGEST_SECONDS nothing is heard. Longer ones are counted.

    Args:
        sequence: a feature for every frame of 20 ms, with its time, in place of their mean.
    """

    repositories: ClassVar[dict[str, str]] = {"wav2vec2": "facebook/wav2vec2-base"}
    licences: ClassVar[dict[str, str]] = {"wav2vec2": "Apache-2.0"}
    stand_in = "logmel"
    model_types = ("wav2vec2", "hubert")
    batch = 64
    version = 2

    def __init__(self, modality: str, name: str, weights: str, *, sequence: bool = False):
        super().__init__(modality, name, weights, sequence=sequence)

    @property
    def stamp(self) -> str:
        """As for every network; ``frames of NAME`` for a sequence."""
        return f"frames of {super().stamp}" if self.options["sequence"] else super().stamp

    def default_config(self) -> PretrainedConfig:
        """The published base size."""
        from transformers import Wav2Vec2Config

        return Wav2Vec2Config()

    @cached_property
    def extractor(self) -> Wav2Vec2FeatureExtractor:
        """The preprocessing that the weights bring, or that of the published base size."""
        from transformers import Wav2Vec2FeatureExtractor

        if self.found is None or not (self.found.path / PREPROCESSOR).is_file():
            return Wav2Vec2FeatureExtractor()  # type: ignore[no-untyped-call] # theirs is not typed
        with loading(self.found.path / PREPROCESSOR):
            extractor = Wav2Vec2FeatureExtractor.from_pretrained(self.found.path)
            if extractor.sampling_rate not in HEARD:
                raise ValueError(f"a sampling rate of {extractor.sampling_rate}")
        return extractor

    def prepare(self, item: Item) -> dict[str, torch.Tensor]:
        """The wave in windows (windows, samples)."""
        rate = self.extractor.sampling_rate
        wave = decode(Path(item), LONGEST_SECONDS, rate)
        count = math.ceil(len(wave) / (WINDOW_SECONDS * rate))
        # its first frame sees 400 samples
        length = max(WINDOW, len(wave) // count)
        wave = np.pad(wave, (0, max(0, length - len(wave))))
        windows = list(wave[: count * length].reshape(count, length))
        values = self.extractor(windows, sampling_rate=rate, return_tensors="np").input_values
        return {"input_values": torch.from_numpy(np.asarray(values, dtype=np.float32))}

    def outputs(
        self, network: Callable[..., Any], batch: Sequence[Mapping[str, torch.Tensor]], device: str
    ) -> torch.Tensor:
        """The mean over all windows, which are heard one after the other: (B, hidden size).

        Or all their frames, (B, frames, hidden size).
        """
        count = len(batch[0]["input_values"])
        heard = ([{"input_values": item["input_values"][n]} for item in batch] for n in range(count))
        if self.options["sequence"]:
            return torch.cat([self.states(network, window, device) for window in heard], dim=1)
        windows = torch.stack([super(Wav2Vec2, self).outputs(network, window, device) for window in heard])
        total: torch.Tensor = reduce(torch.add, windows)
        return total / count

    def embed(self, batch: Sequence[Mapping[str, torch.Tensor]], device: str) -> list[Feature]:
        """As of every network; of a sequence with the times of frames."""
        features = super().embed(batch, device)
        if not self.options["sequence"]:
            return features
        count, samples = batch[0]["input_values"].shape
        seconds, frames = count * samples / self.extractor.sampling_rate, len(features[0].values)
        times = (np.arange(frames) + 0.5) * seconds / frames
        return [Feature(feature.values, times) for feature in features]

    def remark(self, item: Item) -> str:
        """Whether the sound is heard in windows, or not to its end, as far as the file states its length."""
        with opened(Path(item), "audio") as media:
            seconds = media.duration
        if seconds > LONGEST_SECONDS:
            return f"longer than {LONGEST_SECONDS:.0f} s, and heard until then, in windows"
        return f"longer than {WINDOW_SECONDS:.0f} s, and heard in windows" if seconds > WINDOW_SECONDS else ""
