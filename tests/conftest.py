"""Fixtures shared by the tests: a private cache, a small embedded dataset, its features."""

import gc
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from media import save_image, save_video
from shops import build, trained

import encoders
from bench import plugins
from bench.data.dataset import Dataset, read_dataset
from bench.data.synthetic import livestream, shortvideo
from bench.executors import EXECUTORS
from bench.features.encode import encode
from bench.features.store import FeatureSet
from encoders import registry as encoder_registry
from encoders import weights as weights_module
from fusions import registry

STREAMS = 40
REGISTERED = (registry._entries, encoder_registry._entries)
ENCODERS = {"text": "hashing", "image": "resnet18", "video": "motion", "audio": "logmel"}
LONG = [
    f"test_{name}"
    for name in ("sanity", "tune", "figures", "executors", "encoders", "misbehaving", "shares", "notebook",
                 "missing", "checks", "experiments", "flaws", "run", "fresh", "encoder_plugins", "page",
                 "sequences", "fusions", "finetune", "tables", "incomplete", "damaged")
]  # fmt: skip
"""The files that take longest, to begin first: one that began last would keep the other process waiting."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))


def pytest_collection_finish() -> None:
    gc.freeze()  # what is imported by now stays: it need not be looked through again and again


@pytest.fixture(scope="session", autouse=True)
def _private_cache(tmp_path_factory: pytest.TempPathFactory):
    """No test reads or writes the user's cache; no test looks for weights in the network."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("HF_HUB_OFFLINE", "1")
        torch.set_num_threads(1)
        yield


@pytest.fixture(autouse=True)
def _own_registries():
    """What a test registers is gone after it: `--fusion all` means the same to every test."""
    before = [dict(entries) for entries in REGISTERED]
    yield
    plugins._loaded.clear()
    _restore(before)


@pytest.fixture(scope="module", autouse=True)
def _own_registries_of_a_module():
    """The same of what the fixtures of a module register, which are older than any of its tests."""
    before = [dict(entries) for entries in REGISTERED]
    yield
    _restore(before)


def _restore(before: list[dict]) -> None:
    for entries, old in zip(REGISTERED, before, strict=True):
        entries.clear()
        entries.update(old)


@pytest.fixture(scope="session")
def stream_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small embedded dataset on disk; tests that change it copy it first."""
    folder = tmp_path_factory.mktemp("data") / "livestream"
    livestream.generate(folder, streams=STREAMS)
    return folder


@pytest.fixture(scope="session")
def short_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve short videos with their music on disk; tests that change them copy them first."""
    folder = tmp_path_factory.mktemp("data") / "shortvideo"
    shortvideo.generate(folder, videos=12)
    return folder


@pytest.fixture(scope="session")
def streams(stream_folder: Path) -> Dataset:
    return read_dataset(stream_folder)


@pytest.fixture(scope="session")
def features(streams: Dataset) -> FeatureSet:
    """The small dataset, encoded with random image weights at a small size."""
    chosen = {
        m: encoders.get(m, n, weights="random", **({"size": 32} if m == "image" else {}))
        for m, n in ENCODERS.items()
    }
    return encode(streams, chosen)[0]


@pytest.fixture(scope="session")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset whose methods `kept` has, to be read only."""
    return build(tmp_path_factory.mktemp("shops") / "data")


@pytest.fixture(scope="session")
def kept(shops: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a run kept its models; tests that change it copy it first."""
    return trained(shops, tmp_path_factory.mktemp("kept"))


@pytest.fixture
def no_processes(monkeypatch):
    """What workers would do, this process does, for tests that say nothing of processes."""
    monkeypatch.setitem(EXECUTORS, "local", EXECUTORS["inline"])


@contextmanager
def without_figures():
    """`bench run` draws none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.publish.Reading.write_figures", lambda reading, out: [])
        yield


@pytest.fixture
def undrawn():
    """No figures, for tests that say nothing of them; what a module's fixtures run does draw."""
    with without_figures():
        yield


@pytest.fixture(scope="module")
def none_drawn():
    """None in a whole module, what its fixtures run included."""
    with without_figures():
        yield


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def nothing_to_be_found(tmp_path, monkeypatch):
    """Empty caches and no network, whatever the machine."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("BENCH_WEIGHTS", raising=False)
    monkeypatch.setattr("encoders.packaged.PACKAGES", ())
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(weights_module, "answers", lambda server: False)
    weights_module._warn_random.cache_clear()


@pytest.fixture
def items(tmp_path):
    images = [save_image(tmp_path / f"{i}.png", i) for i in range(3)]
    videos = [save_video(tmp_path / f"{i}.mp4", speed=i + 1) for i in range(3)]
    texts = ["全场8折 Nike鞋", "hello world", "折"]
    return {"text": texts, "image": images, "video": videos, "audio": videos}
