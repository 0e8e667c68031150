import sys
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from bridge import plugins
from bridge.errors import ConfigError, PluginError, UnknownKeyError, UnknownNameError
from bridge.memories.bank import BankMemory
from bridge.plugins import GROUPS, list_plugins, load_plugin, make_plugin
from bridge.specs import LatentSpec
from bridge.testing import EXAMPLE_LATENT, FakePlanner

BANK = "bridge.memories.bank:BankMemory"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that a few planners are installed, one of them broken."""
    group = GROUPS["planner"]
    points = EntryPoints(
        [
            EntryPoint("scripted", "bridge.testing:FakePlanner", group),
            EntryPoint("broken", "no_such_module:Planner", group),
            EntryPoint("number", "sys:maxsize", group),
        ]
    )
    monkeypatch.setattr(plugins, "entry_points", lambda group: points.select(group=group))


@pytest.mark.usefixtures("installed")
def test_an_installed_name_is_found() -> None:
    """A name from an entry point becomes the class behind it."""
    assert load_plugin("planner", "scripted") is FakePlanner


@pytest.mark.usefixtures("installed")
def test_an_unknown_name_answers_with_the_near_match_and_the_list() -> None:
    """A typing mistake costs one look, not a search."""
    with pytest.raises(UnknownNameError) as caught:
        load_plugin("planner", "scriptd")
    assert "Did you mean 'scripted'? Known: broken, number, scripted." in str(caught.value)


@pytest.mark.usefixtures("installed")
def test_a_name_of_another_kind_is_unknown() -> None:
    """A planner is not a robot, whatever it is called."""
    with pytest.raises(UnknownNameError, match="No robot is called 'scripted'"):
        load_plugin("robot", "scripted")


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("broken", "No module named 'no_such_module'"),
        ("number", "is not a class"),
        ("no_such_module:Planner", "No module named 'no_such_module'"),
        ("bridge.testing:NoSuchName", "has no attribute 'NoSuchName'"),
        (":", "Empty module name"),
    ],
)
def test_what_does_not_load_is_the_authors_error(name: str, says: str) -> None:
    """A known plug-in that does not import names itself, the verb and the cause."""
    with pytest.raises(PluginError, match=says) as caught:
        load_plugin("planner", name)
    assert (caught.value.plugin, caught.value.verb) == (name, "import")


@pytest.mark.usefixtures("installed")
def test_the_list_imports_nothing() -> None:
    """Listing is quick and works with broken plug-ins too."""
    listed = list_plugins("planner")
    assert [info.name for info in listed] == ["broken", "number", "scripted"]
    assert listed[0].target == "no_such_module:Planner"
    assert "no_such_module" not in sys.modules


def test_a_path_needs_no_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class in a file of one's own is found by `module:Name`, nested names too."""
    (tmp_path / "my_tandem_plugin.py").write_text("class Outer:\n    class Inner:\n        pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert load_plugin("policy", "my_tandem_plugin:Outer.Inner").__name__ == "Inner"


def test_options_reach_the_plugin() -> None:
    """A plug-in is made with its options as keyword arguments."""
    bank = make_plugin("memory", BANK, {"latent": EXAMPLE_LATENT, "capacity": 3})
    assert isinstance(bank, BankMemory)


def test_an_unknown_option_is_the_operators_error() -> None:
    """A misspelt option answers with the near match, and the plug-in is not made."""
    with pytest.raises(UnknownKeyError, match="Did you mean 'capacity'"):
        make_plugin("memory", BANK, {"latent": EXAMPLE_LATENT, "capacty": 3})


def test_our_own_errors_pass_as_they_are() -> None:
    """What the plug-in says about its options is not wrapped."""
    with pytest.raises(ConfigError, match="at least 1"):
        make_plugin("memory", BANK, {"latent": EXAMPLE_LATENT, "capacity": 0})


def test_a_plugin_that_breaks_when_made_is_the_authors_error() -> None:
    """Any other exception in the constructor names the plug-in."""
    with pytest.raises(PluginError, match="__init__"):
        make_plugin("memory", BANK, {"latent": LatentSpec})
    with pytest.raises(PluginError, match="__init__"):
        make_plugin("memory", BANK)
