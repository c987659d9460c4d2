"""Features: encoded once, gathered without padding, absent where missing or undecodable."""

import shutil

import numpy as np
import pytest
import torch
from conftest import ENCODERS

import encoders
from bench.data.dataset import read_dataset
from bench.data.ragged import Ragged
from bench.errors import BenchError
from bench.executors import EXECUTORS
from bench.failure import Failure
from bench.features.batch import Batch
from bench.features.encode import encode
from bench.files import content_key
from fusions import Source


def chosen(**override: str) -> dict[str, encoders.Encoder]:
    names = ENCODERS | override
    return {
        m: encoders.get(m, n, weights="random", **({"size": 32} if m == "image" else {}))
        for m, n in names.items()
    }


def test_ragged_rows_are_padded_with_minus_one():
    ragged = Ragged.from_lengths(np.array([5, 6, 7]), [2, 0, 1])
    assert ragged.padded(np.array([0, 1, 2, -1])).tolist() == [[5, 6], [-1, -1], [7, -1], [-1, -1]]
    assert ragged.padded(np.array([[2], [0]])).tolist() == [[[7, -1]], [[5, 6]]]


def test_a_second_call_encodes_nothing(features, streams):
    again, encoded = encode(streams, chosen())
    assert encoded == 0
    assert again.fingerprint == features.fingerprint


def test_another_backbone_encodes_only_images(features, streams):
    images = {i for s in streams.schema.sources if s.modality == "image" for i in streams.raw(s).items}
    distinct = {path.read_bytes() for path in images}
    other, encoded = encode(streams, chosen(image="squeezenet1_1"))
    assert encoded == len(distinct)
    assert other.fingerprint != features.fingerprint
    assert other.folders[Source("anchor", "text")] == features.folders[Source("anchor", "text")]


def tokens_of(batch: Batch) -> list[list[tuple[float, ...]]]:
    """For each sample, its present vectors (or numbers) with their slots, in order."""
    where = batch.mask.nonzero()
    numeric = batch.values.dim() == 3
    vectors = batch.values[batch.mask].unsqueeze(-1) if numeric else batch.values
    slots = where[:, 2] if numeric else batch.slots
    rows = [[] for _ in range(len(batch.mask))]
    for (sample, *_), vector, slot in zip(where.tolist(), vectors.tolist(), slots.tolist(), strict=True):
        rows[sample].append((*vector, slot))
    return rows


def test_a_batch_has_the_tokens_of_each_sample_whatever_its_batch_mates(features, rng):
    rows = rng.permutation(len(features.samples["ids"]))[:9]
    together = features.batch(rows)
    for source, batch in together.items():
        alone = [tokens_of(features.batch(np.array([row]))[source])[0] for row in rows]
        assert tokens_of(batch) == alone


def test_only_present_tokens_are_in_a_batch_and_absent_numbers_are_zero(features):
    for batch in features.batch(np.arange(12)).values():
        assert torch.isfinite(batch.values).all()
        if batch.values.dim() == 3:
            assert (batch.values[~batch.mask] == 0).all()
        else:
            assert len(batch.values) == len(batch.slots) == batch.mask.sum()


def test_commodities_are_items_and_attributes_are_slots(features):
    batch = features.batch(np.arange(len(features.samples["ids"])))
    text = batch[Source("commodity", "text")]
    assert text.mask.shape[1:] == (6, 5)
    assert set(text.slots.tolist()) == {0, 1, 2, 3, 4}
    assert batch[Source("video", "video")].mask.shape[1:] == (1, 3)


@pytest.mark.parametrize("fault", ["truncated", "missing", "not an image"])
def test_an_undecodable_file_is_named_and_its_token_absent(stream_folder, tmp_path, caplog, fault):
    folder = shutil.copytree(stream_folder, tmp_path / "data")
    victim = read_dataset(folder).raw(Source("room", "image")).items[3]
    if fault == "missing":
        victim.unlink()
    else:
        victim.write_bytes(victim.read_bytes()[:300] if fault == "truncated" else b"text")
    features, _ = encode(read_dataset(folder), chosen())
    assert str(victim.relative_to(folder)) in caplog.text
    assert features.undecodable == 1
    mask = features.batch(np.arange(6))[Source("room", "image")].mask
    assert mask.any(dim=(1, 2)).tolist() == [True, True, True, False, True, True]


def test_missing_cells_become_masks(stream_folder, tmp_path):
    folder = shutil.copytree(stream_folder, tmp_path / "data")
    lines = (folder / "samples.csv").read_text(encoding="utf-8").splitlines()
    header = lines[0].split(",")
    cells = lines[1].split(",")
    for column in ("videos", "duration", "commodity_ids"):
        cells[header.index(column)] = ""
    lines[1] = ",".join(cells)
    (folder / "samples.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    batch = encode(read_dataset(folder), chosen())[0].batch(np.arange(2))
    for source in (Source("video", "video"), Source("room", "numeric"), Source("commodity", "text")):
        assert not batch[source].mask[0].any()
        assert batch[source].mask[1].any()


def test_an_item_that_ends_its_process_twice_is_undecodable_and_the_rest_is_encoded(
    stream_folder, tmp_path, monkeypatch, caplog
):
    """Beside others first, so that the others are encoded, then alone."""
    dataset = read_dataset(stream_folder)
    hashing = {"text": encoders.get("text", "hashing", width=32)}
    texts = {item for s in dataset.schema.sources if s.modality == "text" for item in dataset.raw(s).items}
    fatal = sorted(texts, key=content_key)[0]
    told = []

    def fragile(work, tasks, jobs, *, keep):
        for task in tasks:
            yield task, Failure.ended("killed by signal 11") if fatal in task.items else work(task)

    monkeypatch.setitem(EXECUTORS, "fragile", fragile)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    features, encoded = encode(
        dataset, hashing, executor="fragile", progress=lambda what, done, total: told.append((done, total))
    )
    assert encoded == len(texts)
    assert told[0] == (0, len(texts))
    assert told[-1] == (len(texts), len(texts))
    assert f"{fatal!r} cannot be decoded (its decoder crashed: the process ended" in caplog.text
    assert features.undecodable >= 1
    monkeypatch.delitem(EXECUTORS, "fragile")
    assert encode(dataset, hashing)[1] == 0


def test_an_error_of_a_worker_stops_encoding(streams, tmp_path, monkeypatch):
    monkeypatch.setitem(EXECUTORS, "full", lambda work, tasks, jobs, *, keep: full(tasks))
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))

    def full(tasks):
        yield tasks[0], Failure.of(OSError("no space left on device"))

    with pytest.raises(BenchError, match="OSError: no space left on device"):
        encode(streams, {"text": encoders.get("text", "hashing", width=32)}, executor="full")


@pytest.mark.parametrize("executor", ["inline", "local"])
def test_for_a_device_workers_prepare_and_this_process_embeds_in_batches(
    streams, features, tmp_path, monkeypatch, executor
):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path))
    images = chosen()["image"]
    sizes, told = [], []
    embed = images.embed
    monkeypatch.setattr(  # there is no such device here
        images, "embed", lambda batch, device: sizes.append((len(batch), device)) or embed(batch, "cpu")
    )
    found, encoded = encode(
        streams,
        {"image": images},
        jobs=2,
        executor=executor,
        device="cuda",
        progress=lambda what, done, total: told.append((done, total)),
    )
    assert sizes == [(encoded, "cuda")]
    assert encoded <= images.batch
    assert told[0] == (0, encoded)
    assert told[-1] == (encoded, encoded)
    for source in found.folders:
        if source.modality == "image":
            close = np.isclose(found.sources[source].values, features.sources[source].values, atol=1e-4)
            assert close.all()


def test_a_file_that_cannot_be_prepared_for_a_device_costs_no_other(
    stream_folder, tmp_path, monkeypatch, caplog
):
    folder = shutil.copytree(stream_folder, tmp_path / "data")
    victim = read_dataset(folder).raw(Source("video", "video")).items[3]
    victim.write_bytes(b"text")
    motion = {"video": encoders.get("video", "motion")}
    on_cpu, on_device = (encode(read_dataset(folder), motion, device=device)[0] for device in ("cpu", "cuda"))
    assert on_device.undecodable == 1
    assert "cannot be decoded" in caplog.text
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    again = encode(read_dataset(folder), motion, device="cuda")[0]
    (source,) = (s for s in again.folders if s.modality == "video")
    assert np.array_equal(again.sources[source].values, on_cpu.sources[source].values)
    assert np.array_equal(again.sources[source].tokens.values, on_cpu.sources[source].tokens.values)
