"""Prepared items are embedded together: in which batches, in which order, and where they do not fit."""

import threading

import numpy as np
import pytest
import torch
from media import save_bert

import encoders
from encoders import EncoderFailed, Feature, Undecodable

pytestmark = pytest.mark.usefixtures("nothing_to_be_found")


class Recorded(encoders.Encoder):
    """Sums of numbers; writes down how many it is given at a time, and has room for so many."""

    batch = 8

    def __init__(self, room=100):
        super().__init__("text", "recorded", "none")
        self.room, self.sizes = room, []

    def prepare(self, item):
        if not item:
            raise encoders.CannotDecode("nothing")
        return np.array([ord(c) for c in item], np.float32)

    def embed(self, batch, device):
        if len(batch) > self.room:
            raise torch.OutOfMemoryError("no room")
        self.sizes.append(len(batch))
        assert len({prepared.shape for prepared in batch}) == 1
        return [Feature(row.sum(keepdims=True)) for row in np.stack(batch)]


def sums(encoder, items, device):
    return [r.reason if isinstance(r, Undecodable) else r.values[0] for r in encoder.encode(items, device)]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_results_are_in_order_whatever_the_batches(device):
    texts = ["", *(chr(97 + i % 26) * (1 + i % 5 * (i % 3)) for i in range(100)), ""]
    encoder = Recorded()
    expected = [sum(map(ord, text)) if text else "nothing" for text in texts]
    assert sums(encoder, texts, device) == expected
    assert sum(encoder.sizes) == 100
    assert set(encoder.sizes) == {1} if device == "cpu" else max(encoder.sizes) == 8


def test_batches_on_the_cpu_have_one_size(monkeypatch):
    """However few items of a layout there are: features would else depend on what is encoded with them."""
    monkeypatch.setattr(Recorded, "cpu_batch", 4)
    encoder, texts = Recorded(), ["a", "bb", "", "c", "d", "e", "f", "ggg"]
    assert sums(encoder, texts, "cpu") == [sum(map(ord, text)) if text else "nothing" for text in texts]
    assert encoder.sizes == [4] * 4


def test_batches_are_halved_until_they_fit():
    encoder = Recorded(room=3)
    assert sums(encoder, ["a"] * 20, "cuda") == [97] * 20
    assert encoder.sizes == [2] * 10
    with pytest.raises(
        EncoderFailed, match=r"text encoder 'recorded': cuda has too little memory for it; use"
    ):
        sums(Recorded(room=0), ["a"] * 20, "cuda")


def test_unlike_items_do_not_wait_for_ever():
    """No more than four batches' worth are held back, and one is embedded, however many layouts there are."""
    encoder, asked = Recorded(), []
    items = (asked.append(n) or "x" * n for n in range(1, 200))
    next(encoder.encode(items, "cuda"))
    assert len(asked) <= 5 * Recorded.batch


def test_items_are_prepared_while_a_device_embeds(monkeypatch):
    """The first batch is not embedded until the last item of the second has been asked for."""
    asked = threading.Event()

    def embed(encoder, batch, device):
        assert asked.wait(timeout=60)
        return [Feature(row.sum(keepdims=True)) for row in np.stack(batch)]

    def items():
        for number in range(24):
            if number == 15:
                asked.set()
            yield "a"

    monkeypatch.setattr(Recorded, "embed", embed)
    assert sums(Recorded(), items(), "cuda") == [97] * 24


def test_what_fails_on_a_device_is_raised_where_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(Recorded, "embed", lambda encoder, batch, device: [])
    with pytest.raises(EncoderFailed, match="embed returns 0 features for 8 items"):
        sums(Recorded(), ["a"] * 20, "cuda")


def test_the_network_of_a_model_may_find_no_room(tmp_path, monkeypatch):
    """What a device lacks is not taken for a fault of the model's folder."""
    save_bert(tmp_path / "tiny")
    encoder = encoders.get("text", str(tmp_path / "tiny"))
    prepared = encoder.prepare("全场")
    monkeypatch.setattr(encoder.network("cpu"), "forward", full)
    with pytest.raises(torch.OutOfMemoryError):
        encoder.embed([prepared], "cpu")


def full(**inputs):
    raise torch.OutOfMemoryError("no room")
