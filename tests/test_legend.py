"""A figure's legend: however many entries it has and however long they are, it stays within the figure."""

import matplotlib
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from bench.report.figures.style import TWO_COLUMNS, canvas, interval, key, mark, no_fusion, one_seed, settings

SETS = ["hashing, motion, logmel", "bert:random, motion, logmel", "hashing, motion, wav2vec2:random"]
NAMES = {
    "four combinations of encoders": [*SETS, "hashing, videomae:random, logmel"],
    "two methods": ["fc", "memf"],
    "short names, and a long one last": [
        *(f"m{i}" for i in range(8)),
        "a name that is as long as a sentence",
    ],
    "a long name first": ["a name that is as long as a sentence", *(f"m{i}" for i in range(8))],
}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
def test_a_legend_stays_within_the_figure(names):
    with matplotlib.rc_context(settings()):
        figure = canvas(TWO_COLUMNS, 3.0)
        figure.subplots()
        key(
            figure,
            [*(mark(i % 4, name) for i, name in enumerate(names)), no_fusion(), one_seed(), interval()],
        )
        FigureCanvasAgg(figure).draw()
        box, whole = figure.legends[0].get_window_extent(), figure.bbox
        assert whole.x0 <= box.x0 < box.x1 <= whole.x1
