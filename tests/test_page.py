"""The report: valid, self-contained, complete, honest at the top, and usable in a browser."""

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import unescape
from itertools import pairwise
from pathlib import Path

import pytest
from workshop import METHODS, Row, Workshop, fill

from bench.data.schema import Target
from bench.files import seal
from bench.publish import read
from bench.report import page as page_module
from bench.report.figures.drawing import Figure
from bench.report.page import picture
from bench.report.page import write_page as write_chapters
from bench.report.warnings import collect

html5lib = pytest.importorskip("html5lib", reason="html5lib, the HTML validator, is not installed")
XHTML, SVG = "{http://www.w3.org/1999/xhtml}", "{http://www.w3.org/2000/svg}"
DRAWN = ("fusion", "entity-fusion", "data")
HEADLESS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
HARD = "<script>alert('x')</script> & \"直播间\""


@dataclass(frozen=True)
class Written:
    workshop: Workshop
    figures: list[Figure]
    path: Path
    html: str

    @cached_property
    def tree(self):
        return html5lib.parse(self.html)

    def section(self, name: str) -> str:
        """The text of a section, without tags."""
        found = next(e for e in self.tree.iter() if e.get("id") == name)
        return " ".join("".join(found.itertext()).split())


def write(workshop: Workshop, drawn: Sequence[str] = (), out: Path | None = None) -> Written:
    """The page with the figures of some experiments."""
    readings = [read(plan, workshop.store) for plan in workshop.plans]
    folder = out or workshop.out
    figures = [r.write_figures(folder) if r.plan.experiment in drawn else [] for r in readings]
    chapters = [reading.chapter(some) for reading, some in zip(readings, figures, strict=True)]
    path = write_chapters(chapters, folder)
    flat = [figure for some in figures for figure in some]
    return Written(workshop, flat, path, path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """All experiments, a few figures; one experiment that does not apply; names that could break HTML."""
    workshop = fill(Workshop(tmp_path_factory.mktemp("page")), METHODS[:3])
    refused = {"not_applicable": "the dataset has one modality", "rows": [], "title": "Order"}
    workshop.plans = [
        plan.model_copy(update={"command": f"bench run --experiment {plan.experiment} --out a&b"})
        for plan in workshop.plans
    ]
    order = next(i for i, plan in enumerate(workshop.plans) if plan.experiment == "order")
    workshop.plans[order] = workshop.plans[order].model_copy(update=refused)
    workshop.plan("tuning", facts={"settings": [{"setting": HARD, "here": 0.1, "paper": None}]})
    return write(workshop, DRAWN)


def test_valid_html(written):
    html5lib.HTMLParser(strict=True).parse(written.html)
    ids = [element.get("id") for element in written.tree.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    targets = [a.get("href") for a in written.tree.iter(f"{XHTML}a")]
    assert targets
    assert {t.removeprefix("#") for t in targets} <= set(ids)
    described = {e.get(k) for e in written.tree.iter() for k in ("aria-labelledby", "aria-describedby")}
    assert described - {None} <= set(ids)


def test_nothing_is_fetched(written):
    for element in written.tree.iter():
        for attribute in ("src", "href", "srcset", "data", "action", "poster"):
            value = element.get(attribute, "#")
            assert value.startswith(("#", "data:image/")), f"{element.tag} {attribute}={value[:60]}"
        assert element.get("{http://www.w3.org/1999/xlink}href", "#").startswith("#")
    assert not list(written.tree.iter(f"{XHTML}link"))
    assert not re.search(r"url\((?!#)|@import|fetch\(|XMLHttpRequest|import\(", written.html)
    assert "default-src 'none'" in unescape(written.html)
    assert len(written.html) < 4_000_000
    assert str(written.workshop.out) not in written.html


def test_headings_are_in_order_and_pictures_have_words(written):
    levels = [int(e.tag[-1]) for e in written.tree.iter() if re.fullmatch(r".*}h[1-6]", str(e.tag))]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))
    drawings = [e for e in written.tree.iter(f"{SVG}svg")]
    assert len(drawings) == len(written.figures)
    assert {e.get("role") for e in drawings} == {"img"}
    said = {e.get("aria-label") for e in drawings}
    assert said == {figure.finding or figure.title for figure in written.figures}
    assert any("has the lowest mean MSE" in text for text in said), "not what is drawn, but what it shows"
    for table in written.tree.iter(f"{XHTML}table"):
        assert table.find(f"{XHTML}caption").text.strip()
        assert all(th.get("scope") in ("row", "col") for th in table.iter(f"{XHTML}th"))


def test_warnings_come_first(written):
    text = written.section("warnings")
    assert written.html.index('id="warnings"') < written.html.index('id="headline"')
    details = next(e for e in written.tree.iter(f"{XHTML}details") if e.get("id") == "warnings")
    assert details.get("open") is None, "one line, which opens"
    assert details[0].text.startswith("3 warnings: Random weights: ")
    for expected in (
        "Random weights: resnet50, densenet121", "resnet18: backbones", "Few seeds: 3",
        "Experiments that say nothing about this dataset: 1", "the dataset has one modality",
    ):  # fmt: skip
        assert expected in text
    assert "Undecodable" not in text
    assert "Failed" not in text


def test_headline_answers_both_questions(written):
    text = written.section("headline")
    assert "Best fusion memf" in text
    assert "Best without fusion" in text
    assert re.search(r"Does fusion help\? (Yes|No|Not shown)\. Best fusion memf .* The MSE of memf", text)
    assert "Which fusion? Lowest mean MSE of a fusion: memf" in text


def test_every_experiment_has_its_table_figures_and_command(written):
    for plan in written.workshop.plans:
        if plan.not_applicable:
            assert f'id="experiment-{plan.experiment}"' not in written.html
            continue
        text = written.section(f"experiment-{plan.experiment}")
        assert plan.title in text
        assert plan.command in text
        assert not plan.rows or "R2_score" in text
    assert {f"figure-{figure.name}" for figure in written.figures} == {
        e.get("id") for e in written.tree.iter(f"{XHTML}figure")
    }
    assert "Statistics" in written.section("experiment-data")
    assert HARD in written.section("experiment-tuning")
    assert "histogram" not in written.html.lower()


def test_a_table_marks_best_references_and_spread(written):
    rows = {}
    table = next(t for t in written.tree.iter(f"{XHTML}table") if t.get("id") == "table-fusion")
    for row in table.find(f"{XHTML}tbody"):
        rows.setdefault("".join(row[0].itertext()), row)
    assert "predict-mean reference" in rows
    assert next(iter(rows)) == "memf", "the best is first"
    best = [name for name, row in rows.items() if list(row.iter(f"{XHTML}strong"))]
    assert "memf" in best
    cell = "".join(rows["memf"][2].itertext())
    assert re.fullmatch(r"0\.\d{3} ± 0\.\d{3} \[-?0\.\d{3}, 0\.\d{3}\]", cell)
    assert re.match(r"0\.\d{5,} ± 0\.\d{5,}, 95 % interval \[", rows["memf"][2].get("title"))


def test_the_answer_has_a_short_table(written):
    table = next(t for t in written.tree.iter(f"{XHTML}table") if t.get("id") == "first-fusion")
    assert [th[0].text for th in table.iter(f"{XHTML}th") if len(th) and th[0].tag == f"{XHTML}button"] == [
        "method", "MSE", "gap to best", "letters", "weights"
    ]  # fmt: skip
    assert len(list(table.find(f"{XHTML}tbody"))) == page_module.FIRST
    assert "The first 5 of 11 rows, best first." in table.find(f"{XHTML}caption").text


def test_drawings_have_the_colours_of_the_page(written):
    drawings = "".join(re.findall(r"<svg.*?</svg>", written.html, re.DOTALL))
    assert "color-mix(in srgb, var(--text) 10%, var(--page))" in drawings, "a grid"
    assert not re.search(r"#([0-9a-f]{2})\1\1\b", drawings), "no grey of its own"


def test_names_from_outside_are_text_in_tables_and_drawings(tmp_path):
    workshop = Workshop(tmp_path, target=Target(column=HARD, unit=HARD))
    workshop.plan("fusion", [Row(HARD, 0.5), Row("--><b>memf</b>", 0.6), Row("ridge", 0.7, reference=True)])
    written = write(workshop, ["fusion"])
    html5lib.HTMLParser(strict=True).parse(written.html)
    (script,) = written.tree.iter(f"{XHTML}script")
    assert "alert" not in script.text
    assert not list(written.tree.iter(f"{XHTML}b"))
    titles = [title.text for title in written.tree.iter(f"{SVG}title")]
    assert any(title.startswith(f"{HARD}: ") for title in titles)


def test_costs_and_provenance(written):
    plan = next(p for p in written.workshop.plans if p.experiment == "fusion")
    params = written.workshop.store.measured(plan.rows[0].runs[0])["params"]
    assert f'title="{params:,}">{float(f"{params:.3g}"):,.0f}</td>' in written.html
    assert "FLOPs" in written.section("experiment-fusion")
    text = written.section("provenance")
    assert "densenet121 (random) image" in text
    assert "hashing text" in text
    assert "quick" in text


def test_same_runs_same_bytes(written, tmp_path):
    assert write(written.workshop, DRAWN, tmp_path).html == written.html


def test_a_large_figure_is_embedded_as_png(written, monkeypatch):
    small = picture(written.figures[0])
    monkeypatch.setattr(page_module, "LARGEST_SVG", 10)
    large = picture(written.figures[0])
    assert small.drawing.startswith('<svg role="img" aria-label="memf (resnet50) has the lowest')
    assert large.drawing.startswith('<img src="data:image/png;base64,')
    assert 'alt="memf (resnet50) has the lowest' in large.drawing
    assert re.search(r'width="672" height="\d+"', large.drawing)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_what_went_wrong_is_said(tmp_path):
    workshop = Workshop(tmp_path, seeds=6)
    plan = workshop.plan("fusion", [Row("memf", 0.6), Row("mult", 0.7), Row("tfn", 0.8)])
    root = workshop.store.root
    failed, missing, diverged, other = *plan.rows[0].runs[:2], plan.rows[1].runs[0], plan.rows[2].runs[0]
    (root / failed).rename(root / f"{failed}.failed")
    (root / f"{failed}.failed" / "error.txt").write_text("Traceback\nValueError: <b>no\n", encoding="utf-8")
    shutil.rmtree(root / missing)
    workshop.predict(diverged, 1e200)
    workshop.measure(diverged, flops=1_234_567)
    known = {"bench": "0.1.0", "device": "cuda:0", "packages": {"torch": "9.9.9"}}
    (root / other / "environment.json").write_text(json.dumps(known))
    for run in (diverged, other):
        seal(root / run)
    workshop.plans[0] = plan.model_copy(update={"undecodable": 7})
    written = write(workshop)
    html5lib.HTMLParser(strict=True).parse(written.html)
    text = written.section("warnings")
    assert "Failed runs: 1" in text
    assert "memf, seed 0: ValueError: <b>no" in text
    assert "Missing runs: 1" in text
    assert "Diverged runs: 1" in text
    assert "mult, seed 0" in text
    assert "Undecodable files: 7 items of livestream" in text
    assert "Mixed origins: runs from 2" in text
    assert "Few seeds" not in text
    assert "diverged" in written.section("experiment-fusion")
    assert 'title="1,234,567">1,230,000</td>' in written.html
    assert "9.9.9" in written.section("provenance")


def test_a_row_with_fewer_seeds_is_never_the_best(tmp_path):
    workshop = Workshop(tmp_path, seeds=3)
    plan = workshop.plan("fusion", [Row("lucky", 0.1), Row("memf", 0.5), Row("mult", 0.8)])
    for run in plan.rows[0].runs[1:]:
        shutil.rmtree(workshop.store.root / run)
    written = write(workshop)
    assert "Best fusion memf" in written.section("headline")
    table = next(t for t in written.tree.iter(f"{XHTML}table") if t.get("id") == "table-fusion")
    lucky, memf = list(table.find(f"{XHTML}tbody"))[:2]
    assert "".join(lucky[0].itertext()) == "lucky 1 of 3 seeds"
    assert not list(lucky.iter(f"{XHTML}strong"))
    assert len(list(memf.iter(f"{XHTML}strong"))) == 8  # every metric but Acc2, which is not shown


def test_no_results_and_no_warnings(tmp_path):
    workshop = Workshop(tmp_path, seeds=6)
    plan = workshop.plan("entity-fusion", [Row("memf", 0.6)])
    for row in plan.rows:
        row.stamps = {}
    assert collect([read(plan, workshop.store).results]) == []
    written = write(workshop)
    html5lib.HTMLParser(strict=True).parse(written.html)
    assert 'id="warnings"' not in written.html
    assert "Which fusion?" not in written.section("headline")
    shutil.rmtree(workshop.store.root / plan.rows[0].runs[0])
    for run in plan.rows[0].runs[1:]:
        shutil.rmtree(workshop.store.root / run)
    written = write(workshop)
    html5lib.HTMLParser(strict=True).parse(written.html)
    assert "None of its runs is stored" in written.section("experiment-entity-fusion")
    assert "Missing runs: 6" in written.section("warnings")


PROBE = """
const width = (name) => {
  const frame = document.getElementById(name), page = frame.contentDocument.documentElement;
  return [page.scrollWidth, frame.contentWindow.innerWidth];
};
const page = document.getElementById("phone").contentDocument;
const table = page.getElementById("table-fusion");
const names = () => Array.from(table.tBodies[0].rows, (row) => row.cells[0].textContent);
const numbers = (i) => Array.from(table.tBodies[0].rows, (row) => parseFloat(row.cells[i].dataset.value));
const headers = Array.from(table.tHead.rows[0].cells);
const column = headers.findIndex((header) => header.textContent === "MSE");
const press = (i) => { headers[i].querySelector("button").click(); return headers[i].ariaSort; };
const [field, pick] = [".filter", ".pick"].map((name) => page.querySelector("#experiment-fusion " + name));
const typed = (text) => {
  field.value = text;
  field.dispatchEvent(new Event("input"));
  return Array.from(table.tBodies[0].rows).filter((row) => row.offsetHeight > 0).length;
};
const last = headers.findIndex((header) => header.hidden);
const interval = table.querySelector(".interval"), shown = () => interval.offsetWidth > 0;
const found = { phone: width("phone"), desk: width("desk"), before: numbers(column) };
found.was = headers[column].ariaSort;
found.first = [press(column), numbers(column)];
found.second = [press(column), numbers(column)];
found.best = press(headers.findIndex((header) => header.textContent === "R2_score"));
found.filtered = [typed("MEMF"), typed("")];
found.picked = [headers[last].textContent, headers[last].offsetWidth > 0];
pick.click();
found.picked.push(headers[last].offsetWidth > 0);
found.answer = page.querySelector(".answer").getBoundingClientRect().bottom;
found.names = [press(0), names(), headers[column].ariaSort];
found.interval = [shown()];
page.querySelector("#experiment-fusion .intervals").click();
found.interval.push(shown());
const height = (drawing) => drawing.getBoundingClientRect().height;
found.drawings = Array.from(page.querySelectorAll("figure svg"), (drawing) => height(drawing) > 50);
found.scrolls = table.parentNode.scrollWidth > table.parentNode.clientWidth;
document.getElementById("found").textContent = JSON.stringify(found);
"""


@pytest.fixture(scope="module")
def found(written: Written, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What a browser makes of the page on a phone and on a desk."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed (Debian: apt-get install chromium)")
    folder = tmp_path_factory.mktemp("browser")
    frames = "".join(
        f'<iframe id="{name}" src="report.html" style="border:0;height:800px;width:{width}px"></iframe>'
        for name, width in (("phone", 360), ("desk", 1280))
    )
    probe = written.path.with_name("probe.html")
    probe.write_text(
        f'<!DOCTYPE html><meta charset="utf-8">{frames}<pre id="found"></pre>'
        f'<script>addEventListener("load", () => {{ {PROBE} }});</script>',
        encoding="utf-8",
    )
    # files may read each other: the probe looks into the page
    command = [chromium, *HEADLESS, "--allow-file-access-from-files", f"--user-data-dir={folder}"]
    done = subprocess.run(
        [*command, "--dump-dom", probe.as_uri()], capture_output=True, text=True, timeout=60, check=True
    )
    text = unescape(re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.S)[1])
    assert text, done.stderr[-2000:]
    return json.loads(text)


def test_no_page_overflow(found):
    for name in ("phone", "desk"):
        page, window = found[name]
        assert page <= window, name
    assert found["phone"][1] == 360
    assert found["scrolls"], "a wide table scrolls in its own container"


def test_pictures_show(found):
    assert found["drawings"]
    assert all(found["drawings"])


def test_columns_sort(found):
    assert found["was"] == "ascending"
    assert found["before"] == sorted(found["before"])
    assert found["first"] == ["descending", sorted(found["before"], reverse=True)]
    assert found["second"] == ["ascending", sorted(found["before"])]
    order, names, other = found["names"]
    assert (order, other) == ("ascending", "none")
    assert found["best"] == "descending", "the best first"
    assert names == sorted(names)


def test_rows_are_filtered_and_metrics_picked(found):
    assert found["filtered"] == [2, 11]
    assert found["picked"] == ["MAE", False, True]


def test_the_answer_is_on_the_first_screen(found):
    assert 0 < found["answer"] < 400


def test_intervals_replace_spreads_on_request(found):
    assert found["interval"] == [False, True]
