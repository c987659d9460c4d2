"""Encoded features of a dataset, on disk and as batches.

One folder per (dataset, source, encoder) holds memory-mapped arrays; a `FeatureSet` names the folders
that one run needs and gathers batches from them. Nothing is padded until a batch is made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.schema import Target
from bench.features.batch import Batch
from bench.features.layout import Description, Layout, Origin, SourceLayout
from bench.features.sources import SourceFeatures, load
from fusions import Source


@dataclass(frozen=True)
class FeatureSet:
    """All that training needs of a dataset, light enough to send to another process.

    Attributes:
        dataset: folder with the ids, targets, groups, times and official split.
        target: what is predicted.
        folders: the folder of every source, in the order of the schema.
        many: entities with several items per sample.
        ordered: sources whose tokens are a sequence in time.
        stamps: modality -> encoder with the provenance of its weights, ``resnet50 (random)``.
        undecodable: number of distinct items that could not be decoded.
        fixed: why only the official split may be used; "" where any may.
        hidden: source -> (N,) bool, the samples from which it is taken away.
        required: the folders of all sources that a complete sample has, where they are not just `folders`.
        origin: the description of the data and the encoders; None where there are none.
    """

    dataset: Path
    target: Target
    folders: Mapping[Source, Path]
    many: frozenset[str]
    ordered: frozenset[Source]
    stamps: Mapping[str, str]
    undecodable: int = 0
    fixed: str = ""
    hidden: Mapping[Source, np.ndarray] = field(default_factory=dict)
    required: Mapping[Source, Path] = field(default_factory=dict)
    origin: Origin | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Without what is open: another process maps the files itself."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @cached_property
    def sources(self) -> dict[Source, SourceFeatures]:
        """The stored features, memory-mapped on first use."""
        return {source: load(folder) for source, folder in self.folders.items()}

    @cached_property
    def samples(self) -> dict[str, np.ndarray]:
        """Memory-mapped arrays over samples: `ids`, `target`; maybe `groups`, `official`, `times`."""
        return {
            path.stem: np.load(path, mmap_mode="r", allow_pickle=False) for path in self.dataset.glob("*.npy")
        }

    @cached_property
    def complete(self) -> np.ndarray:
        """Which samples have every source of the dataset, (N,) bool; the same whoever sees only some."""
        present = np.ones(len(self.samples["target"]), dtype=bool)
        for folder in (self.required or self.folders).values():
            present &= load(folder).present
        return present

    @property
    def fingerprint(self) -> str:
        """A hash of every source's features; folder names are hashes of their content."""
        parts = [self.dataset.name, *(f"{s}:{f.name}" for s, f in self.folders.items())]
        # sources that are not seen decide no more than which samples are complete
        parts += [np.packbits(self.complete).tobytes().hex()] if self.required else []
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def only(self, entities: Collection[str]) -> FeatureSet:
        """The same without the sources of all other entities."""
        kept = {source: folder for source, folder in self.folders.items() if source.entity in entities}
        return replace(self, folders=kept, required=self.required or self.folders)

    def hiding(self, hidden: Mapping[Source, np.ndarray]) -> FeatureSet:
        """The same with sources taken away from samples: source -> (N,) bool."""
        seen = replace(self, hidden=dict(hidden))
        seen.__dict__["sources"] = self.sources  # what is open already need not be opened again
        return seen

    def blinded(self, rows: np.ndarray) -> FeatureSet:
        """The same with NaN as the targets of some samples (N,), for whoever may not look at them."""
        target = np.array(self.samples["target"], dtype=float)
        target[rows] = np.nan
        seen = replace(self)
        seen.__dict__["sources"] = self.sources
        seen.__dict__["samples"] = {**self.samples, "target": target}
        return seen

    @property
    def layout(self) -> Layout:
        """What they look like."""
        sources = [
            SourceLayout(
                entity=source.entity,
                modality=source.modality,
                kind=features.kind,
                width=features.width,
                attributes=features.attributes,
                ordered=source in self.ordered,
                many=source.entity in self.many,
            )
            for source, features in self.sources.items()
        ]
        return Layout(target=self.target, sources=tuple(sources))

    @property
    def description(self) -> Description:
        """All that is to be known of them to fit others to a method. Raises ValueError if simulated."""
        if self.origin is None:
            raise ValueError("these features come from no dataset; a method fitted to them cannot be kept")
        return Description(origin=self.origin, layout=self.layout)

    def like(self, layout: Layout) -> FeatureSet:
        """The same as a method sees them that was fitted to others: its sources in its order, its target.

        Raises:
            DataError: a source has another form there.
        """
        folders = {s.source: self.folders[s.source] for s in layout.sources}
        seen = replace(self, target=layout.target, folders=folders)
        seen.__dict__["sources"] = {s.source: self.sources[s.source].like(s) for s in layout.sources}
        return seen

    def batches(self, samples: np.ndarray, size: int) -> Iterator[dict[Source, Batch]]:
        """Batches of at most `size` of `samples` (N,), in order."""
        for start in range(0, len(samples), size):
            yield self.batch(samples[start : start + size])

    def batch(self, samples: np.ndarray) -> dict[Source, Batch]:
        """The batch of `samples` (B,), every source."""
        return {
            source: features.batch(samples, self.hidden[source][samples] if source in self.hidden else None)
            for source, features in self.sources.items()
        }
