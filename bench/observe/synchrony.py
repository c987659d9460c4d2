"""How much crossmodal attention looks at the same moment, sample by sample on the test part."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.methods.network import Network
from bench.methods.train import attention_maps
from bench.observe.base import Observer, observer

CLOSE = 1
"""Steps that still count as the same moment."""
PAIRS = {"video<-audio": "music -> motion", "audio<-video": "motion -> music"}
"""Maps of `mult`, query <- key, and what they are called where synchronicity is the question."""


@observer("synchrony", "synchrony.parquet")
class Synchrony(Observer):
    """A row per sample: id, and per direction the share of attention at most CLOSE steps away."""

    def record(self, predicted: np.ndarray) -> pd.DataFrame | None:
        """The shares; None of a method without such maps."""
        run, method = self.run, self.run.method
        if not isinstance(method, Network):
            return None
        maps = attention_maps(method.model, run.features, run.parts.test, method.device)
        found: dict[str, np.ndarray] = {}
        for pair, said in PAIRS.items():
            layers = [m.mean(1) for name, m in maps.items() if name.startswith(f"{pair}.")]
            found |= {said: same_moment(np.mean(layers, 0))} if layers else {}
        ids = [str(name) for name in run.features.samples["ids"][run.parts.test]]
        return pd.DataFrame({"id": ids, **found}) if found else None


def same_moment(maps: np.ndarray) -> np.ndarray:
    """(N,) the share of attention (N, Q, K) near the diagonal, over the queries that look anywhere."""
    queries, keys = np.indices(maps.shape[1:])
    near = (maps * (np.abs(queries - keys) <= CLOSE)).sum(2)
    looks = maps.sum(2) > 0.5
    return np.asarray((near * looks).sum(1) / np.maximum(looks.sum(1), 1))
