"""The feature cache: nothing twice, nothing lost to a kill, nothing mixed up by two writers."""

import multiprocessing
import os
import signal
import sqlite3
import time

import numpy as np
import pytest

import bench.features.cache as cache_module
import encoders
from bench.features.cache import CacheError, ItemCache
from bench.files import cache_dir, content_key
from encoders import Feature, Undecodable


def vector(*values: float) -> Feature:
    return Feature(np.array(values, np.float32))


FORK = multiprocessing.get_context("fork")  # a new interpreter would spend seconds on importing torch


def write(root, count, pause, together):
    """Put `count` vectors, five to a commit."""
    cache_module.COMMIT_ROWS = 5
    together.wait()

    def results():
        for i in range(count):
            time.sleep(pause)
            yield f"key{i}", vector(*[i] * 8)

    ItemCache("f", root).put(results())


def start(number, *args):
    together = FORK.Barrier(number)
    writers = [FORK.Process(target=write, args=(*args, together)) for _ in range(number)]
    for writer in writers:
        writer.start()
    return writers


def test_what_is_put_is_got(tmp_path):
    cache = ItemCache("f", tmp_path)
    vectors = {f"k{i}": vector(*np.random.default_rng(i).normal(size=7)) for i in range(1200)}
    cache.put(vectors.items())
    cache.put([("bad", Undecodable("cut off"))])
    found = cache.get(["k3", "bad", "k1", "k3", *vectors])
    assert list(found)[:4] == ["k3", "bad", "k1", "k0"]
    assert found.pop("bad") == Undecodable("cut off")
    assert found.keys() == vectors.keys()
    for key, feature in found.items():
        assert feature.values.dtype == np.float32
        assert np.array_equal(feature.values, vectors[key].values)
        assert feature.times is None
    assert cache.missing(["k1", "new", "bad", "other", "new"]) == ["new", "other"]


@pytest.mark.parametrize("times", [None, np.array([0.0, 0.04, 1e9])])
def test_a_sequence_keeps_its_shape_and_times(tmp_path, times):
    sequence = Feature(np.arange(6, dtype=np.float32).reshape(3, 2), times)
    cache = ItemCache("f", tmp_path)
    cache.put(
        [("k", sequence), ("one step", Feature(np.zeros((1, 6), np.float32))), ("flat", vector(*range(6)))]
    )
    found = cache.get(["k", "one step", "flat"])
    assert [found[key].values.shape for key in found] == [(3, 2), (1, 6), (6,)]
    assert np.array_equal(found["k"].values, sequence.values)
    assert np.array_equal(found["k"].times, times) if times is not None else found["k"].times is None


@pytest.mark.parametrize(
    "change",
    [
        "steps = 2", "steps = NULL", "steps = 3.5", "feature = substr(feature, 5)", "feature = NULL",
        "times = NULL", "times = feature", "feature = times", "reason = 'x'", "key = 'other'",
        "digest = NULL", "feature = CAST(feature AS TEXT)", "times = 0",
    ],
)  # fmt: skip
def test_an_entry_of_which_anything_is_changed_is_missing(tmp_path, change, caplog):
    cache = ItemCache("f", tmp_path)
    cache.put([("k", Feature(np.ones((3, 4), np.float32), np.arange(3.0)))])
    with sqlite3.connect(cache.path) as database:
        database.execute(f"UPDATE items SET {change}")
    assert cache.missing(["k", "other"]) == ["k", "other"]
    assert "1 items in the feature cache" in caplog.text


def test_nothing_and_failures_only(tmp_path):
    cache = ItemCache("f", tmp_path)
    assert cache.missing([]) == []
    cache.put([("bad", Undecodable("cut off"))])
    assert cache.get([]) == {}
    assert cache.get(["bad"]) == {"bad": Undecodable("cut off")}
    with pytest.raises(KeyError, match="1 of 2 items are not in"):
        cache.get(["bad", "unknown"])


def test_the_first_result_stays(tmp_path):
    cache = ItemCache("f", tmp_path)
    cache.put([("k", vector(0, 0)), ("k", vector(1, 1))])
    cache.put([("k", Undecodable("later"))])
    assert cache.get(["k"])["k"].values.tolist() == [0, 0]


def test_encoders_have_files_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
    ItemCache("a").put([("k", vector(0, 0))])
    assert ItemCache("b").missing(["k"]) == ["k"]
    assert sorted(p.name for p in (tmp_path / cache_module.FOLDER).glob("*.sqlite")) == [
        "a.sqlite",
        "b.sqlite",
    ]


def test_keys_are_of_content(tmp_path):
    first, second = tmp_path / "a.jpg", tmp_path / "b.png"
    first.write_bytes(b"same")
    second.write_bytes(b"same")
    assert content_key(first) == content_key(second)
    assert len({content_key("same"), content_key(first), content_key("Same"), content_key("\ud800")}) == 4


def test_a_killed_writer_loses_only_the_last_items(tmp_path):
    (writer,) = start(1, tmp_path, 10_000, 0.01)
    cache = ItemCache("f", tmp_path)
    keys = [f"key{i}" for i in range(10_000)]
    deadline = time.monotonic() + 20
    while len(cache.missing(keys)) > 9_980 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    missing = cache.missing(keys)
    stored = len(keys) - len(missing)
    assert stored >= 20
    assert stored % 5 == 0  # whole commits only
    assert missing == keys[stored:]
    cache.put((key, vector(*[int(key[3:])] * 8)) for key in missing)
    assert [feature.values[0] for feature in cache.get(keys).values()] == list(range(10_000))


def test_three_writers_of_the_same_keys(tmp_path):
    for writer in start(3, tmp_path, 500, 0.0):
        writer.join(30)
        assert writer.exitcode == 0
    found = ItemCache("f", tmp_path).get([f"key{i}" for i in range(500)])
    assert [feature.values[3] for feature in found.values()] == list(range(500))


def test_a_failing_encoder_keeps_what_was_done(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.features.cache.COMMIT_ROWS", 2)

    def results():
        yield from ((f"k{i}", vector(0, 0)) for i in range(5))
        raise RuntimeError("out of memory")

    cache = ItemCache("f", tmp_path)
    with pytest.raises(RuntimeError, match="out of memory"):
        cache.put(results())
    assert cache.missing([f"k{i}" for i in range(5)]) == ["k4"]


def test_the_order_of_encoding_does_not_change_the_bits(tmp_path):
    texts = ["全场8折", "hello", "", "nike 鞋"]
    keys = [content_key(text) for text in texts]
    encoder = encoders.get("text", "hashing")
    forward, backward = ItemCache("f", tmp_path), ItemCache("b", tmp_path)
    forward.put(zip(keys, encoder.encode(texts), strict=True))
    for key, text in reversed(list(zip(keys, texts, strict=True))):
        backward.put(zip([key], encoder.encode([text]), strict=True))
    there, back = forward.get(keys), backward.get(keys)
    assert there.pop(keys[2]) == back.pop(keys[2]) == Undecodable("the text is empty")
    assert all(np.array_equal(there[key].values, back[key].values) for key in there)
    assert len(there) == 3


def test_each_distinct_item_is_encoded_once(tmp_path):
    calls = []

    class Counting(encoders.Encoder):
        def prepare(self, item):
            calls.append(item)
            return vector(0, 0, 0)

    encoder = Counting("text", "counting", "auto")
    cache = ItemCache(encoder.fingerprint, tmp_path)
    texts = ["a", "b", "a", "c", "b"]
    by_key = {content_key(text): text for text in texts}
    for _ in range(2):
        missing = cache.missing(content_key(text) for text in texts)
        cache.put(zip(missing, encoder.encode(by_key[key] for key in missing), strict=True))
    assert calls == ["a", "b", "c"]


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match="BENCH_CACHE"):
        ItemCache("f", tmp_path / "file" / "vectors").missing(["k"])


def test_a_damaged_file_is_named_and_made_anew(tmp_path, caplog):
    (tmp_path / "f.sqlite").write_bytes(b"no database" * 100)
    cache = ItemCache("f", tmp_path)
    assert cache.missing(["k"]) == ["k"]
    assert "f.sqlite is damaged" in caplog.text
    cache.put([("k", vector(1, 1))])
    assert cache.get(["k"])["k"].values.tolist() == [1, 1]


def test_waits_for_another_writer(tmp_path, monkeypatch):
    cache = ItemCache("f", tmp_path)
    cache.put([("k", vector(0, 0))])
    monkeypatch.setattr("bench.features.cache.BUSY_SECONDS", 0.2)
    other = sqlite3.connect(cache.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert cache.missing(["k", "l"]) == ["l"]  # readers do not wait
    with pytest.raises(CacheError, match="locked"):
        cache.put([("l", vector(0, 0))])
    other.execute("ROLLBACK")
    other.close()
    cache.put([("l", vector(0, 0))])
    assert cache.missing(["l"]) == []
