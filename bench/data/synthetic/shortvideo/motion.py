"""Pictures that move on given beats: shapes and a stick figure, in front of textures, by a shaky camera."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.motion import opencv

Values = NDArray[np.float64]
Picture = NDArray[np.uint8]

WIDTH, HEIGHT, RATE = 160, 96, 30
MARGIN = 12
"""Pixels that the background is larger on every side, for the camera to shake."""
SHAPES = 2
DECAY = 0.12
"""Seconds after which a burst of speed has fallen to a third."""
JOINTS = 8
"""Angles of shoulders, elbows, hips and knees."""


class Dance(NamedTuple):
    """What is to move, and how it is filmed.

    Attributes:
        seconds: length.
        beats: when to move, in seconds.
        cuts: which of the beats cut to another scene.
        shake: pixels that the camera shakes by.
    """

    seconds: float
    beats: Values
    cuts: NDArray[np.bool_]
    shake: float


def render(dance: Dance, rng: np.random.Generator) -> Iterator[Picture]:
    """The frames (96, 160, 3), 30 a second: on every beat, all that moves speeds up and turns."""
    at = np.arange(int(dance.seconds * RATE)) / RATE
    paths = [_path(at, dance.beats, rng) for _ in range(SHAPES)]
    spins = [np.cumsum(_speed(at, dance.beats, 0.3, 6.0)) / RATE for _ in range(SHAPES)]
    poses, stand = _poses(at, dance.beats, rng), _path(at, dance.beats, rng, reach=0.25)
    shake = _wander(len(at), 3, dance.shake, rng)
    light = 1 + _wander(len(at), 20, 0.08, rng)[:, 0] + 0.15 * (at > rng.uniform(0, dance.seconds))
    shot = np.searchsorted(dance.beats[dance.cuts], at, side="right")
    scenes = [_scene(rng) for _ in range(int(shot.max(initial=0)) + 1)]
    for n in range(len(at)):
        scene = scenes[shot[n]]
        yield _draw(
            scene, shake[n], [p[n] for p in paths], [s[n] for s in spins], stand[n], poses[n], light[n]
        )


def _speed(at: Values, beats: Values, slow: float, burst: float) -> Values:
    """A little all the time, and bursts that begin on the beats."""
    since = at[:, None] - beats
    return np.asarray(
        slow + burst * np.where(since >= 0, np.exp(-np.maximum(since, 0) / DECAY), 0).sum(axis=1)
    )


def _path(at: Values, beats: Values, rng: np.random.Generator, reach: float = 0.45) -> Values:
    """Places (F, 2) in picture heights from the centre; on every beat the course turns by 60 degrees up."""
    turns = rng.uniform(np.pi / 3, np.pi, len(beats)) * rng.choice([-1, 1], len(beats))
    course = rng.uniform(0, 2 * np.pi) + np.append(0, np.cumsum(turns))
    heading = course[np.searchsorted(beats, at, side="right")]
    step = _speed(at, beats, 0.05, 1.6)[:, None] * np.stack([np.cos(heading), np.sin(heading)], axis=1) / RATE
    place = rng.uniform(-0.3, 0.3, 2) + np.cumsum(step, axis=0)
    # a wall on each side throws back what reaches it
    return np.asarray(reach - np.abs((place + reach) % (4 * reach) - 2 * reach)) * [1.4, 0.8]


def _poses(at: Values, beats: Values, rng: np.random.Generator) -> Values:
    """Angles of the joints (F, JOINTS): on every beat the figure swings into another pose."""
    poses = rng.uniform(-1.1, 1.1, (len(beats) + 1, JOINTS))
    number = np.searchsorted(beats, at, side="right")
    since = at - np.append(0, beats)[number]
    done = np.where(number > 0, 1 - np.exp(-since / DECAY), 1.0)[:, None]
    sway = 0.12 * np.sin(2 * np.pi * rng.uniform(0.2, 0.5, JOINTS) * at[:, None])
    return np.asarray(poses[np.maximum(number - 1, 0)] * (1 - done) + poses[number] * done + sway)


def _wander(count: int, smooth: int, size: float, rng: np.random.Generator) -> Values:
    """A random walk around 0 in two dimensions, (count, 2)."""
    window = np.hanning(2 * smooth + 1)
    noise = rng.standard_normal((count + len(window), 2))
    walk = np.stack([np.convolve(column, window, "valid")[:count] for column in noise.T], axis=1)
    return np.asarray(size * walk / np.sqrt((window**2).sum()))


class Scene(NamedTuple):
    """A background, and the colours of what is in front of it."""

    background: Picture
    colours: list[tuple[int, ...]]
    mirrored: int


def _scene(rng: np.random.Generator) -> Scene:
    cv2 = opencv()
    size = WIDTH + 2 * MARGIN, HEIGHT + 2 * MARGIN
    rough = rng.integers(30, 200, (5, 8, 3), dtype=np.uint8)
    fine = rng.integers(-25, 25, (size[1] // 4, size[0] // 4, 1))
    large = cv2.resize(rough, size, interpolation=cv2.INTER_CUBIC).astype(np.int64)
    grain = cv2.resize(fine.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)[..., None]
    colours = [tuple(map(int, rng.integers(0, 256, 3))) for _ in range(2 * SHAPES)]
    colours.append((250, 250, 250) if rng.random() < 0.5 else (5, 5, 5))
    return Scene(np.clip(large + grain, 0, 255).astype(np.uint8), colours, int(rng.choice([-1, 1])))


def _draw(
    scene: Scene, shake: Values, places: list[Values], spins: list[float], stand: Values, pose: Values,
    light: float,
) -> Picture:  # fmt: skip
    cv2 = opencv()
    offset = MARGIN + np.clip(shake, -MARGIN + 1, MARGIN - 1)
    matrix = np.array([[1, 0, -offset[0]], [0, 1, -offset[1]]])
    picture = cv2.warpAffine(scene.background, matrix, (WIDTH, HEIGHT))
    centre = np.array([WIDTH, HEIGHT]) / 2 - np.clip(shake, -MARGIN + 1, MARGIN - 1)
    for number, (place, spin) in enumerate(zip(places, spins, strict=True)):
        _shape(
            cv2,
            picture,
            centre + HEIGHT * place * [scene.mirrored, 1],
            spin,
            3 + number,
            scene.colours[2 * number : 2 * number + 2],
        )
    _figure(cv2, picture, centre + HEIGHT * stand * [scene.mirrored, 0], pose, scene.colours[-1])
    lit: Picture = cv2.convertScaleAbs(picture, alpha=light)
    return lit


def _points(points: Values) -> NDArray[np.int32]:
    """Pixels in sixteenths, so that what moves slowly moves smoothly."""
    return np.asarray(np.rint(points * 16), dtype=np.int32)


def _shape(cv2: Any, picture: Picture, at: Values, spin: float, corners: int, colours: list[Any]) -> None:
    """A triangle or square with a stripe."""
    angles = spin + 2 * np.pi * np.arange(corners) / corners
    outline = at + 13 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    cv2.fillPoly(picture, [_points(outline)], colours[0], cv2.LINE_AA, 4)
    cv2.polylines(picture, [_points((outline + at) / 2)], True, colours[1], 2, cv2.LINE_AA, 4)


def _figure(cv2: Any, picture: Picture, hip: Values, pose: Values, colour: tuple[int, ...]) -> None:
    """Head, trunk, and limbs of two parts each."""
    neck = hip - [0, 24]
    lines = [[hip, neck]]
    for joint, (origin, rest, sign) in enumerate(
        [(neck, 1.0, -1), (neck, 1.0, 1), (hip, 0.3, -1), (hip, 0.3, 1)]
    ):
        upper, lower = sign * rest + pose[2 * joint], pose[2 * joint] + sign * rest + pose[2 * joint + 1]
        bend = origin + 12 * np.array([np.sin(upper), np.cos(upper)])
        lines.append([origin, bend, bend + 12 * np.array([np.sin(lower), np.cos(lower)])])
    for line in lines:
        cv2.polylines(picture, [_points(np.array(line))], False, colour, 3, cv2.LINE_AA, 4)
    cv2.circle(picture, tuple(map(int, _points(neck - [0, 6]))), 6 * 16, colour, -1, cv2.LINE_AA, 4)
