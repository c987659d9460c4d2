"""What a fitted method predicts of the test part without some entities, or with those of other samples."""

from __future__ import annotations

from itertools import product

import numpy as np

from bench.features.altered import exchanged
from bench.observe.base import Observer, observer
from bench.seeds import derive

EXCHANGES = 5
"""How often entities are exchanged among the test samples, by chance."""
MOST = 10
"""Entities of which all sets are looked at: 1,024 of them."""


@observer("entities", "entities.npz")
class Entities(Observer):
    """Arrays over the test part; nothing is trained again.

    - `entities` (E,), their names;
    - `known` (2^E, E) bool, every set of them;
    - `masked` (2^E, N) or (2^E, N, K), predictions where all sources of the entities not known are absent;
    - `exchanged` (2^E, EXCHANGES, N) or (..., N, K), predictions where each of the entities not known is that
      of another test sample.
    """

    def record(self, predicted: np.ndarray) -> dict[str, np.ndarray] | None:
        """The arrays; None where there are too many entities."""
        features, rows, method = self.run.features, self.run.parts.test, self.run.method
        entities = list(dict.fromkeys(source.entity for source in features.folders))
        if len(entities) > MOST:
            return None
        known = np.array(list(product([False, True], repeat=len(entities))))
        hidden = np.ones(len(features.samples["target"]), dtype=bool)
        orders = {entity: self._orders(entity) for entity in entities}
        masked, swapped = [], []
        for kept in known:
            away = [entity for entity, there in zip(entities, kept, strict=True) if not there]
            absent = {source: hidden for source in features.folders if source.entity in away}
            masked.append(method.predict(features.hiding(absent), rows))
            swaps = [{entity: orders[entity][n] for entity in away} for n in range(EXCHANGES)]
            swapped.append([method.predict(exchanged(features, swap), rows) for swap in swaps])
        return {
            "entities": np.array(entities),
            "known": known,
            "masked": np.stack(masked),
            "exchanged": np.array(swapped),
        }

    def _orders(self, entity: str) -> list[np.ndarray]:
        """(N,) rows for all samples, those of the test part permuted, the same for every method of a seed."""
        rows, n = self.run.parts.test, len(self.run.features.samples["target"])
        rng = np.random.default_rng(derive(self.run.spec.seed, "exchanged", entity))
        orders = []
        for _ in range(EXCHANGES):
            order = np.arange(n)
            order[rows] = rng.permutation(rows)
            orders.append(order)
        return orders
