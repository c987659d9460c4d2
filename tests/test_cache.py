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
from bench.features.cache import CacheError, ItemCache, cache_dir, content_key
from encoders import Undecodable

FORK = multiprocessing.get_context("fork")  # a new interpreter would spend seconds on importing torch


def write(root, count, pause, together):
    """Put `count` vectors, five to a commit."""
    cache_module.COMMIT_ROWS = 5
    together.wait()

    def results():
        for i in range(count):
            time.sleep(pause)
            yield f"key{i}", np.full(8, i, np.float32)

    ItemCache("f", root).put(results())


def start(number, *args):
    together = FORK.Barrier(number)
    writers = [FORK.Process(target=write, args=(*args, together)) for _ in range(number)]
    for writer in writers:
        writer.start()
    return writers


def test_what_is_put_is_got(tmp_path):
    cache = ItemCache("f", tmp_path)
    vectors = {f"k{i}": np.random.default_rng(i).normal(size=7).astype(np.float32) for i in range(1200)}
    cache.put(vectors.items())
    cache.put([("bad", Undecodable("cut off"))])
    keys = ["k3", "bad", "k1", "k3", *vectors]
    values, failed = cache.get(keys)
    assert values.dtype == np.float32
    assert np.array_equal(values, np.stack([vectors[k] for k in keys if k != "bad"]))
    assert failed == {"bad": "cut off"}
    assert cache.missing(["k1", "new", "bad", "other", "new"]) == ["new", "other"]


def test_nothing_and_failures_only(tmp_path):
    cache = ItemCache("f", tmp_path)
    assert cache.missing([]) == []
    cache.put([("bad", Undecodable("cut off"))])
    values, failed = cache.get(["bad"])
    assert values.shape == (0, 0)
    assert failed == {"bad": "cut off"}
    with pytest.raises(KeyError, match="1 of 2 items are not in"):
        cache.get(["bad", "unknown"])


def test_the_first_result_stays(tmp_path):
    cache = ItemCache("f", tmp_path)
    cache.put([("k", np.zeros(2)), ("k", np.ones(2))])
    cache.put([("k", Undecodable("later"))])
    assert cache.get(["k"]).values.tolist() == [[0, 0]]


def test_encoders_have_files_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
    ItemCache("a").put([("k", np.zeros(2))])
    assert ItemCache("b").missing(["k"]) == ["k"]
    assert sorted(p.name for p in (tmp_path / "vectors").glob("*.sqlite")) == ["a.sqlite", "b.sqlite"]


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
    cache.put((key, np.full(8, int(key[3:]), np.float32)) for key in missing)
    assert np.array_equal(cache.get(keys).values[:, 0], np.arange(10_000))


def test_three_writers_of_the_same_keys(tmp_path):
    for writer in start(3, tmp_path, 500, 0.0):
        writer.join(30)
        assert writer.exitcode == 0
    values, failed = ItemCache("f", tmp_path).get([f"key{i}" for i in range(500)])
    assert np.array_equal(values[:, 3], np.arange(500))
    assert not failed


def test_a_failing_encoder_keeps_what_was_done(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.features.cache.COMMIT_ROWS", 2)

    def results():
        yield from ((f"k{i}", np.zeros(2)) for i in range(5))
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
    assert np.array_equal(forward.get(keys).values, backward.get(keys).values)
    assert forward.get(keys).failed == backward.get(keys).failed == {keys[2]: "the text is empty"}


def test_each_distinct_item_is_encoded_once(tmp_path):
    calls = []

    class Counting(encoders.Encoder):
        def features(self, item, device):
            calls.append(item)
            return np.zeros(3)

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
    cache.put([("k", np.ones(2))])
    assert cache.get(["k"]).values.tolist() == [[1, 1]]


def test_waits_for_another_writer(tmp_path, monkeypatch):
    cache = ItemCache("f", tmp_path)
    cache.put([("k", np.zeros(2))])
    monkeypatch.setattr("bench.features.cache.BUSY_SECONDS", 0.2)
    other = sqlite3.connect(cache.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert cache.missing(["k", "l"]) == ["l"]  # readers do not wait
    with pytest.raises(CacheError, match="locked"):
        cache.put([("l", np.zeros(2))])
    other.execute("ROLLBACK")
    other.close()
    cache.put([("l", np.zeros(2))])
    assert cache.missing(["l"]) == []
