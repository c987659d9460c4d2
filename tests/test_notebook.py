"""Methods that no file holds: from a notebook's cell, from standard input, from exec, from plugin files."""

import json
import linecache
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from test_misbehaving import predictions, request

import fusions
from bench.cli import main
from bench.errors import UsageError
from bench.plugins import load_plugins
from bench.workflow import run
from fusions import registry
from fusions.testing import example_inputs

CELL = """
import fusions
import torch

SCALE = {scale}

def scaled(vectors):
    return vectors * SCALE

@fusions.register("mine", paper="none")
class Mine(fusions.VectorFusion):
    def __init__(self, inputs, *, power: float = 1.0):
        super().__init__(inputs)
        self.power = power

    def fuse_vectors(self, vectors):
        return fusions.Fused(scaled(vectors).{reduction}(1))
"""

SCRIPT = """
import json
from pathlib import Path
from bench.request import Request
from bench.workflow import run

def ran(out, **more):
    asked = Request(
        fusions="mine", data=DATA, out=Path(OUT) / out, encoders={"image": "resnet18"}, weights="random",
        seeds=1,
        settings=("encoders.image_size=32", "training.epochs=1", "model.dim=16"), device="cpu", **more,
    )
    report = run(asked)
    row = next(row for row in report.plans[0].rows if row.method == "mine")
    print(json.dumps([row.runs[0], report.summary.executed, [f.error for f in report.summary.failures]]))
"""


def test_a_fusion_from_standard_input_runs_in_any_number_of_processes(stream_folder, features, tmp_path):
    program = "\n".join([
        f"DATA, OUT = {str(stream_folder)!r}, {str(tmp_path)!r}",
        CELL.format(scale=1.0, reduction="mean"), SCRIPT,
        "ran('one', executor='inline')", "ran('two', jobs=2)",
        CELL.format(scale=1.0, reduction="sum"), "ran('one', executor='inline')",
    ])  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-"], input=program, capture_output=True, text=True, cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (one, _, failed), (two, _, failed_too), (changed, again, _) = map(json.loads, done.stdout.splitlines())
    assert failed == failed_too == []
    assert one == two != changed
    assert again == 1  # the changed method; the references are stored
    by_run = [(tmp_path / out / "runs" / one / "predictions.parquet").read_bytes() for out in ("one", "two")]
    assert by_run[0] == by_run[1]
    assert (tmp_path / "one" / "runs" / changed / "predictions.parquet").read_bytes() != by_run[0]


def cell(number: int, namespace: dict, **body) -> registry.Entry:
    """Run a cell as IPython does."""
    text, name = CELL.format(**body), f"<ipython-input-{number}-abc>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    exec(compile(text, name, "exec"), namespace)
    return fusions.get("mine")


@pytest.mark.parametrize("namespace", [{"__name__": "__main__"}, {}], ids=["main", "bare exec"])
def test_a_cell_that_runs_again_replaces_its_method(namespace):
    first = cell(1, namespace, scale=1.0, reduction="mean")
    before = first.source
    again = cell(2, namespace, scale=1.0, reduction="mean")
    assert again.cls is not first.cls
    assert again.source == before
    assert again.options == {"power": 1.0}
    assert cell(1, namespace, scale=1.0, reduction="sum").source != before
    assert isinstance(fusions.build("mine", example_inputs()), fusions.Fusion)


def test_what_a_cells_method_uses_is_part_of_what_it_is():
    namespace = {"__name__": "__main__"}
    entry = cell(1, namespace, scale=1.0, reduction="mean")
    found = {entry.source}
    namespace["SCALE"] = 2.0  # in a cell of its own
    found.add(entry.source)
    exec("def scaled(vectors):\n    return vectors + SCALE", namespace)
    found.add(entry.source)
    assert len(found) == 3


def test_the_identity_of_a_method_is_the_same_in_every_process(tmp_path):
    program = CELL.format(scale="{'b', 'a', 'c'}", reduction="mean") + "\nprint(fusions.get('mine').source)"
    found = {
        subprocess.run(
            [sys.executable, "-"], input=program, capture_output=True, text=True, check=True,
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(found) == 1


def test_a_cell_takes_no_name_of_a_file():
    with pytest.raises(ValueError, match=r"'mfb' is already registered in .*mfb\.py"):
        exec(CELL.format(scale=1.0, reduction="mean").replace('"mine"', '"mfb"'), {"__name__": "__main__"})


# -- plugin files

WORKS = CELL.format(scale=1.0, reduction="mean")
BROKEN = {
    "leaves": ("import sys; sys.exit(0)", "SystemExit: 0"),
    "odd": ("class Odd(BaseException): pass\nraise Odd('odd')", "Odd: odd"),
    "syntax": ("def f(:\n", "SyntaxError: "),
    "not UTF-8": (b"x = '\xff\xfe'", "SyntaxError: "),
    "null bytes": (b"x = 1\0", "SyntaxError: "),
    "markup": ("raise ValueError('[/red]\\n\\ud800')", r"ValueError: [/red] \ud800"),
    "name twice": (WORKS + WORKS.replace("class Mine", "class Other"), "'mine' is already registered"),
    "class twice": (WORKS + WORKS, "'mine' is already registered"),
    "name of ours": (WORKS.replace('"mine"', '"mfb"'), "'mfb' is already registered"),
    "folder": (None, "not a Python file"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_plugin_is_told_in_a_line(tmp_path, what):
    text, message = BROKEN[what]
    plugin = tmp_path / "plugin.py"
    if text is None:
        plugin.mkdir()
    else:
        plugin.write_bytes(text if isinstance(text, bytes) else text.encode())
    result = CliRunner().invoke(main, ["list", "fusions", "--plugin", str(plugin)])
    assert result.exit_code == 2
    assert message in result.stderr
    assert str(plugin) in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_what_a_plugin_prints_is_kept_from_the_output(tmp_path):
    plugin = tmp_path / "plugin.py"
    plugin.write_text("print('noise')" + WORKS, encoding="utf-8")
    result = CliRunner().invoke(main, ["list", "fusions", "--json", "--plugin", str(plugin)])
    assert "mine" in [row["name"] for row in json.loads(result.stdout)]
    assert "noise" in result.stderr


def test_a_plugin_that_registers_nothing_is_warned_of(tmp_path, caplog):
    plugin = tmp_path / "plugin.py"
    plugin.write_text("x = 1", encoding="utf-8")
    load_plugins([plugin])
    assert f"--plugin {plugin} registers neither a fusion nor an encoder" in caplog.text


def test_an_edited_plugin_is_loaded_again(tmp_path):
    plugin = tmp_path / "plugin.py"
    found = []
    for text in (WORKS, WORKS, "# moved\n" + WORKS):
        plugin.write_text(text, encoding="utf-8")
        load_plugins([plugin])
        found.append(fusions.get("mine"))
    assert found[0] is found[1]
    assert found[1].cls is not found[2].cls
    assert found[2].source == plugin.read_bytes()


def test_a_plugin_that_fails_in_a_worker_alone_is_why_its_runs_failed(stream_folder, features, tmp_path):
    plugin = tmp_path / "plugin.py"
    plugin.write_text(
        f"import os, sys\nif os.getpid() != {os.getpid()}: sys.exit(0)" + WORKS, encoding="utf-8"
    )
    asked = request(stream_folder, tmp_path / "out", "mine", plugins=(plugin,))
    reasons = {outcome.error for outcome in run(asked).summary.failures}
    assert reasons == {f"--plugin {plugin}: SystemExit: 0"}
    assert not predictions(tmp_path / "out", "mine")


def test_an_interrupt_passes_through_a_plugin(tmp_path):
    plugin = Path(tmp_path / "plugin.py")
    plugin.write_text("raise KeyboardInterrupt", encoding="utf-8")
    with pytest.raises(KeyboardInterrupt):
        load_plugins([plugin])
    plugin.write_text("raise ValueError", encoding="utf-8")
    with pytest.raises(UsageError):
        load_plugins([plugin])
