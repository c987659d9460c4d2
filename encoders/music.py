"""What a sound does, step by step: onsets, beats, tempo, harmony, timbre."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from encoders.audio import decode
from encoders.base import Item
from encoders.clock import SECONDS, Clocked, events
from encoders.decoding import CannotDecode
from encoders.feature import Feature
from encoders.media import opened
from encoders.registry import register

HERTZ = 22050
HOP = 441
"""Samples between windows, 20 ms."""
WINDOW, LONG_WINDOW = 1024, 4096
"""Samples in a window: for onsets and timbre, and for harmony."""
BANDS = 20
LOWEST, HIGHEST = 40.0, 8000.0
"""Hz of the mel bands; above, codecs differ."""
FLOOR = 1e-2
"""Smallest power in a band, some 50 dB below a tone of LOUDNESS: below, there is only noise."""
EARLY = 0.012
"""Seconds by which an onset shows before it happens: as soon as the edge of a window reaches it."""
LOUDNESS = 0.1
"""The root mean square that every sound is brought to: how loud it was recorded says nothing."""
SILENCE = 1e-4
"""Root mean square up to which there is nothing to be heard."""
PULSES = 60.0, 200.0
"""Beats per minute among which the tempo is looked for."""
MEMORY = 4.0
"""Seconds that a tempo is measured on."""
PITCHES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
OF_RHYTHM = ("onset", "onset_low", "onset_mid", "onset_high", "pulse", "tempo", "beat_cos", "beat_sin")
COLUMNS = (*OF_RHYTHM, "loudness", "centroid", *PITCHES, *(f"mel_{band}" for band in range(BANDS)), "beat")
"""What the numbers of a step are, in order; see `Music`."""


class Rhythm(NamedTuple):
    """The rhythm of a sound, measured every HOP / HERTZ seconds.

    Attributes:
        at: when, in seconds from the start of the sound, (N,).
        onset: onset strength, of the whole and of low, middle and high bands, (N, 4).
        pulse: how regular the onsets around are, 0 to 1: the peak of their autocorrelation, (N,).
        tempo: the beats per minute of that peak, (N,); 0 where there is no pulse.
        beats: when the beats are, in seconds.
    """

    at: np.ndarray
    onset: np.ndarray
    pulse: np.ndarray
    tempo: np.ndarray
    beats: np.ndarray


def rhythm(bands: np.ndarray) -> Rhythm:
    """The rhythm of the powers of mel bands in decibels (BANDS, N)."""
    import librosa

    parts = librosa.onset.onset_strength_multi(
        S=bands, center=False, channels=[0, BANDS // 4, BANDS // 2, BANDS], sr=HERTZ, hop_length=HOP
    )
    whole = np.maximum(np.diff(bands, axis=1, prepend=bands[:, :1]), 0).mean(axis=0)
    at = np.maximum(np.arange(bands.shape[1]) - 0.5, 0) * HOP / HERTZ + EARLY
    lags = np.arange(int(60 / PULSES[1] * HERTZ / HOP), int(60 / PULSES[0] * HERTZ / HOP) + 1)
    memory = int(MEMORY * HERTZ / HOP)
    similar = librosa.feature.tempogram(
        onset_envelope=whole, win_length=memory, norm=None, sr=HERTZ, hop_length=HOP
    )
    similar = similar / np.maximum(similar[:1], 1e-6)
    best = similar[lags].argmax(axis=0)
    pulse = np.clip(similar[lags].max(axis=0), 0, 1)
    tempo = np.where(pulse > 0, 60 * HERTZ / HOP / lags[best], 0.0)
    _, frames = librosa.beat.beat_track(onset_envelope=whole, trim=False, sr=HERTZ, hop_length=HOP)
    return Rhythm(at, np.stack([whole, *parts], axis=1), pulse, tempo, at[frames])


def phase(beats: np.ndarray, at: np.ndarray) -> np.ndarray:
    """How far the beat has gone at some moments, in beats from the first; NaN where there are not two."""
    if len(beats) < 2:
        return np.full(len(at), np.nan)
    period = float(np.median(np.diff(beats)))
    before = max(0, int(np.ceil((beats[0] - at.min()) / period)))
    after = max(0, int(np.ceil((at.max() - beats[-1]) / period)))
    known = np.concatenate(
        [
            beats[0] - period * np.arange(before, 0, -1),
            beats,
            beats[-1] + period * np.arange(1, after + 1),
        ]
    )
    return np.asarray(np.interp(at, known, np.arange(len(known)) - before))


@register("audio", "music")
class Music(Clocked):
    """A sequence of 43 numbers a step of sound, on the clock of `encoders.clock`; a video's own track too.

    In order: onset strength of the whole and of low, middle and high bands (mean rise of their level in
    decibels per 20 ms); regularity of the onsets (peak of the tempogram, 0 to 1) and its tempo (log2 of beats
    per minute over 120); cosine and sine of the phase of the beat, times the regularity; loudness in tens of
    decibels relative to the whole, spectral centroid in kHz; chroma from C to B; 20 mel bands from 40 to 8000
    Hz in tens of decibels; beats. Beats are those of librosa's tracker (Ellis, 2007). Of silence, rhythm and
    harmony are 0.
    A track that begins later than its file is silent until then.

    Args:
        rate: steps per second.
    """

    library = "librosa", "librosa"

    def prepare(self, item: Item) -> Feature:
        """The steps (T, 43) with their times."""
        wave = sound(Path(item))
        seconds = len(wave) / HERTZ
        bands, spectrum, chroma = _spectra(wave)
        heard = rhythm(bands)
        half = HOP / HERTZ / 2
        turns = 2 * np.pi * phase(heard.beats, heard.at)
        beat = np.nan_to_num(heard.pulse * np.stack([np.cos(turns), np.sin(turns)]))
        tempo = np.log2(np.maximum(heard.tempo, 1) / 120) * (heard.tempo > 0)
        of_rhythm = np.column_stack([heard.onset, heard.pulse, tempo, *beat])
        of_sound = np.column_stack([*spectrum, chroma.T, bands.T / 10])
        windows = np.arange(bands.shape[1]) * HOP / HERTZ
        stretches = [
            (np.maximum(heard.at - half, 0), heard.at + half, of_rhythm),
            (np.maximum(windows - half, 0), windows + half, of_sound),
            events(heard.beats, 2 * half, self.rate),
        ]
        return self.feature(stretches, seconds)


def sound(path: Path) -> np.ndarray:
    """The sound of a file from the file's start, mono, of LOUDNESS, float32 (n,) at HERTZ; silence is 0.

    Raises CannotDecode if the file is broken or has no sound.
    """
    with opened(path, "audio") as media:
        late = media.start
    if late >= SECONDS:
        raise CannotDecode(f"its first {SECONDS:.0f} seconds are without sound")
    wave = decode(path, SECONDS - late, HERTZ)
    level = float(np.sqrt(np.mean(np.square(wave, dtype=np.float64))))
    wave = wave * np.float32(LOUDNESS / level if level > SILENCE else 0)
    return np.pad(wave, (round(late * HERTZ), 0))


def _spectra(wave: np.ndarray) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """Mel bands in decibels (BANDS, N), loudness and centroid (N,) each, chroma (12, N)."""
    import librosa

    wave = np.pad(wave, (0, max(0, LONG_WINDOW - len(wave))))
    power = np.abs(librosa.stft(wave, n_fft=WINDOW, hop_length=HOP)) ** 2
    mel = librosa.feature.melspectrogram(S=power, sr=HERTZ, n_mels=BANDS, fmin=LOWEST, fmax=HIGHEST)
    bands = librosa.power_to_db(mel, amin=FLOOR, top_db=None)
    frequency = librosa.fft_frequencies(sr=HERTZ, n_fft=WINDOW)
    power = power * (frequency <= HIGHEST)[:, None]
    total = power.sum(axis=0)
    centroid = (frequency / 1000) @ power / np.maximum(total, FLOOR)
    fine = np.abs(librosa.stft(wave, n_fft=LONG_WINDOW, hop_length=HOP)) ** 2
    fine[fine < FLOOR] = 0
    chroma = librosa.feature.chroma_stft(S=fine, sr=HERTZ, n_fft=LONG_WINDOW, tuning=0.0)
    return bands, [np.log10(np.maximum(total, FLOOR)), centroid], chroma
