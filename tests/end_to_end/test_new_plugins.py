"""What `agent new` writes, from the empty folder to a running robot, as a newcomer goes."""

import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import pytest

from agent.scaffold.package import SETTINGS, write_package

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
KINDS = tuple(SETTINGS)
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# A memory is used where a policy asks for latents; its own preset's brains would take a simulator.
LISTENING = (
    "point_arm",
    "fast_brain.policy=listening:ListeningPolicy",
    "fast_brain.memory=my_memory",
    "fast_brain.memory_options.capacity=4",
)


class Workplace(NamedTuple):
    """A folder of new packages, and a Python in which they are installed."""

    folder: Path
    python: Path

    def run(self, *words: str, cwd: Path | None = None) -> str:
        """Run this Python; what it printed."""
        done = subprocess.run(
            [str(self.python), *words],
            capture_output=True, text=True, check=False, cwd=cwd or self.folder,
            env=self._environment(),
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def serving(self, *words: str) -> Iterator[str]:
        """Run `agent serve`; give its address, and end it as Ctrl-C does."""
        program = [str(self.python), "-m", "agent.cli", "serve", "--port", "0", *words]
        with subprocess.Popen(
            program, stdout=subprocess.PIPE, text=True, cwd=self.folder, env=self._environment()
        ) as served:
            assert served.stdout is not None
            said = list(takewhile(lambda line: "Ctrl-C" not in line, served.stdout))
            try:
                (url,) = re.findall(r"http://127\.0\.0\.1:\d+", "".join(said))[:1]
                yield url
            finally:
                served.send_signal(signal.SIGINT)
                served.communicate(timeout=60)

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"}

    def preset(self, kind: str) -> tuple[str, ...]:
        """The preset that came with the plug-in of a kind, or another that uses it."""
        preset = str(self.folder / f"my-{kind}" / f"my_{kind}.yaml")
        if kind == "monitor":
            return preset, "fast_brain.policy=hold"
        return LISTENING if kind == "memory" else (preset,)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A new plug-in of each kind, installed with `pip install -e`; without a network."""
    folder = tmp_path_factory.mktemp("plugins")
    packages = [write_package(kind, f"my_{kind}", folder) for kind in KINDS]
    python = _make_venv(folder / "venv")
    _install(python, packages)
    return Workplace(folder, python)


def _make_venv(folder: Path) -> Path:
    """An environment that borrows the libraries and the checkout of this one."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    paths = {"base": str(folder), "platbase": str(folder)}
    site = Path(sysconfig.get_path("purelib", vars=paths))
    (site / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n{ROOT}\n")
    return python


def _install(python: Path, packages: Sequence[Path]) -> None:
    options = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation")
    wanted = [word for package in packages for word in ("-e", str(package))]
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", *options, *wanted]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_contract_tests_of_new_plugins_pass(workplace: Workplace) -> None:
    """Each package's own test passes before a line of it is changed."""
    packages = [f"my-{kind}" for kind in KINDS]
    plugins = ("-p", "no:cacheprovider", "-p", "no:asyncio")
    options = ("-q", "-W", "error", "--import-mode=importlib", *plugins)
    shown = workplace.run("-m", "pytest", *options, *packages)
    assert "passed" in shown
    assert "failed" not in shown


def test_new_plugins_are_listed_with_their_origin(workplace: Workplace) -> None:
    """`agent list` shows whose they are and what may be set."""
    told = json.loads(workplace.run("-m", "agent.cli", "list", "--json"))
    found = {(entry["kind"], entry["name"]): entry for entry in told["plugins"]}
    for kind in KINDS:
        entry = found[kind, f"my_{kind}"]
        assert (entry["distribution"], entry["version"]) == (f"my-{kind}", "0.1.0")
        assert entry["trouble"] == ""
        assert entry["options"]["properties"]


def test_new_plugins_run_in_an_agent(workplace: Workplace) -> None:
    """With its own preset, each kind runs end to end and moves or holds the robot as it should."""
    presets = [workplace.preset(kind) for kind in KINDS]
    shown = workplace.run(str(HERE / "run_preset.py"), *map(json.dumps, presets))
    for kind, result in zip(KINDS, json.loads(shown), strict=True):
        assert (kind, result["errors"]) == (kind, [])
        # The new monitor finds that the arm, which is held, has come to rest: nothing is left.
        wanted = "chunk_expired" if kind == "monitor" else "command"
        assert (kind, result["decision"]) == (kind, wanted)
        assert ("reach left done" in result["subtasks"]) == (kind == "monitor")
        assert result["plans"] > 0, kind
        assert (result["latent_age_s"] < 3.0) == (kind == "memory")


def test_new_plugins_fit(workplace: Workplace) -> None:
    """`agent check` finds nothing against the preset that comes with each."""
    for kind in KINDS:
        preset, *changes = workplace.preset(kind)
        overrides = [word for change in changes for word in ("--set", change)]
        shown = workplace.run("-m", "agent.cli", "check", preset, *overrides)
        assert "the parts fit" in shown


@pytest.mark.ray
def test_an_installed_planner_drives_a_served_robot(workplace: Workplace) -> None:
    """By its name: `agent serve --set slow_brain.planner=my_planner`, and `agent run` is met."""
    chosen = ("--set", "slow_brain.planner=my_planner", "--set", "recording.enabled=false")
    with workplace.serving("--preset", "point_arm", *chosen) as url:
        goal = ("reach left then reach right", "--url", url, "--timeout-s", "60")
        shown = workplace.run("-m", "agent.cli", "run", *goal, "--json", "result.json")
    assert "reach right" in shown
    result = json.loads((workplace.folder / "result.json").read_text("utf-8"))
    assert result["success"], result
    assert [each["text"] for each in result["subtasks"]] == ["reach left", "reach right"]


def test_a_plugin_is_found_by_its_path_without_being_installed(tmp_path: Path) -> None:
    """`module:Class`, in the folder where the module is, is enough."""
    package = write_package("planner", "your_planner", tmp_path)
    setting = "slow_brain.planner=your_planner:YourPlanner"
    agent = Path(sys.executable).with_name("agent")
    done = subprocess.run(
        [str(agent), "check", "your_planner.yaml", "--set", setting],
        capture_output=True, text=True, check=False, cwd=package,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "your_planner:YourPlanner" in done.stdout
