"""The files of a folder that a proposal looks at."""

import os
from pathlib import Path

import pytest

from bench.data.walk import readable


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def test_files_once_however_links_run(tmp_path):
    home, outside = tmp_path / "home", tmp_path / "outside"
    touch(home / "b" / "deep" / "two.csv")
    touch(home / "b" / "one.csv")
    touch(home / ".hidden" / "x.csv")
    touch(home / ".y.csv")
    touch(outside / "z.csv")
    (home / "b" / "up").symlink_to("..")
    (home / "me").symlink_to(home)
    (home / "c").symlink_to("b")
    (home / "same.csv").symlink_to("b/one.csv")
    (home / "gone.csv").symlink_to("nowhere")
    (home / "there").symlink_to(outside)
    inside = ["same.csv", "b/one.csv", "b/deep/two.csv"]
    assert list(readable(home)) == inside
    assert list(readable(home, (outside,))) == [*inside, "there/z.csv"]
    assert list(readable(tmp_path / "nowhere")) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "x.csv")
    assert list(readable(tmp_path)) == []
