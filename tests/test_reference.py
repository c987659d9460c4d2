"""The committed reference tables are what their stored commands make: the same rows, the same columns."""

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from workshop import Row, Workshop, write_tables

from bench.cli import main
from bench.commands.training import as_request
from bench.data.schema import Schema, read_schema
from bench.experiments import EXPERIMENTS
from bench.plan import PlanRow
from bench.request import Request, resolve
from bench.sync.engagement import arranged
from bench.variants import Variant
from bench.workflow import choice_of, variants_of

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "results" / "reference"
TABLES = sorted(REFERENCE.rglob("tables/*.csv"))
ROWS = ["method", "variant", "backbone", "text", "video", "audio"]
MOSI = {
    "name": "mosi",
    "target": {"column": "sentiment", "sign": True},
    "samples": {"split": "split", "group": "video_id"},
    "entities": {
        "utterance": {"text": ["transcript"], "features": {"audio": {"file": "f.npz", "array": "audio"}}}
    },
}


def schema_of(folder: str, stream_folder: Path) -> Schema:
    if folder == "mosi":
        return Schema.model_validate(MOSI)
    if folder == "sync":
        return arranged(read_schema(ROOT / "bench/data/examples/shortvideo.toml"))
    if folder == "houses":
        return read_schema(ROOT / "bench/data/examples/houses.toml")
    return read_schema(stream_folder / "dataset.toml")


def requests_of(table: Path) -> list[Request]:
    """The requests of the commands that the table says it comes from."""
    text = table.with_suffix(".md").read_text(encoding="utf-8")
    commands = re.search(r"Regenerate: `(.+)`", text)[1].split(" && ")
    return [request_of(table, command.removeprefix("bench ")) for command in commands]


def request_of(table: Path, command: str) -> Request:
    name, *arguments = shlex.split(command)
    if name == "sync":
        return Request(experiments=(table.stem,))
    options = main.commands[name].make_context(name, arguments).params
    for other in ("experiment", "audit_only", "tables", "claims", "tuned", "match"):
        options.pop(other, None)
    options["finetune"] = tuple(filter(None, (options.get("finetune") or "").split(",")))
    return as_request((table.stem,), **options)


def by_row(table: pd.DataFrame) -> list[tuple[str, ...]]:
    kept = table.reindex(columns=ROWS).astype("string").fillna("")
    return sorted(kept.itertuples(index=False, name=None))


def labelled(v: Variant) -> str:
    """What people read of a variant."""
    entities = {"seen": list(v.entities), "unseen": list(v.left_out)}
    handling = {"missing": v.missing, "scored": v.scored}
    return PlanRow(method=v.method, encoders={}, arm=v.arm, runs=[], **entities, **handling).variant


@pytest.mark.parametrize(
    "path",
    [p for p in TABLES if p.stem in EXPERIMENTS],
    ids=lambda p: "-".join([*p.relative_to(REFERENCE).parts[:-2], p.stem]),
)
def test_a_committed_table_has_the_rows_and_columns_of_its_command(path, stream_folder, streams, tmp_path):
    requests = requests_of(path)
    if "weights" in path.parts:  # which need not be here
        requests = [replace(request, weights="random") for request in requests]
    table = pd.read_csv(path)
    experiment = EXPERIMENTS[path.stem]
    if "method" not in table:  # facts without runs
        facts = next(iter(experiment.facts(streams, resolve(requests[0]).preset).values()))
        assert list(table.columns) == list(pd.DataFrame(facts).columns)
        assert len(table) == len(facts)
        return
    schema = schema_of(path.parts[-3], stream_folder)
    variants = [
        variant
        for request in requests
        for variant in variants_of(experiment, choice_of(resolve(request), schema), request.missing)
    ]
    expected = pd.DataFrame(
        {
            "method": v.method,
            "variant": labelled(v),
            "backbone": v.encoders.get("image", ""),
            "text": v.encoders.get("text", ""),
            **{m: v.encoders.get(m, "") for m in ("video", "audio") if m in table},
        }
        for v in variants
    )
    assert by_row(table) == by_row(expected.drop_duplicates())
    workshop = Workshop(tmp_path, seeds=2)
    written = write_tables(workshop.plan(path.stem, [Row("memf", 0.5)]), workshop.store, tmp_path)
    drawn = pd.read_csv(next(p for p in written if p.suffix == ".csv" and p.stem == path.stem))
    several = [
        name for name in table if name not in drawn and name in ROWS
    ]  # encoders, where a run has several
    assert [name for name in table if name not in several] == list(drawn.columns)


def test_there_is_a_reference_of_every_kind_of_data():
    assert {path.parts[-3] for path in TABLES} >= {"livestream", "houses", "mosi"}
    paper = {name for name, experiment in EXPERIMENTS.items() if experiment.paper}
    assert {path.stem for path in TABLES if path.parts[-3] == "livestream"} >= paper
    for folder in REFERENCE.iterdir():
        size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        assert size < 5_000_000, f"{folder.name} is too large to be committed"
