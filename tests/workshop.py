"""Stored plans and runs of all experiments without training anything, for tests of figures and pages."""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd

from bench.config import ModelConfig, TrainingConfig
from bench.data.schema import Target
from bench.files import seal
from bench.plan import Plan, PlanRow
from bench.publish import read
from bench.report.figures.drawing import Drawing, Figure
from bench.report.figures.style import settings
from bench.report.headline import Headline, headline
from bench.report.numbers import numbers
from bench.report.page import write_page as write_chapters
from bench.report.sheet import Sheet
from bench.report.tables import caption, results_sheet, shown_metrics
from bench.spec import RunSpec
from bench.store import RunResult, RunStore

METHODS = (
    "memf", "mfb", "mfh", "tfn", "lmf", "vtfsa", "cmmt", "mult", "gmu", "mbt", "concat", "late", "mean", "fc",
    "lstm", "cnn",
)  # fmt: skip
ENTITIES = ("anchor", "commodity", "room", "video", "audio")
SALES = Target(column="sales", transform="log10", unit="yuan")


@dataclass(frozen=True)
class Row:
    """A row to be stored: its error is `noise` beside the target's standard deviation of 1.07."""

    method: str
    noise: float
    variant: str = ""
    image: str = "resnet50"
    text: str = "hashing"
    reference: bool = False
    blind: bool = False
    weights: str = field(default="random", repr=False)


def fields(variant: str) -> dict[str, object]:
    """What a row has as data, of what people read: ``without anchor``, ``keep, on complete samples``."""
    *arm, handling = [part for part in variant.split(", ") if part != "on complete samples"] or [""]
    if handling not in ("keep", "drop"):
        arm, handling = [*arm, handling], ""
    found: dict[str, object] = {"arm": ", ".join(arm), "missing": handling}
    if handling == "keep" and "on complete" in variant:
        found["scored"] = "complete"
    for word in ("without", "only"):
        if str(found["arm"]).startswith(f"{word} "):
            one = str(found["arm"]).removeprefix(f"{word} ")
            rest = [entity for entity in ENTITIES if entity != one]
            seen, unseen = (rest, [one]) if word == "without" else ([one], rest)
            found |= {"arm": word, "seen": seen, "unseen": unseen}
    return found


class Workshop:
    """Writes plans and runs as `bench run` would."""

    def __init__(self, out: Path, *, seeds: int = 3, target: Target = SALES) -> None:
        self.out, self.store, self.seeds, self.target = out, RunStore(out), seeds, target
        self.plans: list[Plan] = []

    def plan(self, experiment: str, rows: Sequence[Row] = (), **more: object) -> Plan:
        stored = [self._row(experiment, row) for row in rows]
        fields = {
            "experiment": experiment, "title": f"Title of {experiment}", "paper": "Table 9",
            "dataset": "livestream", "description": "Synthetic streams", "samples": 320,
            "target": self.target, "preset": "quick", "seeds": self.seeds, "undecodable": 0, "command": "",
            "rows": stored,
        }  # fmt: skip
        plan = Plan(**fields | more)
        plan.save(self.out)
        self.plans.append(plan)
        return plan

    def draw(self) -> dict[str, Figure]:
        readings = [read(plan, self.store) for plan in self.plans]
        return {figure.name: figure for reading in readings for figure in reading.write_figures(self.out)}

    def drawings(self, plan: Plan) -> list[Drawing]:
        """The figures of a plan; none is written."""
        reading = read(plan, self.store)
        with matplotlib.rc_context(settings()):
            return list(reading.experiment.figures(reading.results))

    def drawn(self) -> dict[str, Drawing]:
        """The figures of all plans, by name; none is written."""
        return {drawing.name: drawing for plan in self.plans for drawing in self.drawings(plan)}

    def captions(self, plan: Plan) -> dict[str, str]:
        """Of the figures of a plan, by name."""
        return {drawing.name: drawing.caption for drawing in self.drawings(plan)}

    def _row(self, experiment: str, row: Row) -> PlanRow:
        encoders = {} if row.blind else {"text": row.text, "image": row.image, "audio": "logmel"}
        stamps = {
            modality: name + f" ({row.weights})" * (modality == "image")
            for modality, name in encoders.items()
        }
        return PlanRow(
            method=row.method, encoders=encoders, stamps=stamps, reference=row.reference,
            runs=[self._run(experiment, row, stamps, seed) for seed in range(self.seeds)],
            **fields(row.variant),
        )  # fmt: skip

    def _run(self, experiment: str, row: Row, stamps: dict[str, str], seed: int) -> str:
        spec = RunSpec(
            method=row.method, options={"variant": row.variant, "of": experiment}, model=ModelConfig(),
            training=TrainingConfig(), seed=seed, dataset="livestream", target=self.target,
            encoders=stamps, features="", code="",
        )  # fmt: skip
        rng = np.random.default_rng(seed)
        true = np.clip(rng.normal(4.99, 1.07, 64), 1.3, 8.0)
        # what a split makes hard is hard for every method
        name = zlib.crc32(
            repr((experiment, row, seed)).encode()
        )  # not the id, which changes with any setting
        wobble = rng.normal(0, 0.95, 64) + np.random.default_rng(name).normal(0, 0.3, 64)
        predicted = np.full(64, 5.0) if row.blind else true + row.noise * (wobble + 0.02 * seed)
        size = name % 4096
        measured = {
            "params": 0 if row.reference else 20_000 + 60 * size, "flops": 90 * size,
            "seconds": 1 + size / 400, "epochs": 20, "n_train": 256, "undecodable": 0, "chosen": "",
        }  # fmt: skip
        ids = [f"stream-{i:04d}" for i in range(63)] + ["直播间-7"]
        epochs = np.arange(20)
        history = pd.DataFrame({
            "epoch": epochs, "train_loss": np.exp(-epochs / 5) + 0.3,
            "validation_loss": np.exp(-epochs / 4) + 0.4 + (epochs - 12) ** 2 / 900,
        })  # fmt: skip
        predictions = pd.DataFrame({
            "id": ids, "group": ids, "split": "test", "complete": True, "y_true": true, "y_pred": predicted,
        })  # fmt: skip
        self.store.save(spec, RunResult(measured, predictions, history, {}))
        return spec.id

    def predict(self, run: str, predicted: np.ndarray | float, **columns: object) -> None:
        """Change the stored predictions of a run, or other columns of the table."""
        path = self.store.root / run / "predictions.parquet"
        self.store.predictions(run).assign(y_pred=predicted, **columns).to_parquet(path, index=False)
        seal(path.parent)

    def explain(self, run: str, r2: float) -> None:
        """Change the predictions of a run so that they have this R2_score."""
        true = self.store.predictions(run)["y_true"].to_numpy()
        self.predict(run, true + np.sqrt((1 - r2) * true.var()))

    def measure(self, run: str, **measured: object) -> None:
        """Change what was measured of a run."""
        path = self.store.root / run / "measured.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | measured), encoding="utf-8")
        seal(path.parent)

    def observe(self, plan: Plan, groups: Sequence[str] = ENTITIES, layers: int = 1, heads: int = 4) -> None:
        """Add what is recorded on request to a plan's first run."""
        folder = self.store.root / plan.rows[0].runs[0]
        rng, predictions = np.random.default_rng(0), pd.read_parquet(folder / "predictions.parquet")
        columns = predictions[["y_true", "y_pred"]]
        epochs = [columns.assign(epoch=e, y_pred=columns["y_pred"] + np.exp(-e / 4)) for e in range(20)]
        pd.concat(epochs).to_parquet(folder / "test_history.parquet", index=False)
        shape = (64, heads, len(groups), len(groups))
        weights = 2 * np.ones(shape[-1]) + np.arange(shape[-1])
        maps = {f"layer{i}": rng.dirichlet(weights, shape[:-1]) for i in range(layers)}
        ids = predictions["id"].to_numpy(str)
        np.savez(folder / "attention.npz", groups=np.array(groups), ids=ids, **maps)
        seal(folder)

    def take_away(self, plan: Plan, falls: Mapping[str, float]) -> None:
        """Let all runs record sources taken away: with a source, R2_score falls by `falls` to no sample."""
        for row in plan.rows:
            for run in row.runs:
                table = self.store.predictions(run)
                true, error = table["y_true"].to_numpy(), (table["y_pred"] - table["y_true"]).to_numpy()
                parts = [
                    pd.DataFrame({
                        "source": source, "turn": np.arange(len(true)),
                        "y_pred": true + np.sqrt(error**2 + fall * true.var()),
                    })
                    for source, fall in falls.items()
                ]  # fmt: skip
                pd.concat(parts).to_parquet(self.store.root / run / "missing.parquet", index=False)
                seal(self.store.root / run)


# -- short ways to what is read of a plan --------------------------------------------------------------------


def rows_of(plan: Plan, store: RunStore) -> pd.DataFrame:
    return read(plan, store).table


def sheet_of(plan: Plan, store: RunStore) -> Sheet:
    results = read(plan, store).results
    return results_sheet(plan, numbers(results), results.metrics)


def caption_of(plan: Plan, store: RunStore) -> str:
    results = read(plan, store).results
    table = numbers(results)
    return caption(plan, table, results.metrics, shown_metrics(table, results.metrics))


def write_tables(plan: Plan, store: RunStore, out: Path) -> list[Path]:
    return read(plan, store).write_tables(out)


def verdict(plan: Plan, store: RunStore) -> str:
    return " ".join(read(plan, store).verdicts)


def headline_of(plan: Plan, store: RunStore) -> Headline | None:
    return headline(read(plan, store).results)


def values_of(store: RunStore, plan: Plan, row: int) -> list[Mapping[str, float]]:
    """The metrics of a row's stored runs."""
    found = {id(r.row): r for r in read(plan, store).results.rows}
    return [run.values for run in found[id(plan.rows[row])].runs.values()]


def write_page(plans: Sequence[Plan], store: RunStore, out: Path) -> Path:
    """With figures that are drawn into the same folder."""
    readings = [read(plan, store) for plan in plans]
    return write_chapters([reading.chapter(reading.write_figures(out)) for reading in readings], out)


def figures_and_page(plan: Plan, store: RunStore, out: Path) -> tuple[dict[str, Figure], str]:
    """What is drawn of a plan, and the text of a page with it."""
    reading = read(plan, store)
    figures = reading.write_figures(out)
    page = write_chapters([reading.chapter(figures)], out).read_text("utf-8")
    return {figure.name: figure for figure in figures}, page


FACTS = {
    "histogram": [
        {"part": part, "left": 1.5 + i / 2, "right": 2 + i / 2, "count": count // share}
        for part, share in (("train", 1), ("test", 4))
        for i, count in enumerate((1, 3, 9, 18, 33, 50, 58, 52, 31, 20, 8, 2, 1))
    ],
    "statistics": [
        {"part": part, "size": size, "max": 7.74, "min": 1.31, "mean": 4.99, "median": 4.85, "sd": 1.07}
        for part, size in (("train", 256), ("test", 64))
    ],
}  # fmt: skip
ARMS = {"full data": 0.0, "source dropout": 0.02}
FALLS = {f"{entity}.image": 0.05 * i for i, entity in enumerate(ENTITIES)}
"""Source -> how much of R2_score is lost without it."""
SHARES = {
    "true_shares": [
        {"entity": e, "share": s} for e, s in zip(ENTITIES, (0.2, 0.4, 0.15, 0.1, 0.05), strict=True)
    ]
}


def fill(
    workshop: Workshop, methods: Sequence[str] = METHODS, images: Sequence[str] = ("resnet50", "densenet121")
):
    """All experiments, small differences between methods."""
    noise = {name: 0.6 + 0.02 * i for i, name in enumerate(methods)}
    references = [
        Row(n, 0.8, image=i, reference=True) for n in ("ridge", "boosted-trees-best-entity") for i in images
    ]
    workshop.plan(
        "fusion",
        [Row(n, noise[n], image=i) for i in images for n in methods] + references
        + [Row("predict-mean", 0, reference=True, blind=True)],
    )  # fmt: skip
    workshop.plan(
        "entity-fusion", [Row(n, 0.6 + 0.03 * i) for i, n in enumerate(("memf", "cnn", "lstm", "fc", "mean"))]
    )
    workshop.plan("order", [Row("memf", 0.6, "entity-first"), Row("memf", 0.68, "modality-first")])
    parts = [Row("memf", 0.6)]
    for i, name in enumerate(ENTITIES):
        parts += [
            Row("memf", 0.62 + 0.03 * i, f"without {name}"),
            Row("memf", 1.0 - 0.05 * i, f"only {name}"),
        ]
    workshop.plan("entities", parts, facts=SHARES)
    some = methods[:3]
    workshop.plan(
        "backbones",
        [Row(n, noise[n], image=i) for i in (*images, "resnet18", "resnet101") for n in some]
        + [Row(n, noise[n] - 0.02, text="bert") for n in some],
    )  # fmt: skip
    for experiment in ("training", "scatter", "attention"):
        workshop.observe(workshop.plan(experiment, [Row("memf", 0.6)]))
    workshop.plan("data", facts=FACTS)
    arms = [Row(n, noise[n] + rise, arm) for n in methods for arm, rise in ARMS.items()]
    workshop.take_away(workshop.plan("missing", arms), FALLS)
    return workshop
