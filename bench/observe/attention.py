"""Attention maps on the test part."""

from __future__ import annotations

import numpy as np

from bench.methods.network import Network
from bench.methods.train import attention_maps
from bench.observe.base import Observer, observer


@observer("attention", "attention.npz")
class Attention(Observer):
    """The maps of every layer, (N, heads, G, G), with `groups` (G,) and `ids` (N,)."""

    def record(self, predicted: np.ndarray) -> dict[str, np.ndarray] | None:
        """The maps; None of a method that has none."""
        run, method = self.run, self.run.method
        if not isinstance(method, Network):
            return None
        maps = attention_maps(method.model, run.features, run.parts.test, method.device)
        if not maps:
            return None
        ids = np.array(run.features.samples["ids"][run.parts.test])
        return {**maps, "groups": np.array(method.model.fusion.groups), "ids": ids}
