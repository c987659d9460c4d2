"""Figures from stored plans and runs: drawn, legible, repeatable, and left out where there are no data."""

import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.image import imread
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from workshop import Row, Workshop, fill, rows_of

from bench.data.schema import Target
from bench.experiments.attention import rollout
from bench.metrics import METRICS
from bench.plan import Plan
from bench.publish import read
from bench.report.figures import drawing
from bench.report.figures.drawing import Drawing, Figure, settle
from bench.report.figures.forest import Mark, ordered, view
from bench.report.figures.style import settings, shown, unit
from bench.store import RunStore

NAMES = {
    "fusion", "cost", "errors", "entity-fusion", "order", "entities", "backbones", "training", "scatter",
    "attention-samples", "attention-mean", "data", "missing",
}  # fmt: skip


def record(patch: pytest.MonkeyPatch) -> dict[str, Canvas]:
    """From now on, keep every figure that is written, by name."""
    kept: dict[str, Canvas] = {}
    save = drawing.save

    def keep(drawn: Drawing, folder: Path) -> Figure:
        kept[drawn.name] = drawn.canvas
        return save(drawn, folder)

    patch.setattr(drawing, "save", keep)
    return kept


def texts(canvas: Canvas) -> list[tuple[Text, Bbox]]:
    """Every visible text of a figure with its box, as drawn."""
    found = [text for text in canvas.findobj(Text) if text.get_visible() and text.get_text().strip()]
    # matplotlib keeps hidden and out-of-range tick labels as objects that it never draws
    drawn = {id(t) for ax in canvas.findobj(Axes) for axis in (ax.xaxis, ax.yaxis) for t in drawn_ticks(axis)}
    ticks = {id(t) for ax in canvas.findobj(Axes) for axis in (ax.xaxis, ax.yaxis) for t in all_ticks(axis)}
    return [(t, t.get_window_extent()) for t in found if id(t) not in ticks or id(t) in drawn]


def all_ticks(axis: Axis) -> list[Text]:
    return [t for tick in [*axis.majorTicks, *axis.minorTicks] for t in (tick.label1, tick.label2)]


def drawn_ticks(axis: Axis) -> list[Text]:
    return [t for tick in axis._update_ticks() for t in (tick.label1, tick.label2) if t.get_visible()]


def check_legible(name: str, canvas: Canvas) -> None:
    """No text is small, leaves the canvas or covers another one."""
    FigureCanvasAgg(canvas)
    canvas.draw_without_rendering()
    boxes = texts(canvas)
    assert boxes, name
    for text, box in boxes:
        assert text.get_fontsize() >= 7, f"{name}: {text.get_text()!r} is small"
        inside = (
            box.x0 >= -1 and box.y0 >= -1 and box.x1 <= canvas.bbox.x1 + 1 and box.y1 <= canvas.bbox.y1 + 1
        )
        assert inside, f"{name}: {text.get_text()!r} leaves the canvas: {box} in {canvas.bbox}"
    for (one, a), (other, b) in combinations(boxes, 2):
        common = Bbox.intersection(a, b)
        covered = 0 if common is None else min(common.width, common.height)
        assert covered <= 1, f"{name}: {one.get_text()!r} covers {other.get_text()!r} by {covered:.1f} points"


def check_files(figure: Figure) -> None:
    """Both files are there, have ink, and the SVG is XML without a date."""
    pixels = imread(figure.path_png)[..., :3]
    assert (pixels.min(axis=2) < 0.9).mean() > 0.002, f"{figure.name} is empty"
    assert pixels.shape[1] in (700, 1400), "200 dpi, one or two columns wide"
    root = ElementTree.parse(figure.path_svg).getroot()
    assert root.tag.endswith("svg")
    assert len(root.findall(".//{*}path")) > 5
    assert "<dc:date>" not in figure.path_svg.read_text(encoding="utf-8")


@dataclass(frozen=True)
class Drawn:
    workshop: Workshop
    figures: dict[str, Figure]
    canvases: dict[str, Canvas]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    """All figures of 16 methods on 2 backbones with 3 seeds; a warning while drawing is an error."""
    workshop = fill(Workshop(tmp_path_factory.mktemp("figures")))
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("error")
        canvases = record(patch)
        return Drawn(workshop, workshop.draw(), canvases)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_figure_is_written_and_legible(drawn, name):
    check_files(drawn.figures[name])
    check_legible(name, drawn.canvases[name])


def test_a_name_covers_no_point(drawn):
    for ax in drawn.canvases["cost"].axes:
        marks = [line for line in ax.lines if line.get_marker() != "None"]
        points = np.concatenate([ax.transData.transform(line.get_xydata()) for line in marks])
        assert len(points) >= 16
        for text in ax.texts:
            box = text.get_window_extent()
            assert not ((points > box.min) & (points < box.max)).all(axis=1).any(), text.get_text()


def test_every_experiment_has_its_figures(drawn):
    assert drawn.figures.keys() == NAMES
    files = {path.name for path in (drawn.workshop.out / "figures").iterdir()}
    assert files == {f"{name}.{suffix}" for name in NAMES for suffix in ("png", "svg")}


def write_figures(plans: Sequence[Plan], store: RunStore, out: Path) -> list[Figure]:
    return [figure for plan in plans for figure in read(plan, store).write_figures(out)]


def test_captions_say_where_the_numbers_come_from(drawn):
    for name, figure in drawn.figures.items():
        assert "Dataset livestream (Synthetic streams): 320 samples" in figure.caption
        assert "log10(sales [yuan])" in figure.caption
        if name != "data":
            assert "Preset quick." in figure.caption
            assert "resnet50 (random)" in figure.caption
    assert "3 seeds" in drawn.figures["fusion"].caption
    assert "recorded for drawing only" in drawn.figures["training"].caption
    assert "(15)" in drawn.figures["training"].caption, "the epoch with the lowest validation loss"
    assert "seed 0" in drawn.figures["scatter"].caption


def test_same_runs_same_bytes(drawn, tmp_path):
    plans = [p for p in drawn.workshop.plans if p.experiment in ("entity-fusion", "scatter", "data")]
    again = write_figures(plans, drawn.workshop.store, tmp_path)
    assert len(again) == 3
    for figure in again:
        assert figure.path_png.read_bytes() == drawn.figures[figure.name].path_png.read_bytes()
        assert figure.path_svg.read_bytes() == drawn.figures[figure.name].path_svg.read_bytes()


def test_drawing_leaves_no_trace(drawn, tmp_path):
    before = dict(matplotlib.rcParams)
    plan = next(p for p in drawn.workshop.plans if p.experiment == "data")
    write_figures([plan], drawn.workshop.store, tmp_path)
    assert dict(matplotlib.rcParams) == before
    assert not pyplot.get_fignums()


def test_one_seed_two_methods_one_backbone_and_hard_names(tmp_path, monkeypatch):
    entities = ("直播间", "commodity", "a room with a rather long and winding name")
    workshop = Workshop(tmp_path, seeds=1, target=Target(column="price", transform="log10", unit="$ or $100"))
    long = "gated-multimodal-unit-with-bilinear-pooling-v2"
    rows = [Row("memf", 0.6), Row(long, 0.7), Row("predict-mean", 0, reference=True, blind=True)]
    workshop.plan("fusion", [*rows, Row("diverged", 300.0)])
    workshop.plan("order", [Row("memf", 0.6, "entity-first"), Row("memf", 0.68, "modality-first")])
    parts = [Row("memf", 0.7 + 0.1 * i, f"without {name}") for i, name in enumerate(entities)]
    workshop.plan("entities", [Row("memf", 0.6), *parts])
    workshop.observe(workshop.plan("attention", rows[:1]), entities, layers=2, heads=2)
    canvases = record(monkeypatch)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        written = workshop.draw()
    assert written.keys() == canvases.keys() == {
        "fusion", "cost", "errors", "order", "entities", "attention-samples", "attention-mean"
    }  # fmt: skip
    for name, figure in written.items():
        check_files(figure)
        check_legible(name, canvases[name])
    assert "One seed" in written["fusion"].caption


def test_many_layers_heads_and_groups(tmp_path):
    workshop = Workshop(tmp_path, seeds=1)
    plan = workshop.plan("attention", [Row("memf", 0.6)])
    workshop.observe(plan, [f"group-{i}" for i in range(11)], layers=6, heads=8)
    with matplotlib.rc_context(settings()):
        reading = read(plan, workshop.store)
        _, mean = reading.experiment.figures(reading.results)
        settle(mean.canvas)
        check_legible(mean.name, mean.canvas)


def test_what_is_not_stored_is_left_out(drawn, tmp_path):
    plans = [plan for plan in drawn.workshop.plans if plan.experiment != "data"]
    empty = RunStore(tmp_path)
    assert write_figures(plans, empty, tmp_path) == []
    assert not (tmp_path / "figures").exists()
    refused = [
        plan.model_copy(update={"not_applicable": "one entity", "rows": plan.rows[:2]})
        for plan in drawn.workshop.plans
    ]
    assert write_figures(refused, drawn.workshop.store, tmp_path) == []
    unknown = plans[0].model_copy(update={"experiment": "perf"})
    assert write_figures([unknown], drawn.workshop.store, tmp_path) == []


def test_failed_runs_are_left_out_of_a_comparison(tmp_path):
    workshop = Workshop(tmp_path, seeds=2)
    plan = workshop.plan("entity-fusion", [Row("memf", 0.6), Row("mean", 0.7), Row("fc", 0.8)])
    shutil.rmtree(workshop.store.root / plan.rows[0].runs[1])
    workshop.predict(plan.rows[1].runs[0], 1e200)
    for run in plan.rows[2].runs:
        shutil.rmtree(workshop.store.root / run)
    results = read(plan, workshop.store).results.finite
    assert [(r.row.method, list(r.runs)) for r in results] == [("memf", [0]), ("mean", [1])]
    assert not len(results[0].against(results[1], "MSE")), "no seed has both"
    assert set(workshop.drawn()) == {"entity-fusion"}


def test_interval_and_pairing_are_those_of_the_tables(drawn):
    plan = next(p for p in drawn.workshop.plans if p.experiment == "fusion")
    reading = read(plan, drawn.workshop.store)
    for result, row in zip(reading.results.finite, reading.table.itertuples(), strict=True):
        assert result.mean("MSE") == row.MSE
        assert result.interval(METRICS["MSE"]) == (row.MSE_low, row.MSE_high)


def test_rollout_is_the_product_of_layers_with_half_a_residual():
    layers = [np.random.default_rng(i).dirichlet(np.ones(3), (5, 2, 3)) for i in range(2)]
    flow = rollout(layers)
    first, second = (0.5 * layer[4].mean(0) + 0.5 * np.eye(3) for layer in layers)
    np.testing.assert_allclose(flow[4], second @ first)
    np.testing.assert_allclose(flow.sum(-1), 1)


def test_an_outlying_mean_does_not_stretch_the_axis():
    means = (0.4, 0.42, 0.45, 0.6, 40.0)
    marks = [Mark(np.array([m]), m, np.nan, np.nan) for m in means]
    low, high = view(marks, METRICS["MSE"].bounds)
    assert 0 <= low < 0.4
    assert 0.6 < high < 1


def words(canvas: Canvas) -> list[str]:
    return [text.get_text() for text in canvas.findobj(Text)]


@pytest.fixture
def kept_and_dropped(tmp_path) -> Workshop:
    """Dropping incomplete samples does well on the few that are left, but for mult."""
    workshop = Workshop(tmp_path)
    arms = {"keep": (0.6, 0.62, 0.64), "drop, on complete samples": (0.5, 0.1, 5.0)}
    rows = [
        Row(n, x, arm) for arm, xs in arms.items() for n, x in zip(("memf", "tfn", "mult"), xs, strict=True)
    ]
    plan = workshop.plan("fusion", rows)
    for i in (3, 4, 5):
        for run in plan.rows[i].runs:
            table = workshop.store.predictions(run)
            workshop.predict(run, table["y_pred"], complete=np.arange(len(table)) < 5)
        plan.rows[i].scored = "complete"
    return workshop


def test_every_point_beyond_the_axis_has_its_value(kept_and_dropped, monkeypatch):
    canvases = record(monkeypatch)
    figures = kept_and_dropped.draw()
    mse = rows_of(kept_and_dropped.plans[0], kept_and_dropped.store).set_index(["method", "variant"])["MSE"]
    beyond = f"{mse['mult', 'drop, on complete samples']:.3g}"
    assert words(canvases["cost"]).count(f"mult {beyond} ↑") == 3, "in all panels"
    assert "mult" not in words(canvases["cost"]), "cheaper rows are better than its other point"
    assert "An arrow with a number lies beyond the axis" in figures["cost"].caption
    assert f"{beyond} →" in words(canvases["fusion"])
    check_legible("cost", canvases["cost"])


def test_gaps_and_letters_are_those_of_the_table(drawn):
    plan = next(p for p in drawn.workshop.plans if p.experiment == "fusion")
    table = rows_of(plan, drawn.workshop.store).set_index(["method", "backbone"])
    _, gaps = drawn.canvases["fusion"].axes
    # marks of a method are drawn one under the other
    found = [line.get_xdata()[0] for line in gaps.lines if (line.get_gid() or "").startswith("tip:")]
    assert sorted(found) == pytest.approx(sorted(table["gap"].dropna()))
    assert sorted(t.get_text() for t in gaps.texts) == sorted(filter(None, table["letters"]))
    finding = drawn.figures["fusion"].finding
    shared = (table["letters"].str.contains("a")).sum() - 1
    assert finding.startswith(f"memf (resnet50) has the lowest mean MSE of {len(found)} rows, ")
    assert f"; {shared} of the {len(found) - 1} others cannot be distinguished from it." in finding


def test_values_are_said_where_the_pointer_rests(drawn):
    svg = drawn.figures["fusion"].path_svg.read_text("utf-8")
    mse = rows_of(drawn.workshop.plans[0], drawn.workshop.store).iloc[0]
    assert f"<title>memf, resnet50: {mse['MSE']:.4g}, 95 % interval [{mse['MSE_low']:.3g}, " in svg
    assert "tip:" not in svg


def test_order_is_drawn_as_paired_differences(drawn):
    plan = next(p for p in drawn.workshop.plans if p.experiment == "order")
    table = rows_of(plan, drawn.workshop.store).set_index("variant")
    mse = drawn.canvases["order"].axes[1]
    (mark,) = [line for line in mse.lines if line.get_gid()]
    assert mark.get_xdata()[0] == pytest.approx(table["MSE"]["modality-first"] - table["MSE"]["entity-first"])


def test_the_line_of_costs_has_what_no_cheaper_row_beats(tmp_path):
    workshop = Workshop(tmp_path)
    plan = workshop.plan("fusion", [Row("memf", 0.5), Row("tfn", 0.7), Row("mult", 0.9), Row("lmf", 0.8)])
    for row, params in zip(plan.rows, (400, 300, 200, 350), strict=True):
        for run in row.runs:
            workshop.measure(run, params=params)
    assert "by trainable parameters: mult, tfn and memf;" in workshop.drawn()["cost"].finding


@pytest.mark.parametrize(("sure", "said"), [(0.99, "sure"), (0.6, "unsure")])
def test_errors_of_parts_average_to_those_of_all(tmp_path, sure, said):
    """Of classes: how often a prediction is right against its probability, and the loss of every class."""
    workshop = Workshop(tmp_path, target=Target(column="kind", task="binary", classes=["no", "yes"]))
    plan = workshop.plan("fusion", [Row("memf", 0.5), Row("tfn", 0.7)])
    for row in plan.rows:
        for run in row.runs:
            true, right = np.arange(64) % 2, np.arange(64) % 4 > 0
            yes = np.where(right == (true == 1), sure, 1 - sure)
            names = np.array(["no", "yes"])
            workshop.predict(run, names[(yes > 0.5).astype(int)], y_true=names[true], p_no=1 - yes, p_yes=yes)
    errors = workshop.drawn()["errors"]
    assert errors.finding == "memf errs most where true class no: log_loss " + {
        "sure": "2.31.", "unsure": "0.714."
    }[said]  # fmt: skip
    (mark,) = [line for line in errors.canvas.axes[0].lines if line.get_gid()]
    assert mark.get_xydata().tolist() == [pytest.approx([sure, 0.75])]


def test_methods_are_ordered_by_rows_of_the_same_samples(kept_and_dropped):
    (plan,), store = kept_and_dropped.plans, kept_and_dropped.store
    names, said = ordered(read(plan, store).results.finite, METRICS["MSE"])
    assert names == ["memf", "tfn", "mult"], "as kept: tfn is best on the few that are complete"
    assert said == "Methods by mean MSE of keep, the lowest at the top."
    assert said in kept_and_dropped.drawn()["fusion"].caption


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("MAE", "log10(price [USD])"), ("MSE", "(log10(price [USD]))²"), ("R2_score", "share of variance"),
        ("RMSE", "USD"), ("Pearson", "correlation"), ("Spearman", "correlation"), ("MAPE", "fraction"),
        ("Acc2", "share of samples"), ("EVS", "share of variance"),
    ],
)  # fmt: skip
def test_every_metric_has_its_unit(metric, expected):
    target = Target(column="price", transform="log10", unit="USD")
    assert unit(METRICS[metric], target) == expected


def test_names_that_no_font_can_draw_stay_apart():
    assert shown("anchor") == "anchor"
    assert len(shown("x" * 80)) <= 34
    assert shown("直播间") != shown("商品")
