"""Table 6: the search space and the settings; no run is needed."""

from __future__ import annotations

from bench.config import Preset
from bench.data.dataset import Dataset
from bench.experiments.base import Experiment, Facts, experiment
from bench.variants import Choice, Variant

SEARCH_SPACE = {
    "training.lr": (5e-7, 1e-6, 5e-6, 1e-5, 5e-5),
    "model.dropout": (0.1, 0.2, 0.3, 0.4, 0.5),
    "model.dim": (256, 512, 768),
    "model.heads": (4, 8, 16),
}
"""Table 6: setting -> the values that the paper searched."""
CHOSEN = {"training.lr": 1e-6, "model.dropout": 0.1, "model.dim": 512, "model.heads": 8}
"""Table 6: setting -> the value that the paper chose."""


@experiment("tuning", paper="Table 6", title="Search space and settings")
class Tuning(Experiment):
    """The paper's search space and choice beside what this preset uses."""

    def variants(self, choice: Choice) -> list[Variant]:
        """Nothing is trained."""
        return []

    def facts(self, dataset: Dataset, preset: Preset) -> Facts:
        """One row for each setting."""
        used = {
            "training.lr": preset.training.lr,
            "model.dropout": preset.model.dropout,
            "model.dim": preset.model.dim,
            "model.heads": preset.model.heads,
        }
        return {
            "settings": [
                {
                    "setting": key,
                    "searched": ", ".join(f"{v:g}" for v in values),
                    "paper": CHOSEN[key],
                    "here": used[key],
                }
                for key, values in SEARCH_SPACE.items()
            ]
        }
