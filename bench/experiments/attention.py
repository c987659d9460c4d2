"""Fig. 6: to which entity the last transformer of MEMF attends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import SubFigure

from bench.compare.frame import Results, Row, Run
from bench.config import Preset
from bench.data.dataset import Dataset
from bench.experiments.base import Experiment, Facts, experiment, several_entities
from bench.experiments.truth import FEWEST, mean_absolute_error, rank_correlation, shares_of, stated
from bench.plan import Plan
from bench.report.captions import provenance_of
from bench.report.figures.drawing import Drawing
from bench.report.figures.style import MAP, TWO_COLUMNS, canvas, colour_bar, shown, write_cells
from bench.seeds import derive
from bench.variants import Choice, Variant

SAMPLES = 9
MOST = 2000
"""Cells of one map that an SVG holds one by one."""
WRITTEN = 7
"""Up to this many groups, numbers fit into the cells."""
DARK = 0.6
"""Below this part of the colour map, numbers are white."""
SPREAD_MAP = "cividis"
READ = "A row shows where one group looks: its cells sum to 1."


@experiment("attention", paper="Fig. 6", title="Attention between entities")
class Attention(Experiment):
    """Attention maps of the Multi-Entity Transformer on the test part of one run."""

    def applies(self, choice: Choice) -> str:
        """It takes several entities."""
        return several_entities(choice)

    def variants(self, choice: Choice) -> list[Variant]:
        """One run."""
        return [choice.variant("memf", seeds=1, observe=frozenset({"attention"}))]

    def facts(self, dataset: Dataset, preset: Preset) -> Facts:
        """Each entity's share of what can be explained, where the data were generated and it is known."""
        return stated(dataset)

    def verdict(self, results: Results) -> str:
        """Whether attention says what entities are worth, where that is known."""
        maps = Maps.of(results.rows[0].first) if results.rows else None
        said = _against_truth(received(maps), shares_of(results.plan)) if maps else ""
        return " ".join(filter(None, [super().verdict(results), said]))

    def figures(self, results: Results) -> Sequence[Drawing]:
        """Single samples, and the mean over all of them."""
        row = next(iter(results.rows), None)
        maps = Maps.of(row.first) if row else None
        if row is None or maps is None:
            return []
        return [_samples(results.plan, row, maps), _mean(results.plan, row, maps)]


@dataclass(frozen=True)
class Maps:
    """The attention of one run over its test part.

    Attributes:
        layers: per layer (N, heads, G, G), query by key.
        groups: G names.
        ids: N sample ids.
    """

    layers: list[np.ndarray]
    groups: list[str]
    ids: list[str]

    @classmethod
    def of(cls, run: Run) -> Maps | None:
        """The maps of a run; None where they were not recorded."""
        arrays = run.record("attention") or {}
        names = sorted((n for n in arrays if n.startswith("layer")), key=lambda n: int(n[5:]))
        layers = [np.asarray(arrays[name], dtype=float) for name in names]
        if not layers or not len(layers[0]):
            return None
        return cls(layers, [str(g) for g in arrays["groups"]], [str(i) for i in arrays["ids"]])


def rollout(layers: list[np.ndarray]) -> np.ndarray:
    """Attention rollout (Abnar & Zuidema, ACL 2020): (N, G, G) from layers (N, heads, G, G).

    Half of what a layer passes on is its input itself (the residual connection); layers multiply.
    """
    groups = layers[0].shape[-1]
    flow = np.broadcast_to(np.eye(groups), (len(layers[0]), groups, groups))
    for layer in layers:
        step = 0.5 * layer.mean(axis=1) + 0.5 * np.eye(groups)
        flow = step / step.sum(axis=-1, keepdims=True) @ flow
    return flow


def received(maps: Maps) -> dict[str, float]:
    """Group -> the weight it gets in the last layer, over samples, heads and queries; they sum to 1."""
    return dict(zip(maps.groups, maps.layers[-1].mean(axis=(0, 1, 2)).tolist(), strict=True))


def _against_truth(weights: Mapping[str, float], shares: Mapping[str, float]) -> str:
    """A sentence on weights beside true shares; "" where the groups are no entities of known shares."""
    if len(shares) < FEWEST or set(shares) != set(weights):
        return ""
    both = ", ".join(f"{entity} {weights[entity]:.2f} ({share:.2f})" for entity, share in shares.items())
    off = mean_absolute_error(shares, weights)
    even = mean_absolute_error(shares, dict.fromkeys(shares, 1 / len(shares)))
    nearer = "nearer to the shares than" if off < even else "no nearer to the shares than"
    rank = rank_correlation(shares, weights)
    return (
        "Mean weight that an entity gets in the last layer, and in brackets its true share of the generator: "
        f"{both}. The weights lie between {min(weights.values()):.2f} and {max(weights.values()):.2f}, the "
        f"shares between {min(shares.values()):.2f} and {max(shares.values()):.2f}; the weights are {nearer} "
        f"equal weights for all would be (mean absolute error {off:.3f}, of equal ones {even:.3f}; Spearman "
        f"correlation of the two orders {rank:.2f})."
    )


def _samples(plan: Plan, row: Row, maps: Maps) -> Drawing:
    """Maps of the last layer, averaged over heads, for nine random test samples."""
    rng = np.random.default_rng(derive(row.first.seed, "attention-samples"))
    chosen = np.sort(rng.permutation(len(maps.ids))[:SAMPLES])
    last = maps.layers[-1].mean(axis=1)[chosen]
    columns = min(3, len(chosen))
    rows = -(-len(chosen) // columns)
    figure = canvas(TWO_COLUMNS, 0.9 + 1.75 * rows)
    norm = Normalize(0, float(last.max()))
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for i, ax in enumerate(panels.flat):
        if i >= len(chosen):
            ax.remove()
            continue
        _map(ax, last[i], norm, MAP)
        # the axes at the edge carry the names; below the last sample of a column there may be none
        at_edge = i + columns >= len(chosen)
        _name_axes(ax, maps.groups, rows=i % columns == 0, columns=at_edge)
        ax.set_title(shown(maps.ids[chosen[i]], 22))
    figure.supxlabel("attended group (key)", fontsize=7.5)
    figure.supylabel("attending group (query)", fontsize=7.5)
    colour_bar(figure, ScalarMappable(norm, MAP), list(figure.axes), "attention weight")
    text = (
        f"{provenance_of(plan, row)} {len(chosen)} test samples drawn at random; last layer, "
        f"mean over {maps.layers[-1].shape[1]} heads. {READ}"
    )
    return Drawing("attention-samples", f"{plan.title}: single samples", text, figure)


def _mean(plan: Plan, row: Row, maps: Maps) -> Drawing:
    """Rollout over all layers, and the mean and spread of every layer and head, over the test part."""
    heads, depth = maps.layers[0].shape[1], len(maps.layers)
    # the small maps of a layer, side by side, fill half the width
    below_height = depth * (min(0.8, 2.6 / heads) + 0.06) + 0.55
    figure = canvas(TWO_COLUMNS, 3.6 + below_height)
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=[3.6, below_height])[:, 0]
    last, flow = maps.layers[-1].mean(axis=1), rollout(maps.layers)
    means = [layer.mean(axis=0) for layer in maps.layers]
    spreads = [layer.std(axis=0) for layer in maps.layers]
    norm = Normalize(0, float(np.max(means)))
    panels = above.subplots(1, 2)
    for ax, maps_of, title in zip(
        panels, (last, flow), ("last layer, mean over heads", "rollout over all layers"), strict=True
    ):
        mean = maps_of.mean(axis=0)
        # the rollout keeps half of everything in place: on the layers' scale they would all look alike
        scale = norm if maps_of is last else Normalize(0, float(mean.max()))
        _map(ax, mean, scale, MAP, spread=maps_of.std(axis=0))
        colour_bar(
            above,
            ScalarMappable(scale, MAP),
            [ax],
            "mean attention weight" if maps_of is last else "mean share",
        )
        _name_axes(ax, maps.groups, rows=True, columns=True)
        ax.set(title=title, xlabel="attended group (key)")
    panels[0].set_ylabel("attending group (query)")
    left, right = below.subfigures(1, 2, squeeze=False)[0]
    _mosaic(left, means, norm, MAP, "mean per layer and head", "mean")
    limits = Normalize(0, float(np.max(spreads)) or 1.0)
    _mosaic(right, spreads, limits, SPREAD_MAP, "spread per layer and head", "sd")
    written = "Numbers: mean, and ± standard deviation over samples. " if len(maps.groups) <= WRITTEN else ""
    text = (
        f"{provenance_of(plan, row)} Over {len(maps.ids)} test samples. {written}"
        "Rollout (Abnar & Zuidema, 2020) multiplies the layers, half of each being the residual connection. "
        f"Small maps: the same groups in the same order. {READ}"
    )
    return Drawing("attention-mean", f"{plan.title}: over the test part", text, figure)


def _map(ax: Axes, values: np.ndarray, norm: Normalize, cmap: str, spread: np.ndarray | None = None) -> None:
    """A square heat map; with the numbers in its cells where a spread is given and they fit."""
    # viewers blur enlarged images, so an SVG holds cells, unless there are thousands
    ax.pcolormesh(values, norm=norm, cmap=cmap, rasterized=values.size > MOST)
    ax.set(aspect="equal", ylim=(len(values), 0))
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0, labelleft=False, labelbottom=False)
    if spread is None or len(values) > WRITTEN:
        return
    texts = [f"{v:.2f}\n±{s:.2f}" for v, s in zip(values.flat, spread.flat, strict=True)]
    write_cells(ax, np.reshape(texts, values.shape), norm(values) < DARK)


def _name_axes(ax: Axes, groups: list[str], *, rows: bool, columns: bool) -> None:
    at, names = np.arange(len(groups)) + 0.5, [shown(group, 18) for group in groups]
    ax.tick_params(labelleft=rows, labelbottom=columns)
    ax.set_xticks(at, names, rotation=90)
    ax.set_yticks(at, names, rotation=0)


def _mosaic(
    part: SubFigure, layers: list[np.ndarray], norm: Normalize, cmap: str, title: str, label: str
) -> None:
    """One small map per layer (rows) and head (columns), without names."""
    heads, groups = layers[0].shape[:2]
    step = groups + 1
    tiles = np.full((len(layers) * step - 1, heads * step - 1), np.nan)
    for i, layer in enumerate(layers):
        for j, head in enumerate(layer):
            tiles[i * step : i * step + groups, j * step : j * step + groups] = head
    ax = part.subplots()
    _map(ax, tiles, norm, cmap)
    ax.tick_params(labelleft=True, labelbottom=True)
    ax.set_xticks(np.arange(heads) * step + groups / 2, [str(j + 1) for j in range(heads)])
    ax.set_yticks(np.arange(len(layers)) * step + groups / 2, [str(i + 1) for i in range(len(layers))])
    ax.set(title=title, xlabel="head", ylabel="layer")
    colour_bar(part, ScalarMappable(norm, cmap), [ax], label)
