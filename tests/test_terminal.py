"""What is printed: text from outside is text, errors are a line or two, nothing ends in a traceback."""

import logging
import sys
from importlib.abc import MetaPathFinder

import click
import pandas as pd
import pytest
from click.testing import CliRunner

from bench.__main__ import main as entry
from bench.cli import main
from bench.errors import printable
from bench.progress import TerminalReporter
from bench.terminal import console, plain_errors, show, stderr_console

HOSTILE = [
    "[/red]",
    "[bold]x",
    "[/x]",
    "a\x1b[2Jb",
    "\udcff.csv",
    "[link=x]y",
    ":smiley:",
    "a\u202eb",
    "{}",
    "%s",
]


def bench(*arguments: object, code: int = 2) -> str:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    told = [line for line in result.output.splitlines() if line and not line.startswith(("Usage:", "Try "))]
    assert len(told) <= 2
    assert all(len(line) < 400 for line in told)
    return result.output


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_what_comes_from_outside_is_printed_as_it_is(text, capsys):
    shown = printable(text)
    show(pd.DataFrame({"what": [text]}, dtype=object))
    console.print(text, soft_wrap=True)
    stderr_console.print(text)
    with TerminalReporter(console) as reporter:
        reporter.working(text, 1, 1)
    printed = capsys.readouterr()
    assert printed.out.count(shown) == 3
    assert shown in printed.err
    assert not {"\x1b", "\u202e"} & set(printed.out)
    printed.out.encode()


def test_printable_keeps_every_language_and_layout():
    assert printable("直播\u3000é\tx\ny ±", keep="\n\t") == "直播\u3000é\tx\ny ±"
    assert printable("\x1b\x00\udc80\u2028\r") == "\\x1b\\x00\\udc80\\u2028\\r"


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_logging_and_errors_print_it_too(text, capsys):
    @plain_errors
    def command() -> None:
        logging.getLogger("bench").warning("found %s", text)
        raise OSError(2, "No such file", text)

    with pytest.raises(SystemExit) as ended:
        command()
    assert ended.value.code == 1
    errors = capsys.readouterr().err
    assert errors.count(printable(text)) == 2
    assert len(errors.splitlines()) == 2


def test_warnings_of_libraries_do_not_reach_the_terminal(capsys):
    @plain_errors
    def command() -> None:
        import warnings

        warnings.warn("corrupt EXIF data", stacklevel=1)

    command()
    assert capsys.readouterr() == ("", "")


NONSENSE = {
    "a deep setting": ["--set", "mfb.factor=" + "[" * 20_000],
    "a nested option": ["--set", "mfb.factor=[[1]]"],
    "a table as an option": ["--set", 'mfb.factor={"a": 1}'],
    "an endless number": ["--set", "mfb.factor=" + "9" * 6000],
    "an endless size": ["--set", "model.dim=" + "9" * 4000],
    "a huge picture": ["--set", "encoders.image_size=99999999"],
    "endless buckets": ["--set", "encoders.hashing_width=1000000000000"],
    "no number": ["--set", "training.lr=nan"],
    "jobs": ["--jobs", "1" + "0" * 30],
    "seeds": ["--seeds", "1" + "0" * 30],
    "streams": ["--streams", "1" + "0" * 12],
    "a fusion that takes no part": ["--fusion", "concat", "--set", "memf.layers=2"],
    "markup": ["--fusion", "[/red]"],
    "a folder of that name": ["--data", "[/red]"],
    "no UTF-8": ["--data", "\udcff"],
    "nothing": ["--fusion", ","],
    "a preset that is a folder": ["--preset", "."],
}


@pytest.mark.parametrize("what", NONSENSE)
def test_a_nonsensical_option_is_a_line(what, stream_folder, tmp_path):
    data = [] if {"--data", "--streams"} & set(NONSENSE[what]) else ["--data", stream_folder]
    bench("run", *data, "--out", tmp_path / "out", *NONSENSE[what])
    assert not (tmp_path / "out" / "plans").exists()


PRESETS = {
    "an integer of 6,000 digits": "seeds = " + "9" * 6000,
    "deep": "description = " + "[" * 5000,
    "nested": "fusions.mfb.factor = [[1]]",
    "not UTF-8": b"\xff\xfe",
    "unknown": "sedes = 3",
    "empty sections": "[training]\nlr = 'fast'",
}


@pytest.mark.parametrize("what", PRESETS)
def test_a_broken_preset_is_a_line(what, stream_folder, tmp_path):
    path = tmp_path / "mine.toml"
    content = PRESETS[what]
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert "mine.toml" in bench("run", "--data", stream_folder, "--preset", path, "--out", tmp_path / "out")


class _Interrupting(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "bench.cli":
            raise KeyboardInterrupt


def test_an_interruption_while_loading_is_no_traceback(monkeypatch):
    monkeypatch.delitem(sys.modules, "bench.cli")
    monkeypatch.setattr(sys, "meta_path", [_Interrupting(), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        entry()
    assert ended.value.code == 130


def test_every_command_prints_errors_plainly():
    def commands(group: click.Group):
        for command in group.commands.values():
            yield from commands(command) if isinstance(command, click.Group) else [command]

    assert all(hasattr(command.callback, "__wrapped__") for command in commands(main))
