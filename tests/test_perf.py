"""`bench perf data`: the simulated features are what training reads, and what is measured is told plainly."""

from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest

from bench.errors import BenchError, UsageError
from bench.perf import simulated
from bench.perf.data import Row, run_data, verdict
from bench.perf.reader import reader
from bench.perf.simulated import simulate
from fusions import Source

SAMPLES = 300


@pytest.fixture(scope="module")
def simulation(tmp_path_factory):
    return simulate(tmp_path_factory.mktemp("perf") / "simulated", SAMPLES)


def arrays(folder) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.npy")}


def test_every_source_has_the_shape_of_its_description(simulation):
    assert len(simulation.samples["ids"]) == len(simulation.samples["target"]) == SAMPLES
    assert len(np.unique(simulation.samples["ids"])) == SAMPLES
    batch = simulation.batch(np.arange(SAMPLES))
    assert set(batch) == {s.source for s in simulated.SOURCES}
    for wanted in simulated.SOURCES:
        values, mask, slots = batch[wanted.source]
        length = wanted.width if wanted.numeric else wanted.tokens[1]
        assert mask.shape == (SAMPLES, wanted.items[1], length)
        assert values.isfinite().all()
        if not wanted.numeric:
            assert values.shape == (mask.sum(), wanted.width)
            assert set(slots.tolist()) == set(range(len(wanted.attributes)))
            assert len(values.unique(dim=0)) > 0.1 * SAMPLES


def test_lengths_and_gaps_are_those_of_the_description(simulation):
    masks = {source: batch.mask for source, batch in simulation.batch(np.arange(SAMPLES)).items()}
    assert set(masks[Source("anchor", "text")].sum((1, 2)).tolist()) == {3}
    assert set(masks[Source("commodity", "image")].sum((1, 2)).tolist()) == {1, 2, 3, 4}
    assert set(masks[Source("video", "video")].sum((1, 2)).tolist()) == set(range(9))
    for source in (Source("video", "video"), Source("audio", "audio")):
        assert 0.01 < (~masks[source].any(dim=2)).float().mean() < 0.12
    assert 0.02 < (~masks[Source("room", "numeric")]).float().mean() < 0.08


def test_samples_share_anchors_and_commodities(simulation):
    for entity, modality in (("anchor", "text"), ("commodity", "image")):
        items = simulation.sources[Source(entity, modality)].items.values
        assert len(np.unique(items)) < len(items) / 2


def test_the_content_depends_on_the_seed_and_not_on_the_chunks(simulation, tmp_path):
    whole = arrays(simulation.dataset.parent)
    simulate(tmp_path / "chunks", SAMPLES, chunk=7)
    assert arrays(tmp_path / "chunks") == whole
    simulate(tmp_path / "seed", SAMPLES, seed=1)
    other = arrays(tmp_path / "seed")
    assert other.keys() == whole.keys()
    assert all(other[f"{s.source}/values.npy"] != whole[f"{s.source}/values.npy"] for s in simulated.SOURCES)


def test_a_complete_folder_is_taken_and_an_interrupted_one_is_not(tmp_path, monkeypatch):
    def interrupted(what, done, total):
        if "video" in what:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path / "set", 50, progress=interrupted)
    assert not (tmp_path / "set").exists()
    simulate(tmp_path / "set", 50)
    monkeypatch.setattr(simulated, "_write_source", None)
    assert len(simulate(tmp_path / "set", 50).batch(np.arange(50))) == len(simulated.SOURCES)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_too_little_disk_is_told_before_anything_is_written(tmp_path):
    with pytest.raises(BenchError, match=r"need [\d,.]+ GB while .* GB free; make room"):
        simulate(tmp_path / "set", 10**12)
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == 0


def test_the_estimate_of_the_disk_is_near_what_is_written(simulation):
    for wanted in simulated.SOURCES:
        size = sum(path.stat().st_size for path in simulation.folders[wanted.source].iterdir())
        assert size == pytest.approx(simulated._bytes_per_sample(wanted) * SAMPLES, rel=0.15)


def test_measuring_gives_a_row_for_each_size_and_leaves_nothing_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    steps = []
    monkeypatch.setattr("bench.perf.data.BATCHES", 6)
    table = run_data(
        tmp_path / "out", 400, progress=lambda what, done, total: steps.append((done, total)), reference=60
    )
    assert table["samples"].tolist() == [60, 400]
    assert (table[["first_batch_s", "samples_per_s", "resident_mb", "disk_mb"]] > 0).all(axis=None)
    assert table["disk_mb"].is_monotonic_increasing
    assert not (table["own_mb"] > table["resident_mb"]).any()
    assert all(done <= total for done, total in steps)
    assert list((tmp_path / "cache").iterdir()) == []
    assert pd.read_csv(tmp_path / "out" / "perf" / "data.csv").columns.tolist() == table.columns.tolist()


def test_more_samples_than_the_reference_are_wanted(tmp_path):
    with pytest.raises(UsageError, match="500 samples are compared with 10,000"):
        run_data(tmp_path, 500)


def test_a_process_that_ends_early_is_told(tmp_path):
    features = simulate(tmp_path / "set", 20)
    (features.folders[Source("room", "numeric")] / "values.npy").unlink()
    with reader(features, batch_size=8, batches=2, turns=1) as ask, pytest.raises(BenchError, match="early"):
        ask()


def rows(**changed: float) -> pd.DataFrame:
    small = Row(10_000, 0.1, True, 1000.0, 250.0, 150.0, 12.0)
    return pd.DataFrame([asdict(small), asdict(replace(small, samples=1_000_000, **changed))])


@pytest.mark.parametrize(
    ("changed", "failed"),
    [
        ({}, []),
        ({"first_batch_s": 1.99, "resident_mb": 1499.0, "samples_per_s": 800.0}, []),
        ({"first_batch_s": 2.0}, [0]),
        ({"resident_mb": 1501.0}, [1]),
        ({"samples_per_s": 799.0}, [2]),
        ({"samples_per_s": 1300.0}, []),
    ],
)
def test_each_limit_is_judged_by_itself(changed, failed):
    lines = verdict(rows(**changed))
    assert len(lines) == 3
    assert [i for i, line in enumerate(lines) if line.endswith(": FAIL")] == failed
    assert sum(line.endswith(": pass") for line in lines) == 3 - len(failed)


def test_the_verdict_says_whether_the_page_cache_was_cold():
    assert "page cache cold" in verdict(rows())[0]
    assert "page cache warm" in verdict(rows(cold=False))[0]
