import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent.cli import app
from agent.scaffold.package import SETTINGS, class_name, write_package
from bridge.errors import ConfigError, UnknownNameError

KINDS = tuple(SETTINGS)


def agent(*arguments: str) -> Result:
    """Run the command line here."""
    return CliRunner().invoke(app, arguments, prog_name="agent")


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_reads_as_our_own_code_does(tmp_path: Path, kind: str) -> None:
    """What `agent new` writes is clean by this project's own rules, and no word is left over."""
    package = write_package(kind, f"my_{kind}", tmp_path)
    names = {file.name for file in package.iterdir()}
    assert names == {
        "pyproject.toml", "README.md", f"my_{kind}.py", f"test_my_{kind}.py", f"my_{kind}.yaml",
    }  # fmt: skip
    text = "".join(file.read_text("utf-8") for file in package.iterdir())
    assert not any(word in text for word in ("plugin:", "MyPlugin", "KIND", "SETTING", "GOAL"))
    settings = Path(__file__).parents[2] / "pyproject.toml"
    # INP001, D100, S101: a package of one file, with its test beside it. ARG002: verbs to fill in.
    ignored = "INP001,D100,D101,S101,ARG002,I001"
    for words in (("check", "--extend-ignore", ignored), ("format", "--check")):
        program = [sys.executable, "-m", "ruff", *words, "--config", str(settings), str(package)]
        done = subprocess.run(program, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_command_says_what_to_do_next(tmp_path: Path) -> None:
    """After `agent new` the commands to install, test, check and run it are there to copy."""
    shown = agent("new", "planner", "my_planner", "--folder", str(tmp_path)).stdout
    for wanted in ("pip install -e", "pytest", "agent check", "agent serve --preset"):
        assert wanted in shown
    assert "--set slow_brain.planner=my_planner:MyPlanner" in shown


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("my-planner", "is no name for a Python module"),
        ("MyPlanner", "is no name for a Python module"),
        ("class", "is no name for a Python module"),
        ("scripted", "is installed already"),
        ("json", "which yours would hide"),
        ("bridge", "which yours would hide"),
    ],
)
def test_a_name_that_would_not_work_is_refused(tmp_path: Path, name: str, said: str) -> None:
    """A name that Python or Tandem uses, or cannot use, is refused with what to take instead."""
    with pytest.raises(ConfigError, match=said):
        write_package("planner", name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A folder that is there already is left as it is."""
    (tmp_path / "my-robot").mkdir()
    with pytest.raises(ConfigError, match="is there already"):
        write_package("robot", "my_robot", tmp_path)
    assert list((tmp_path / "my-robot").iterdir()) == []


def test_an_unknown_kind_is_answered_with_the_list(tmp_path: Path) -> None:
    """What there is no template for is named, with the near match."""
    with pytest.raises(UnknownNameError, match="Did you mean 'planner'"):
        write_package("planer", "my_planner", tmp_path)


def test_a_class_is_called_as_its_module() -> None:
    """my_planner holds MyPlanner."""
    assert class_name("my_planner2") == "MyPlanner2"


@pytest.mark.parametrize(("name", "folder"), [("my_robot", "my-robot"), ("arm", "arm-plugin")])
def test_a_folder_is_never_taken_for_the_module_in_it(
    tmp_path: Path, name: str, folder: str
) -> None:
    """Beside its folder, the installed module is found, not the folder."""
    assert write_package("robot", name, tmp_path) == tmp_path / folder
    assert not folder.isidentifier()


def test_list_as_json_tells_origin_options_and_spec() -> None:
    """A program learns who ships a plug-in, what may be set and what it declares."""
    told = json.loads(agent("list", "--json").stdout)
    found = {(entry["kind"], entry["name"]): entry for entry in told["plugins"]}
    arm = found["robot", "point_arm"]
    assert (arm["distribution"], arm["trouble"]) == ("tandem-agent", "")
    assert arm["version"]
    assert arm["declares"]["action"]["names"] == ["x", "y", "z"]
    hold = found["policy", "hold"]
    assert hold["options"]["properties"]["step_s"]["description"] == "Time between rows [s]."
    assert hold["options"]["properties"]["horizon"]["type"] == "integer"
    assert (hold["filled_in"], hold["declares"]) == (["robot"], None)
    assert "point_arm" in told["presets"]
    assert "scene-chain" in told["suites"]
