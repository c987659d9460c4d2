import numpy as np
import pytest

from bench.data.splits import kind_of, split
from bench.errors import DataError, UsageError


def arrays(n: int, **more: np.ndarray) -> dict[str, np.ndarray]:
    return {"target": np.arange(n, dtype=float), **more}


def test_parts_are_disjoint_cover_everything_and_have_the_shares_asked_for():
    parts = split(arrays(320), 0, test=0.2, validation=0.15)
    assert len(parts.test) == 64
    assert abs(len(parts.validation) - 0.15 * 256) <= 1
    assert sorted(np.concatenate(parts)) == list(range(320))


def test_the_seed_decides_the_split():
    same = [split(arrays(50), seed, test=0.2, validation=0.2).test.tolist() for seed in (3, 3, 4)]
    assert same[0] == same[1] != same[2]


def test_a_group_never_straddles_two_parts(rng):
    groups = rng.integers(0, 30, size=200).astype(str)
    for seed in range(20):
        parts = split(arrays(200, groups=groups), seed, test=0.2, validation=0.15)
        labels = [set(groups[rows]) for rows in parts]
        assert not labels[0] & labels[1]
        assert not labels[0] & labels[2]
        assert not labels[1] & labels[2]
        assert 20 <= len(parts.test) <= 60


def test_an_official_split_is_kept_and_only_a_missing_validation_part_is_carved():
    official = np.array(["train"] * 80 + ["test"] * 20, dtype="<U10")
    parts = split(arrays(100, official=official), 5, kind="official", test=0.5, validation=0.25)
    assert parts.test.tolist() == list(range(80, 100))
    assert len(parts.validation) == 20
    official[70:80] = "validation"
    parts = split(arrays(100, official=official), 5, kind="official", test=0.5, validation=0.25)
    assert parts.validation.tolist() == list(range(70, 80))


def test_too_little_data_is_an_error():
    with pytest.raises(DataError, match="too small"):
        split(arrays(1), 0, test=0.2, validation=0.2)


def test_a_split_by_time_trains_on_the_past_and_leaves_out_groups_that_reach_into_the_future(rng):
    times, groups = rng.integers(0, 60, size=300).astype(float), rng.integers(0, 100, size=300).astype(str)
    parts = split(arrays(300, times=times, groups=groups), 0, kind="time", test=0.2, validation=0.2)
    assert times[parts.train].max() < times[parts.validation].min()
    assert times[parts.validation].max() < times[parts.test].min()
    assert not set(groups[parts.train]) & set(groups[parts.test])
    assert not set(groups[parts.validation]) & set(groups[parts.test])
    assert 60 <= len(parts.test) <= 75  # equal times stay together
    everyone = split(arrays(300, times=times), 0, kind="time", test=0.2, validation=0.2)
    assert sum(map(len, everyone)) == 300


def test_samples_that_are_not_kept_are_in_no_part_and_the_others_stay_where_they_were(rng):
    kept = rng.random(100) < 0.5
    whole, parts = (split(arrays(100), 1, test=0.2, validation=0.2, kept=k) for k in (None, kept))
    for before, after in zip(whole, parts, strict=True):
        assert after.tolist() == before[kept[before]].tolist()
    with pytest.raises(DataError, match="of which 0 are complete"):
        split(arrays(100), 1, test=0.2, validation=0.2, kept=np.zeros(100, dtype=bool))


def test_the_kind_of_split_follows_what_the_dataset_has_and_allows():
    official = arrays(4, official=np.array(["train", "train", "test", "test"]))
    assert kind_of("auto", arrays(4)) == "random"
    assert kind_of("auto", official) == "official"
    assert kind_of("random", official) == "random"
    with pytest.raises(UsageError, match=r"--split time.*`time` under \[samples\]"):
        kind_of("time", official)
    with pytest.raises(UsageError, match="learned from labels"):
        kind_of("random", official, fixed="features were learned from labels of the train part")


@pytest.mark.parametrize("classes", [(), ("a", "b", "c")])
def test_the_folds_of_a_round_test_every_sample_once_and_keep_groups_whole(rng, classes):
    groups = np.array([f"g{i}" for i in rng.integers(60, size=200)])
    samples = {"target": rng.integers(3, size=200) if classes else rng.normal(size=200), "groups": groups}
    rounds = []
    for first in (0, 5):
        folds = [
            split(samples, seed, kind="kfold", test=0.2, validation=0.2, classes=classes)
            for seed in range(first, first + 5)
        ]
        assert sorted(np.concatenate([parts.test for parts in folds])) == list(range(200))
        for parts in folds:
            assert sorted(np.concatenate(parts)) == list(range(200))
            assert not {*groups[parts.test]} & {*groups[parts.train]}
        rounds.append(folds)
    assert not np.array_equal(rounds[0][0].test, rounds[1][0].test), "the next round is shuffled anew"
    again = split(samples, 3, kind="kfold", test=0.2, validation=0.2, classes=classes)
    assert all(np.array_equal(a, b) for a, b in zip(again, rounds[0][3], strict=True))
