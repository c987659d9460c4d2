"""Short sounds whose level is their pitch, loudness and pulse."""

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE = 8000
SAMPLES = 12_000  # 1.5 s
LOWEST_PITCH = 140.0  # Hz; four semitones a level, 560 Hz at the top
FULL_SCALE = 32767


def render(level: int, rng: np.random.Generator) -> NDArray[np.int16]:
    """A pulsing tone with two overtones: (12000,) 16-bit samples at 8 kHz."""
    seconds = np.arange(SAMPLES) / RATE
    pitch = LOWEST_PITCH * 2 ** (level / 3) * rng.uniform(0.99, 1.01)
    harmonics = np.array([1.0, rng.uniform(0.3, 0.5), rng.uniform(0.1, 0.25)])
    phases = rng.uniform(0, 2 * np.pi, size=3)
    multiples = np.arange(1, 4)[:, None]
    tone = harmonics @ np.sin(2 * np.pi * pitch * multiples * seconds + phases[:, None])
    pulses = (2 + level) * seconds + rng.random()
    tone *= 0.6 + 0.4 * np.cos(2 * np.pi * pulses)
    loudness = 0.02 * 1.5**level  # root mean square of full scale: 0.02 to 0.23
    tone *= loudness / np.sqrt(np.mean(tone**2))
    tone += rng.normal(0, 0.002, size=SAMPLES)
    samples: NDArray[np.int16] = np.rint(np.clip(tone, -1, 1) * FULL_SCALE).astype(np.int16)
    return samples


def write(path: Path, level: int, rng: np.random.Generator) -> None:
    """Write a sound as mono 16-bit WAV."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(render(level, rng).astype("<i2").tobytes())
