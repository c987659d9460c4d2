"""Tables for a paper compile in an article that loads booktabs and nothing else."""

import shutil
import subprocess

import pytest
from workshop import Row, Workshop, write_tables

pytestmark = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")


@pytest.mark.parametrize("packages", ["booktabs", "booktabs,graphicx"])
def test_tables_compile_and_with_graphicx_fit_the_page(tmp_path, packages):
    workshop = Workshop(tmp_path, seeds=3)
    rows = [Row("memf", 0.5, variant="without commodity"), Row("vtfsa", 0.6, image="densenet121", text="x_1")]
    rows += [Row("boosted-trees-best-entity", 0.8, reference=True), Row("ridge", 0.8, reference=True)]
    files = [
        path
        for name in ("fusion", "entities")
        for path in write_tables(workshop.plan(name, rows), workshop.store, tmp_path)
        if path.suffix == ".tex"
    ]
    body = "\n".join(rf"\input{{{path}}}" for path in files)
    article = rf"\documentclass{{article}}\usepackage{{{packages}}}\begin{{document}}{body}\end{{document}}"
    (tmp_path / "article.tex").write_text(article, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "article.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert len(files) == 2
    assert "graphicx" not in packages or "Overfull" not in done.stdout
