"""A fitted method applied to new rows: loaded from the runs that kept it, one of each seed.

    predictor = load("results", "memf")       # after `bench run --save-models`
    table = predictor.predict("new-data")     # a folder, a Dataset or a DataFrame

Of several targets `load` gives the one that is named, and `predict_each` a table of all.

All that is needed lies in the output folder: the weights, the description of the data, and which encoders
made its features. Encoders are made anew, and must be the same to the bit of their fingerprint.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import fusions
from bench.data.dataset import Dataset
from bench.data.unlabelled import read_unlabelled
from bench.environment import choose_device
from bench.errors import DataError, UsageError, did_you_mean
from bench.features.encode import encode, joined
from bench.features.joined import encoder_of
from bench.features.layout import Description
from bench.features.store import FeatureSet
from bench.finetuning import FinetunedSpec
from bench.methods.base import Method
from bench.methods.catalog import code_of, method_of
from bench.plan import PlanRow, load_plans
from bench.plugins import load_plugins
from bench.predictions import predicted_columns
from bench.store import RunStore

log = logging.getLogger("bench")


@dataclass(frozen=True)
class Predictor:
    """A method as several seeds have fitted it.

    Attributes:
        name: of the method.
        description: of what it was fitted to.
        fitted: seed -> the method.
        device: where encoders run.
    """

    name: str
    description: Description
    fitted: Mapping[int, Method]
    device: torch.device

    def predict(
        self, data: Path | str | Dataset | pd.DataFrame, allow_links: tuple[Path, ...] = ()
    ) -> pd.DataFrame:
        """Predictions for new rows, whose target is not looked at and may be missing.

        A source, or a column of it, that the rows lack counts as absent, with a warning.

        Args:
            data: a folder; a dataset; or the table of samples of a dataset that has no other table.
            allow_links: folders outside that links in the folder may lead to.

        Returns:
            A row per sample, `id` first. Of numbers `mean` and `sd` over seeds on the original scale, and
            what each seed says as ``seed_0``, ... Of classes `y_pred`, the most probable one, ``p_CLASS``
            with the mean probability of each, `sd` of that of the most probable one over seeds, and the most
            probable class of each seed. With one seed, `sd` is NaN.

        Raises:
            UsageError: an encoder cannot be had as it was. DataError: the rows cannot be read, or have none
                of the sources.
        """
        features = self._features(data, allow_links)
        rows = np.arange(len(features.samples["ids"]))
        predicted = {seed: method.predict(features, rows) for seed, method in self.fitted.items()}
        return pd.DataFrame({"id": np.array(features.samples["ids"]), **self._columns(predicted)})

    @property
    def finetuned(self) -> tuple[str, ...]:
        """The modalities whose encoders were trained with it."""
        spec = next(iter(self.fitted.values())).spec
        return spec.finetune.encoders if isinstance(spec, FinetunedSpec) else ()

    def _columns(self, predicted: Mapping[int, np.ndarray]) -> dict[str, np.ndarray]:
        target = self.description.layout.target
        if not target.classes:
            by_seed = {f"seed_{seed}": target.inverse(values) for seed, values in predicted.items()}
            every = np.stack(list(by_seed.values()))
            return {"mean": every.mean(0), "sd": _spread(every), **by_seed}
        every = np.stack(list(predicted.values()))
        mean = every.mean(0)
        chosen = every[:, np.arange(len(mean)), mean.argmax(1)]
        names = np.array(target.classes)
        by_seed = {f"seed_{seed}": names[values.argmax(1)] for seed, values in predicted.items()}
        return {**predicted_columns(target, mean), "sd": _spread(chosen), **by_seed}

    def _features(
        self, data: Path | str | Dataset | pd.DataFrame, allow_links: tuple[Path, ...]
    ) -> FeatureSet:
        """The features of new rows, as the method saw those that it was fitted to."""
        origin, layout = self.description.origin, self.description.layout
        dataset = read_unlabelled(data, origin.data, [s.source for s in layout.sources], allow_links)
        made = {m: encoder_of(m, origin.encoders[m]) for m in sorted(dataset.schema.encoded)}
        cached, _ = encode(dataset, made, device=str(self.device))
        features = (joined(cached, dataset, made, self.finetuned) if self.finetuned else cached).like(layout)
        if layout.sources and not any(source.present.any() for source in features.sources.values()):
            known = ", ".join(str(s.source) for s in layout.sources)
            raise DataError(f"the rows have none of the sources that {self.name} was fitted to: {known}.")
        return features


def load(
    out: Path | str,
    method: str,
    *,
    backbone: str | None = None,
    text: str | None = None,
    variant: str | None = None,
    target: str | None = None,
    device: str = "auto",
    plugins: Sequence[Path] = (),
) -> Predictor:
    """A method as it was kept in an output folder, from anywhere.

    Args:
        out: the folder that `bench run --save-models` wrote into, or a copy of it.
        method: its name in tables.
        backbone: which of several rows of the method, by its column in the table.
        text: the same.
        variant: the same; "" for the one without a name.
        target: the same, where there are several.
        device: where to work: auto, cpu, cuda, ...
        plugins: files that register fusions or references.

    Raises:
        UsageError: there is no such method, several, none that was kept, or it is not what was written.
    """
    load_plugins(tuple(plugins))
    plans, place = load_plans(Path(out)), choose_device(device)
    rows = [row for plan in plans if not plan.archived for row in plan.rows]
    asked = {"backbone": backbone, "text": text, "variant": variant, "target": target}
    row = _choose(rows, method, asked)
    store = RunStore(Path(out))
    fitted: dict[int, Method] = {}
    descriptions = []
    for run_id in row.runs:
        if not store.complete(run_id):
            log.warning(
                "the run %s of %s has no stored result that can be read; its seed is left out", run_id, method
            )
            continue
        seed, loaded, description = _load_run(store, run_id, place)
        fitted[seed] = loaded
        descriptions.append(description)
    if not fitted:
        raise UsageError(f"no run of {method} under {out} is intact; `bench run --save-models` makes some.")
    if any(description != descriptions[0] for description in descriptions):
        raise UsageError(f"the runs of {method} were fitted to different data; run it again.")
    return Predictor(method, descriptions[0], fitted, place)


def predict_each(
    out: Path | str,
    method: str,
    data: Path | str | Dataset | pd.DataFrame,
    *,
    target: str | None = None,
    allow_links: tuple[Path, ...] = (),
    **options: Any,
) -> pd.DataFrame:
    """Predictions for new rows of every target of a method, or of the one that is named.

    Args:
        out: as `load` takes it.
        method: the same.
        data: as `Predictor.predict` takes it.
        target: the only one to predict.
        allow_links: folders outside that links in the folder may lead to.
        options: further ones of `load`.

    Returns:
        What `Predictor.predict` gives; of several targets one after the other, `target` behind `id`.

    Raises:
        UsageError, DataError: as `load` and `predict` do.
    """
    load_plugins(tuple(options.get("plugins", ())))
    plans = [plan for plan in load_plans(Path(out)) if not plan.archived]
    targets = dict.fromkeys(row.target for plan in plans for row in plan.rows if row.method == method)
    if target is not None or len(targets) < 2:
        return load(out, method, target=target, **options).predict(data, allow_links)
    parts = []
    for name in targets:
        part = load(out, method, target=name, **options).predict(data, allow_links)
        part.insert(1, "target", name)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _load_run(store: RunStore, run_id: str, device: torch.device) -> tuple[int, Method, Description]:
    """The seed of a run, what it fitted, and what to."""
    spec, folder = store.spec(run_id), store.model(run_id)
    if folder is None:
        raise UsageError(f"the run {run_id} of {spec.method} kept no model; run again with --save-models.")
    try:
        finetuned = isinstance(spec, FinetunedSpec)
        kind, code = method_of(spec), code_of(spec.method, finetuned=finetuned)
    except fusions.UnknownFusion as error:
        raise UsageError(f"{error}; if a file brings it, name that with --plugin.") from None
    if code != spec.code:
        log.warning("%s was fitted by another version of its code; predictions may differ", spec.method)
    try:
        description = Description.read(folder)
        if description.layout.target != spec.target:
            raise ValueError("its description is of another target")
        return spec.seed, kind.load(folder, spec, description.layout, device), description
    except ValueError as error:
        raise UsageError(f"the model of the run {run_id} cannot be used: {error}.") from None


def _choose(rows: Sequence[PlanRow], method: str, asked: Mapping[str, str | None]) -> PlanRow:
    """The one row of a method that fits what is asked for."""
    own = [row for row in rows if row.method == method]
    if not own:
        raise UsageError(
            f"no method {method!r} here; {did_you_mean(method, sorted({r.method for r in rows}))}"
        )
    fitting = [row for row in own if all(value in (None, _parts(row)[key]) for key, value in asked.items())]
    # several experiments may share runs, and have some of them only
    distinct = [
        row
        for i, row in enumerate(fitting)
        if not any(set(row.runs) <= set(o.runs) for o in fitting[:i])
        and not any(set(row.runs) < set(o.runs) for o in fitting[i + 1 :])
    ]
    if len(distinct) == 1:
        return distinct[0]
    there = "; ".join(dict.fromkeys(_options(row) for row in distinct or own))
    how = "several rows of it fit" if distinct else "no row of it fits"
    raise UsageError(f"{method}: {how}; choose by one of: {there}")


def _parts(row: PlanRow) -> dict[str, str]:
    """What sets a row apart."""
    encoded = row.encoders
    sources = {"backbone": encoded.get("image", ""), "text": encoded.get("text", "")}
    return {**sources, "variant": row.variant, "target": row.target}


def _options(row: PlanRow) -> str:
    """The options that choose a row."""
    parts = _parts(row)
    named = {key: value for key, value in parts.items() if value or key == "variant"}
    return " ".join(f"--{key} {value!r}" for key, value in named.items())


def _spread(values: np.ndarray) -> np.ndarray:
    """The standard deviation over the first axis (S, N); NaN of a single one."""
    return values.std(0, ddof=1) if len(values) > 1 else np.full(values.shape[1], np.nan)
