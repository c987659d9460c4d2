"""The command line: all commands under one name."""

from __future__ import annotations

import click

from bench.commands import (
    calibrating,
    comparing,
    data,
    encoding,
    perf,
    reading,
    sync,
    tools,
    training,
    tuning,
)
from bench.version import VERSION


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION)
def main() -> None:
    """Which way of fusing several kinds of data is best, by how much, and is that real?"""


for _command in (
    training.run, training.paper, tuning.tune,
    reading.tables, reading.figures, reading.report, reading.results, reading.predict,
    comparing.compare, comparing.power, calibrating.calibrate,
    sync.sync, data.data, encoding.encode, encoding.weights,
    tools.list_, tools.doctor, tools.audit, perf.perf,
):  # fmt: skip
    main.add_command(_command)

if __name__ == "__main__":
    main()
