"""One thread for every library that has threads of its own, and their number put back."""

import importlib

from threadpoolctl import threadpool_info, threadpool_limits

from bench import isolation
from bench.isolation import one_thread


def threads(kind: str = "") -> set[int]:
    found = {info["num_threads"] for info in threadpool_info() if kind in info["user_api"]}
    assert found, "numpy and torch bring some"
    return found


def test_every_library_has_one_thread_and_then_as_many_as_before():
    with threadpool_limits(2):
        for _ in range(2):
            with one_thread():
                assert threads() == {1}
            assert threads("blas") == {2}


def test_libraries_are_looked_for_again_only_where_modules_were_imported(tmp_path, monkeypatch):
    looked = []

    class Controller(isolation.ThreadpoolController):
        def __init__(self):
            super().__init__()
            looked.append(self)

    monkeypatch.setattr(isolation, "ThreadpoolController", Controller)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "imported_just_now.py").write_text("")
    importlib.import_module("imported_just_now")
    for _ in range(3):
        with one_thread():
            pass
    assert len(looked) == 1
    (tmp_path / "imported_after_that.py").write_text("")
    importlib.import_module("imported_after_that")
    with one_thread():
        pass
    assert len(looked) == 2
