"""Rows of one method on several encoders, and on several weights of one: told apart, and compared."""

import pytest
from workshop import Row, Workshop

import encoders
from bench.compare.agreement import agreement, flipped
from bench.compare.verdict import comparable
from bench.publish import read
from encoders import UnknownEncoder

ERRORS = {"mfb": (0.9, 0.3), "tfn": (0.5, 0.5), "gmu": (0.7, 0.7), "ridge": (0.6, 0.6)}
"""Method -> its error on random weights, and on pretrained ones."""


@pytest.fixture(scope="module")
def two_weights(tmp_path_factory):
    workshop = Workshop(tmp_path_factory.mktemp("weights"), seeds=8)
    rows = [
        Row(method, error, reference=method == "ridge", weights=weights)
        for weights, column in (("random", 0), ("V2 1a2b3c4d", 1))
        for method, error in ((m, both[column]) for m, both in ERRORS.items())
    ]
    return read(workshop.plan("fusion", rows), workshop.store)


def test_weights_of_one_network_are_rows_of_their_own(two_weights):
    """They had one name once, and only the last of them was compared."""
    names = list(comparable(two_weights.results, references=True))
    both = ("resnet50 random", "resnet50 V2")
    assert names == [f"{method} ({weights})" for weights in both for method in ERRORS]
    assert two_weights.table["letters"].ne("").all()


def test_what_other_weights_change_is_said(two_weights):
    (said,) = two_weights.verdicts
    assert "With resnet50 V2 in place of resnet50 random, the MSE of mfb (-0." in said
    assert "changes; for the other 3 no change can be shown: for half of them a change of" in said
    assert "Order of the 3 fusions: Kendall's tau -0.33, 2 of 3 pairs flip. (4 planned comparisons" in said


def test_a_digest_is_shown_where_it_alone_tells_files_apart(tmp_path):
    workshop = Workshop(tmp_path)
    rows = [Row("memf", 0.5, weights=f"mine.pth {digest}") for digest in ("11111111", "22222222")]
    labels = list(comparable(read(workshop.plan("fusion", rows), workshop.store).results))
    assert labels == ["memf (resnet50 mine.pth 11111111)", "memf (resnet50 mine.pth 22222222)"]


def test_one_set_of_encoders_is_compared_with_nothing(tmp_path):
    workshop = Workshop(tmp_path)
    (said,) = read(workshop.plan("fusion", [Row("memf", 0.5), Row("tfn", 0.6)]), workshop.store).verdicts
    assert "in place of" not in said


def test_agreement_of_orders():
    one, other = {"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 2.0, "b": 1.0, "c": 3.0}
    assert flipped(one, other) == [("a", "b")]
    assert agreement(one, other) == "Kendall's tau 0.33, 1 of 3 pairs flip"
    assert agreement(one, one) == "Kendall's tau 1.00, 0 of 3 pairs flip"


def test_random_weights_stand_beside_pretrained_ones_by_name():
    wanted = encoders.get("image", "resnet18", weights="random", size=32)
    found = encoders.get("image", "resnet18:random", weights="pretrained", size=32)
    assert (
        (found.stamp, found.fingerprint)
        == (wanted.stamp, wanted.fingerprint)
        == (
            "resnet18 (random)",
            wanted.fingerprint,
        )
    )
    with pytest.raises(UnknownEncoder, match="'hashing:random' has no weights that could be random"):
        encoders.get("text", "hashing:random")
    with pytest.raises(UnknownEncoder, match="no image encoder 'nothing'"):
        encoders.get("image", "nothing:random")
