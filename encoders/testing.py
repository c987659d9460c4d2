"""The contract tests of an encoder, for its author: one import, one call.

    from encoders.testing import check_encoder
    check_encoder("loudness", "audio")                          # a registered name, or a class
    check_encoder(Loudness, "audio", items=[...], seconds=5)    # on items of your own, with options

Each check is a function in `CHECKS` that takes a `Trial` and raises AssertionError with what is wrong, or
whatever the encoder raises, so that a test suite can run them one by one.
"""

from __future__ import annotations

import inspect
import pickle
import random
import subprocess
import sys
import tempfile
import wave
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import torch

from encoders.base import Encoder, Item, UnknownEncoder
from encoders.batches import embedded, layout
from encoders.feature import Feature, Undecodable, checked
from encoders.registry import get

TOLERANCE = 1e-4
"""How far a feature may move, relative to its largest value, when others are embedded with it on a device."""
SECONDS = 300
"""How long another process may take."""


@dataclass(frozen=True)
class Trial:
    """An encoder to be checked, and what it is checked on.

    Attributes:
        method: a registered name, or a class.
        modality: one of MODALITIES.
        items: good items, two at least.
        broken: items that no encoder of the modality can decode.
        options: of the constructor.
    """

    method: str | type[Encoder]
    modality: str
    items: Sequence[Item]
    broken: Sequence[Item]
    options: Mapping[str, Any] = field(default_factory=dict)

    def make(self, **options: Any) -> Encoder:
        """A new instance, with random weights if it needs any."""
        options = {**self.options, **options}
        if isinstance(self.method, str):
            return get(self.modality, self.method, weights="random", **options)
        return self.method(self.modality, self.method.__name__, "random", **options)

    @cached_property
    def encoder(self) -> Encoder:
        """The instance that most checks share."""
        return self.make()

    @cached_property
    def features(self) -> list[Feature]:
        """What it makes of the items at first."""
        return _features(self.encoder, self.items)


def check_encoder(
    method: str | type[Encoder], modality: str, items: Sequence[Item] | None = None, **options: Any
) -> None:
    """Run every check on an encoder; AssertionError says which one failed and why.

    Args:
        method: a registered name, or a class.
        modality: one of MODALITIES.
        items: good items, two at least; None makes some.
        **options: options of the constructor.
    """
    name = method if isinstance(method, str) else method.__name__
    with tempfile.TemporaryDirectory() as folder:
        items = example_items(modality, Path(folder)) if items is None else items
        trial = Trial(method, modality, items, broken_items(modality, Path(folder)), options)
        for check in CHECKS:
            try:
                check(trial)
            except Exception as error:
                what = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
                raise AssertionError(f"{name}: {check.__name__}: {what}") from error


# -- items


def example_items(modality: str, folder: Path) -> list[Item]:
    """Three items of a modality, unlike each other; files are written into `folder`."""
    if modality == "text":
        return ["全场8折 Nike鞋", "hello, world", "折"]
    makers: dict[str, tuple[str, Callable[[Path, int], None]]] = {
        "image": ("png", _save_image),
        "video": ("mp4", _save_video),
        "audio": ("wav", _save_sound),
    }
    suffix, save = makers[modality]
    paths: list[Item] = []
    for seed in range(3):
        path = folder / f"example-{seed}.{suffix}"
        save(path, seed)
        paths.append(path)
    return paths


def broken_items(modality: str, folder: Path) -> list[Item]:
    """Items that have no feature: empty texts, or files that hold noise, hold nothing, or are not there."""
    if modality == "text":
        return ["", " \n"]
    (folder / "noise").write_bytes(np.random.default_rng(0).bytes(500))
    (folder / "empty").write_bytes(b"")
    return [folder / "noise", folder / "empty", folder / "absent"]


def _save_image(path: Path, seed: int) -> None:
    from PIL import Image

    blocks = np.random.default_rng(seed).integers(0, 255, (10, 15, 3), dtype=np.uint8)
    Image.fromarray(blocks).resize((60, 40)).save(path)


def _save_video(path: Path, seed: int) -> None:
    import av

    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for frame in range(8 + seed):
            pixels = np.full((48, 64, 3), 40 + 20 * seed, np.uint8)
            pixels[10:30, frame * (seed + 1) % 44 :][:, :20] = 220
            out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        out.mux(stream.encode())


def _save_sound(path: Path, seed: int) -> None:
    sound = np.sin(np.arange(8000 * (seed + 1)) * 0.1 * (seed + 1)) / 3
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, 16000, 0, "NONE", "not compressed"))
        out.writeframes((sound * 32767).astype("<i2").tobytes())


# -- helpers


def _features(encoder: Encoder, items: Sequence[Item]) -> list[Feature]:
    features = []
    for item, result in zip(items, encoder.encode(items), strict=True):
        assert isinstance(result, Feature), f"it cannot decode {item!r:.80}: {result.reason}"
        features.append(result)
    return features


def _assert_same(ours: Sequence[Feature], theirs: Sequence[Feature], what: str) -> None:
    for a, b in zip(ours, theirs, strict=True):
        assert a.values.shape == b.values.shape, (
            f"{what} changes the shape {a.values.shape} to {b.values.shape}"
        )
        assert np.array_equal(a.values, b.values), f"{what} changes the values"
        times = [None if feature.times is None else feature.times.tolist() for feature in (a, b)]
        assert times[0] == times[1], f"{what} changes the times"


def _draw() -> None:
    """Move the global random states on."""
    torch.rand(3), np.random.rand(3), random.random()  # noqa: NPY002 - the global state is the point


def _surroundings(trial: Trial) -> dict[str, Any]:
    """What an encoder must leave as it is, by name."""
    files = [item for item in trial.items if isinstance(item, Path)]
    return {
        "torch's random state": torch.get_rng_state().tolist(),
        "NumPy's random state": str(np.random.get_state()),  # noqa: NPY002 - the global state is the point
        "Python's random state": random.getstate(),
        "torch's default type": torch.get_default_dtype(),
        "whether torch records gradients": torch.is_grad_enabled(),
        "torch's number of threads": torch.get_num_threads(),
        "the files it reads": [path.read_bytes() for path in files],
        "the files beside them": sorted(
            str(p) for folder in {p.parent for p in files} for p in folder.iterdir()
        ),
        "the files of the current folder": sorted(str(path) for path in Path.cwd().iterdir()),
    }


# -- checks


def check_makes(trial: Trial) -> None:
    """It is an encoder of its modality, and making it is all keyword options and no work."""
    encoder = trial.encoder
    assert isinstance(encoder, Encoder), f"{type(encoder).__name__} is not a subclass of encoders.Encoder"
    assert encoder.modality == trial.modality, f"its modality is {encoder.modality!r}"
    for text in (encoder.name, encoder.stamp, encoder.source, encoder.fingerprint):
        assert isinstance(text, str), f"name, stamp, source or fingerprint is {text!r}, not a text"


def check_features(trial: Trial) -> None:
    """Every item has a float32, finite feature, all of one kind and width, and they differ."""
    features = trial.features
    shapes = {(feature.values.ndim, feature.values.shape[-1]) for feature in features}
    assert len(shapes) == 1, f"the features have shapes {[f.values.shape for f in features]}"
    distinct = {(feature.values.shape, feature.values.tobytes()) for feature in features}
    assert len(distinct) > 1, "every item has the same feature"


def check_deterministic(trial: Trial) -> None:
    """The same instance again, and another instance, give the same bits, whatever the random state."""
    first = trial.features
    _draw()
    _assert_same(first, _features(trial.encoder, trial.items), "encoding again")
    _assert_same(first, _features(trial.make(), trial.items), "another instance")


def check_batch_mates(trial: Trial) -> None:
    """On the CPU a feature depends on its item alone, not on which items come before or after it."""
    alone = [_features(trial.encoder, [item])[0] for item in reversed(trial.items)][::-1]
    _assert_same(trial.features, alone, "the order, or what else is encoded,")


def check_embed(trial: Trial) -> None:
    """Items of one layout embedded together have the features that they have alone, but for rounding."""
    encoder = trial.encoder
    prepared = [encoder.prepare(item) for item in [*trial.items, *trial.items]]
    first = [item for item in prepared if layout(item) == layout(prepared[0])]
    together = checked(encoder.embed(first, "cpu"), len(first), encoder.title)
    for item, feature in zip(first, together, strict=True):
        (alone,) = checked(encoder.embed([item], "cpu"), 1, encoder.title)
        assert isinstance(alone, Feature), alone
        assert isinstance(feature, Feature), feature
        assert alone.values.shape == feature.values.shape, "embedding several items changes a shape"
        gap = np.abs(alone.values - feature.values).max() / max(np.abs(alone.values).max(), 1e-9)
        assert gap <= TOLERANCE, (
            f"embedding several items changes a feature by {gap:.0e} of its largest value"
        )


def check_broken(trial: Trial) -> None:
    """A broken item is Undecodable with a reason that does not name the file, and costs no other item."""
    results = list(trial.encoder.encode([trial.items[0], *trial.broken, *trial.items[1:]]))
    for item, result in zip(trial.broken, results[1:], strict=False):
        assert isinstance(result, Undecodable), f"{item!r:.80} has a feature; raise CannotDecode"
        assert result.reason, f"{item!r:.80} is undecodable without a reason"
        assert not isinstance(item, Path) or str(item) not in result.reason, "a reason names the file"
    rest = [result for result in results if isinstance(result, Feature)]
    _assert_same(trial.features, rest, "a broken item beside them")


def check_surroundings(trial: Trial) -> None:
    """Random states, torch's settings and files stay as they were."""
    _draw()
    before = _surroundings(trial)
    with suppress(Exception):  # of which other checks tell
        list(trial.make().encode([*trial.items, *trial.broken]))
    after = _surroundings(trial)
    changed = [name for name in before if before[name] != after[name]]
    assert not changed, f"it changes {' and '.join(changed)}"


def check_pickle(trial: Trial) -> None:
    """What is prepared survives the way to another process."""
    encoder = trial.encoder
    there = pickle.loads(pickle.dumps([encoder.prepare(item) for item in trial.items]))
    back = dict(embedded(encoder, enumerate(there), "cpu"))
    features = [feature for number in sorted(back) if isinstance(feature := back[number], Feature)]
    _assert_same(trial.features, features, "sending what is prepared to another process")


def check_other_process(trial: Trial) -> None:
    """Another process makes the same encoder of the recipe: the same fingerprint, the same bits."""
    modality, name, weights, options = trial.encoder.recipe
    cls, items = type(trial.encoder), list(trial.items)

    def make() -> Encoder:
        return cls(modality, name, weights, **dict(options))

    def work() -> tuple[str, list[Feature]]:
        torch.set_num_threads(1)
        made = make()
        return made.fingerprint, _features(made, items)

    expected = _with_one_thread(lambda: _features(trial.encoder, items))
    fingerprint, features = _elsewhere(cls, work)
    assert fingerprint == make().fingerprint, "the fingerprint depends on the process"
    _assert_same(expected, features, "another process")


def check_fingerprint(trial: Trial) -> None:
    """It is the same for every instance, and another for another value of any option."""
    encoder = trial.encoder
    assert encoder.fingerprint == trial.make().fingerprint, "two instances have two fingerprints"
    for option, value in encoder.options.items():
        for other in _others(value):
            try:
                changed = trial.make(**{option: other})
            except (UnknownEncoder, ValueError):  # a value that the option cannot have
                continue
            assert changed.fingerprint != encoder.fingerprint, (
                f"the option {option} does not change the fingerprint; hand it to super().__init__"
            )
    known = [p.name for p in inspect.signature(type(encoder)).parameters.values() if p.kind is p.KEYWORD_ONLY]
    lost = [name for name in known if name not in encoder.options]
    assert not lost, f"the options {lost} are not handed to super().__init__, so the fingerprint lacks them"


def _others(value: Any) -> list[Any]:
    """Values unlike that of an option."""
    if isinstance(value, bool):
        return [not value]
    return [value * 2, value + 1] if isinstance(value, int | float) else []


def _with_one_thread(work: Callable[[], list[Feature]]) -> list[Feature]:
    """The same number of threads as in the other process: it may change the last bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return work()
    finally:
        torch.set_num_threads(threads)


def _elsewhere(cls: type[Encoder], work: Callable[[], Any]) -> Any:
    """What `work` returns in a new process, which gets the class by value if it cannot import it."""
    module = sys.modules.get(cls.__module__)
    by_value = module is not None and not cls.__module__.startswith("encoders.")
    if by_value:
        cloudpickle.register_pickle_by_value(module)
    try:
        message = cloudpickle.dumps(work)
    finally:
        if by_value:
            cloudpickle.unregister_pickle_by_value(module)
    program = (
        f"import sys, pickle; sys.path[:] = {sys.path!r}; import encoders; "
        "result = pickle.loads(sys.stdin.buffer.read())(); sys.stdout.buffer.write(pickle.dumps(result))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=message, capture_output=True, timeout=SECONDS, check=False
    )
    last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
    assert done.returncode == 0, f"it fails in another process: {' '.join(last)}"
    return pickle.loads(done.stdout)


CHECKS: tuple[Callable[[Trial], None], ...] = (
    check_makes,
    check_surroundings,
    check_features,
    check_deterministic,
    check_batch_mates,
    check_embed,
    check_broken,
    check_pickle,
    check_fingerprint,
    check_other_process,
)
"""Every check, each taking a `Trial`; a cause comes before what follows from it."""
