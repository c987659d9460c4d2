import numpy as np
import pytest

from bench.data.splits import split
from bench.errors import DataError


def test_parts_are_disjoint_cover_everything_and_have_the_shares_asked_for():
    parts = split(320, 0, test=0.2, validation=0.15)
    assert len(parts.test) == 64
    assert abs(len(parts.validation) - 0.15 * 256) <= 1
    assert sorted(np.concatenate(parts)) == list(range(320))


def test_the_seed_decides_the_split():
    same = [split(50, seed, test=0.2, validation=0.2).test.tolist() for seed in (3, 3, 4)]
    assert same[0] == same[1] != same[2]


def test_a_group_never_straddles_two_parts(rng):
    groups = rng.integers(0, 30, size=200).astype(str)
    for seed in range(20):
        parts = split(200, seed, test=0.2, validation=0.15, groups=groups)
        labels = [set(groups[rows]) for rows in parts]
        assert not labels[0] & labels[1]
        assert not labels[0] & labels[2]
        assert not labels[1] & labels[2]
        assert 20 <= len(parts.test) <= 60


def test_an_official_split_is_kept_and_only_a_missing_validation_part_is_carved():
    official = np.array(["train"] * 80 + ["test"] * 20, dtype="<U10")
    parts = split(100, 5, test=0.5, validation=0.25, official=official)
    assert parts.test.tolist() == list(range(80, 100))
    assert len(parts.validation) == 20
    official[70:80] = "validation"
    parts = split(100, 5, test=0.5, validation=0.25, official=official)
    assert parts.validation.tolist() == list(range(70, 80))


def test_too_little_data_is_an_error():
    with pytest.raises(DataError, match="too small"):
        split(1, 0, test=0.2, validation=0.2)
