"""Same parts for all: references fit on the training part, and choose by the validation part."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from bench.config import ModelConfig, TrainingConfig
from bench.methods.references import PENALTIES, REFERENCES, ridge_path
from bench.spec import RunSpec
from bench.trial import parts_of

CPU = torch.device("cpu")


@pytest.mark.parametrize("shape", [(30, 80), (80, 30)])
def test_the_path_of_ridges_is_scikit_learns(rng, shape):
    x, y, at = rng.normal(size=shape), rng.normal(size=shape[0]), rng.normal(size=(7, shape[1]))
    found = ridge_path(x, y, at, PENALTIES)
    for row, penalty in zip(found, PENALTIES, strict=True):
        np.testing.assert_allclose(row, Ridge(alpha=penalty).fit(x, y).predict(at), rtol=1e-6, atol=1e-8)


def spec(name: str, **options: object) -> RunSpec:
    return RunSpec(
        method=name, options=options, model=ModelConfig(), training=TrainingConfig(), seed=0, dataset="d",
        target={"column": "y"}, encoders={}, features="", code="",
    )  # fmt: skip


@pytest.mark.parametrize(("name", "options"), [("ridge", {"penalty": 1.0}), ("predict-mean", {})])
def test_targets_of_the_validation_part_are_not_fitted(features, name, options):
    parts, asked = parts_of(spec(name), features), spec(name, **options)
    predicted = []
    for ruin in (False, True):
        seen = features.hiding({})
        if ruin:
            y = features.samples["target"].copy()
            y[parts.validation] += 1000
            seen.samples["target"] = y
        method = REFERENCES[name](asked, CPU)
        method.fit(seen, parts)
        predicted.append(method.predict(seen, parts.test))
    assert np.array_equal(*predicted)


def test_the_penalty_is_the_one_that_does_best_on_the_validation_part(features):
    parts = parts_of(spec("ridge"), features)
    y = features.samples["target"]
    errors = []
    for penalty in PENALTIES:
        method = REFERENCES["ridge"](spec("ridge", penalty=penalty), CPU)
        method.fit(features, parts)
        errors.append(np.mean((method.predict(features, parts.validation) - y[parts.validation]) ** 2))
    chosen = REFERENCES["ridge"](spec("ridge"), CPU)
    chosen.fit(features, parts)
    assert chosen.fitted["model"].alpha == PENALTIES[int(np.argmin(errors))]
