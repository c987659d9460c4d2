"""The registry: names, options, plugins."""

import pytest

import fusions
import fusions.registry as registry
from fusions.base import Fused, Inputs, VectorFusion
from fusions.testing import example_inputs


@pytest.fixture
def scratch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of the registry, thrown away after the test."""
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))


class Plain(VectorFusion):
    """The mean of the groups."""

    def __init__(self, inputs: Inputs, *, power: float = 1.0) -> None:
        super().__init__(inputs)
        self.power = power

    def fuse_vectors(self, vectors):
        return Fused(vectors.mean(1))


@pytest.mark.usefixtures("scratch")
def test_a_registered_class_is_listed_last_and_built() -> None:
    assert fusions.register("plain", paper="here")(Plain) is Plain
    assert fusions.names()[-1] == "plain"
    built = fusions.build("plain", example_inputs(), power=2.0)
    assert isinstance(built, Plain)
    assert built.power == 2.0
    entry = fusions.get("plain")
    assert (entry.name, entry.paper, entry.options) == ("plain", "here", {"power": 1.0})
    assert entry.file == __file__


@pytest.mark.usefixtures("scratch")
def test_a_taken_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'mfb' is already registered in .*mfb\.py; choose another name"):
        fusions.register("mfb", paper="again")(Plain)
    assert fusions.get("mfb").cls is not Plain


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(fusions.UnknownFusion) as error:
        fusions.get("menf")
    assert str(error.value) == "no fusion 'menf', did you mean 'memf'?; `bench list fusions` shows all"
    with pytest.raises(fusions.UnknownFusion, match="no fusion 'zzzzzz'; `bench list"):
        fusions.build("zzzzzz", example_inputs())


def test_unknown_option_suggests_the_nearest() -> None:
    with pytest.raises(fusions.UnknownFusion) as error:
        fusions.build("mfb", example_inputs(), factors=3)
    message = "fusion 'mfb' has no option 'factors', did you mean 'factor'?; it has: factor, out, dropout"
    assert str(error.value) == message
    with pytest.raises(fusions.UnknownFusion, match="it has: none"):
        fusions.build("gmu", example_inputs(), heads=3)


def test_names_match_globs() -> None:
    assert fusions.names("mf*") == ["mfb", "mfh"]
    assert fusions.names("m?m?") == ["memf"]
    assert fusions.names("MFB") == []
    assert fusions.names("m*") == ["memf", "mean", "mbt", "mfb", "mfh", "mult"]
    assert fusions.names() == fusions.names("*")


@pytest.mark.parametrize("name", fusions.names())
def test_every_entry_says_where_it_comes_from(name: str) -> None:
    entry = fusions.get(name)
    assert entry.paper
    assert entry.doi == "" or entry.doi.startswith("10.")
    assert entry.cls.__doc__
    assert entry.file.endswith(".py")
    assert all(option != "inputs" for option in entry.options)


class Point:
    """Stands in for an installed package's entry point."""

    name, value = "theirs", "their_package.fusions"

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.loads = error, 0

    def load(self) -> None:
        self.loads += 1
        if self.error:
            raise self.error
        fusions.register("theirs", paper="their package")(Plain)


def plug(monkeypatch: pytest.MonkeyPatch, point: Point) -> None:
    groups = {registry.ENTRY_POINT_GROUP: [point]}
    monkeypatch.setattr(registry, "entry_points", lambda *, group: groups.get(group, []))
    monkeypatch.setattr(registry, "_entry_points_loaded", False)


@pytest.mark.usefixtures("scratch")
def test_entry_points_of_other_packages_are_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    point = Point()
    plug(monkeypatch, point)
    assert "theirs" in fusions.names()
    assert fusions.get("theirs").cls is Plain
    assert point.loads == 1


@pytest.mark.usefixtures("scratch")
def test_a_broken_plugin_leaves_the_others_usable(monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    plug(monkeypatch, Point(ImportError("no module named x")))
    assert "mfb" in fusions.names()
    assert "plugin 'theirs' (their_package.fusions) failed to load: no module" in caplog.text
