"""What a sample's features and prediction never depend on: order, padding, empty items, other samples."""

import numpy as np
import pandas as pd
import pytest
import torch

import encoders
import fusions
from bench.config import HeadConfig, ModelConfig, TrunkConfig
from bench.data.dataset import Dataset
from bench.features.encode import encode
from bench.features.store import FeatureSet
from bench.methods.network import build_model

SMALL = ModelConfig(dim=8, heads=2, trunk=TrunkConfig(), head=HeadConfig(hidden=(8,)))
WORDS = ("red", "店铺", "warm", "new", "bold", "quiet")
N = 14


def frames(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Random samples and products: many per sample, text and numbers, a third of all cells missing."""

    def texts(n: int) -> list[str | None]:
        return [" ".join(rng.choice(WORDS, 3)) if rng.random() > 0.3 else None for _ in range(n)]

    def numbers(n: int) -> np.ndarray:
        return np.where(rng.random(n) > 0.3, rng.normal(size=n), np.nan)

    names = [f"p{i}" for i in range(20)]
    keys = ["|".join(rng.choice(names, rng.integers(0, 5), replace=False)) for _ in range(N)]
    samples = pd.DataFrame({
        "id": [f"s{i}" for i in range(N)], "y": rng.normal(size=N), "title": texts(N), "tag": texts(N),
        "size": numbers(N), "age": numbers(N), "products": keys,
    })  # fmt: skip
    products = pd.DataFrame({"id": names, "name": texts(20), "price": numbers(20)})
    return samples, products


def features_of(samples: pd.DataFrame, products: pd.DataFrame) -> FeatureSet:
    entities = {
        "shop": {"text": ["title", "tag"], "numeric": ["size", "age"]},
        "product": {
            "table": "products", "key": "products", "many": True, "text": ["name"], "numeric": ["price"],
        },
    }  # fmt: skip
    data = Dataset.from_frames(samples, target="y", entities=entities, tables={"products": products})
    return encode(data, {"text": encoders.get("text", "hashing", width=32)})[0]


def tokens_of(features: FeatureSet) -> dict[str, dict[str, np.ndarray]]:
    """Sample id -> source -> its present tokens, each a sorted row of numbers with its slot."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for row, name in enumerate(features.samples["ids"]):
        batch = features.batch(np.array([row]))
        found[str(name)] = {}
        for source, (values, mask, slots) in batch.items():
            if values.dim() == 3:  # numbers (1, M, L) with their mask
                content = torch.cat([values[0], mask[0]], dim=1).numpy()
                content = content[mask[0].any(1).numpy()]
            else:
                content = torch.cat([values, slots[:, None]], dim=1).numpy()
            found[str(name)][str(source)] = content
    return found


def predictions(features: FeatureSet, fusion: str) -> dict[str, float]:
    """Sample id -> prediction of an untrained model, all samples in one batch."""
    model = build_model(features.layout, fusion, {}, SMALL, seed=0).eval()
    with torch.no_grad():
        predicted, _ = model(features.batch(np.arange(len(features.samples["ids"]))))
    return dict(zip(features.samples["ids"].tolist(), predicted.tolist(), strict=True))


def shuffled(samples: pd.DataFrame, products: pd.DataFrame, rng: np.random.Generator):
    return samples.sample(frac=1, random_state=1), products.sample(frac=1, random_state=2)


def with_empty_items(samples: pd.DataFrame, products: pd.DataFrame, rng: np.random.Generator):
    """An item that has nothing at all is named by every sample; and separators stand without a name."""
    nothing = pd.DataFrame({"id": ["nothing"], "name": [None], "price": [np.nan]})
    keys = ["|".join([key, "", "nothing"]) if key else "|nothing|" for key in samples["products"]]
    return samples.assign(products=keys), pd.concat([products, nothing], ignore_index=True)


def with_a_crowd(samples: pd.DataFrame, products: pd.DataFrame, rng: np.random.Generator):
    """One more sample with every product: all others are padded to its length."""
    crowd = samples.iloc[[0]].assign(id="crowd", products="|".join(products["id"]), title="all", size=1e6)
    return pd.concat([samples, crowd], ignore_index=True), products


def with_other_gaps(samples: pd.DataFrame, products: pd.DataFrame, rng: np.random.Generator):
    """The second half of the samples loses everything but what the first half has too."""
    half = samples.index >= N // 2
    emptied = samples.assign(
        title=samples["title"].mask(half),
        size=samples["size"].mask(half),
        products=samples["products"].mask(half),
    )
    return emptied, products


CHANGES = {f.__name__: f for f in (shuffled, with_empty_items, with_a_crowd, with_other_gaps)}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("seed", range(3))
def test_features_of_a_sample_are_its_own(change, seed):
    rng = np.random.default_rng(seed)
    before = frames(rng)
    after = CHANGES[change](*before, rng)
    untouched = [f"s{i}" for i in range(N // 2 if change == "with_other_gaps" else N)]
    old, new = tokens_of(features_of(*before)), tokens_of(features_of(*after))
    for name in untouched:
        for source, content in old[name].items():
            np.testing.assert_array_equal(_sorted(new[name][source]), _sorted(content), f"{name} {source}")


def _sorted(content: np.ndarray) -> np.ndarray:
    return content[np.lexsort(content.T)]


@pytest.mark.parametrize("fusion", fusions.names())
def test_a_prediction_is_its_samples_own(fusion):
    rng = np.random.default_rng(7)
    before = frames(rng)
    old = predictions(features_of(*before), fusion)
    for name, change in CHANGES.items():
        new = predictions(features_of(*change(*before, rng)), fusion)
        untouched = [f"s{i}" for i in range(N // 2 if name == "with_other_gaps" else N)]
        np.testing.assert_allclose([new[s] for s in untouched], [old[s] for s in untouched], atol=2e-6)
    assert len({round(v, 9) for v in old.values()}) > N // 2, "predictions that never differ prove nothing"
