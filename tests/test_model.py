"""Trunk, head and training: shared by every fusion, blind to the test part, loud about what is not finite."""

import copy

import numpy as np
import pytest
import torch

from bench.config import ModelConfig, TrainingConfig, TrunkConfig
from bench.data.splits import split
from bench.errors import TrainingFailed
from bench.methods.network import build_model
from bench.methods.train import Average, predict, train
from bench.methods.trunk import Moments, Standardize
from fusions import Source

CPU = torch.device("cpu")
SMALL = ModelConfig(dim=16, heads=2)
SHORT = TrainingConfig(epochs=3, lr=3e-3)


def parts_of(features):
    return split(features.samples, 0, test=0.2, validation=0.2)


def test_trunk_and_head_are_the_same_for_every_fusion(features):
    a, b = (build_model(features.layout, name, {}, SMALL, seed=0) for name in ("memf", "tfn"))
    for part in ("trunk", "head"):
        states = [getattr(m, part).state_dict() for m in (a, b)]
        assert states[0].keys() == states[1].keys()
        assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])
    other = build_model(features.layout, "memf", {}, SMALL, seed=1)
    assert not torch.equal(other.head[0].weight, a.head[0].weight)


def test_building_leaves_the_global_random_state_alone(features):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    build_model(features.layout, "concat", {}, SMALL, seed=0)
    assert torch.equal(torch.rand(3), expected)


def test_slots_tell_attributes_apart_and_can_be_switched_off(features):
    batch = features.batch(np.arange(4))
    source = Source("anchor", "text")
    slots = batch[source].slots
    swapped = batch | {source: batch[source]._replace(slots=slots.max() - slots)}
    for slots_on in (True, False):
        config = ModelConfig(dim=16, heads=2, trunk=TrunkConfig(slots=slots_on))
        model = build_model(features.layout, "concat", {}, config, seed=0).eval()
        same = torch.equal(model.trunk(batch)[source].values, model.trunk(swapped)[source].values)
        assert same != slots_on


def test_standardisation_ignores_padding_and_silences_constant_features():
    scale = Standardize(2)
    values = torch.tensor([[1.0, 7.0], [3.0, 7.0], [999.0, -999.0]])
    moments = Moments(2)
    for row in zip(values, torch.tensor([[True, True], [True, True], [False, False]]), strict=True):
        moments.add(*(part[None] for part in row))
    scale.fit(moments)
    assert scale(values[:2]).tolist() == [[-1.0, 0.0], [1.0, 0.0]]
    assert scale(torch.tensor([[1e9, 8.0]])).tolist() == [[10.0, 0.0]]


def test_the_test_part_decides_nothing(features):
    """Ruining test targets and features of test samples leaves training untouched, bit for bit."""
    parts = parts_of(features)
    states = []
    in_test = np.isin(np.arange(len(features.samples["target"])), parts.test)
    for ruin in (False, True):
        seen = features.hiding({source: in_test for source in features.folders} if ruin else {})
        if ruin:
            seen.samples["target"] = np.where(in_test, 1e6, features.samples["target"])
        model = build_model(seen.layout, "concat", {}, SMALL, seed=0)
        train(model, seen, parts, SHORT, 0, CPU)
        states.append(model.state_dict())
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])


def test_the_best_validation_epoch_is_restored(features):
    parts = parts_of(features)
    model = build_model(features.layout, "concat", {}, SMALL, seed=0)
    history = train(model, features, parts, TrainingConfig(epochs=30, patience=5, lr=2e-2), 0, CPU)
    predicted = predict(model, features, parts.validation, CPU)
    error = (predicted - features.samples["target"][parts.validation]) / float(model.target_scale)
    assert np.mean(error**2) == pytest.approx(min(e.validation_loss for e in history), rel=1e-5)


def test_averaged_weights_are_validated_kept_and_predicted_with(features):
    parts, losses, seen = parts_of(features), [], []
    model = build_model(features.layout, "concat", {}, SMALL, seed=0)

    def after_epoch(epoch):
        seen.append(predict(model, features, parts.validation, CPU))

    config = TrainingConfig(epochs=30, patience=5, lr=2e-2, averaging=0.9)
    history = train(model, features, parts, config, 0, CPU, after_epoch)
    truth = features.samples["target"][parts.validation]
    losses = [np.mean(((p - truth) / float(model.target_scale)) ** 2) for p in seen]
    np.testing.assert_allclose(losses, [e.validation_loss for e in history], rtol=1e-5)
    kept = predict(model, features, parts.validation, CPU)
    assert np.array_equal(kept, seen[int(np.argmin(losses))])


def test_the_average_moves_by_its_decay_and_faster_at_first(features):
    model = build_model(features.layout, "concat", {}, SMALL, seed=0)
    learner = copy.deepcopy(model)
    with torch.no_grad():
        for weights in learner.parameters():
            weights.add_(1.0)
    average, (name, start) = Average(model, learner, 0.5), next(model.named_parameters())
    start, expected = start.detach().clone(), 0.0
    for step in range(1, 30):
        average.step()
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay)
        torch.testing.assert_close(model.state_dict()[name], start + expected)


def test_a_prediction_depends_on_its_own_sample_only(features):
    model = build_model(features.layout, "memf", {}, SMALL, seed=0)
    model.fit_scales(features.batches(np.arange(20), 7), features.samples["target"][:20])
    together = predict(model, features, np.arange(12), CPU)
    alone = np.concatenate([predict(model, features, np.array([i]), CPU) for i in range(12)])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_a_loss_that_is_not_finite_fails_with_a_message(features):
    model = build_model(features.layout, "concat", {}, SMALL, seed=0)
    with torch.no_grad():
        model.head[0].weight.fill_(float("nan"))
    with pytest.raises(TrainingFailed, match="finite"):
        train(model, features, parts_of(features), SHORT, 0, CPU)


def test_auxiliary_losses_are_added(features):
    parts = parts_of(features)
    models = [
        build_model(features.layout, "cmmt", {"alpha": w, "beta": w}, SMALL, seed=0) for w in (0.0, 1.0)
    ]
    for model in models:
        train(model, features, parts, SHORT, 0, CPU)
    weights = [m.trunk.project["anchor_text"].weight for m in models]
    assert not torch.equal(*weights)
