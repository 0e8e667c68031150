import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.config import load_config
from agent.graph import build_graph
from agent.recording.config import RecordingConfig
from agent.recording.reading import Trace
from agent.recording.recorder import RecorderConfig, RecorderNode
from agent.recording.run_record import about_run, commit
from agent.recording.wiring import recorded
from agent.tracing.latents import recorded_latents
from agent.tracing.runs import Run
from bridge.clock import ManualClock
from bridge.errors import ConfigError
from bridge.messages import Latent
from bridge.transports.in_process import InProcessLatestValue

SECOND_NS = 1_000_000_000
HASH = "0123456789abcdef0123456789abcdef01234567"


def latent(number: int) -> Latent:
    """Some latent."""
    tokens = np.random.default_rng(number).normal(size=(5, 8)).astype(np.float32)
    return Latent(
        perceptual=tokens,
        cognitive=tokens[:1],
        observation_stamp_ns=number * SECOND_NS,
        ready_stamp_ns=number * SECOND_NS + 5,
        sequence=number,
        plan_id="g.plan1",
        subtask_id="g.1",
        subtask_text="reach left",
        episode_id="e",
    )


def test_a_trace_says_what_the_run_was_made_from(tmp_path: Path) -> None:
    """Settings, every seed in them, versions and commit stand in each part."""
    settings = {"robot": {"seed": 7}, "policy_options": {"noise_seed": 2}, "rate_hz": 5}
    config = RecorderConfig(
        folder=tmp_path / "run",
        recording=RecordingConfig(),
        settings_json=json.dumps(settings),
    )
    node = RecorderNode(config=config, inputs={}, outputs={}, clock=ManualClock(SECOND_NS))
    node.start()
    node.close()
    trace = Trace(tmp_path / "run")
    list(trace)
    about = trace.about
    assert json.loads(about["settings"]) == settings
    assert json.loads(about["seeds"]) == {"robot.seed": 7, "policy_options.noise_seed": 2}
    assert {"python", "numpy", "tandem-agent"} <= json.loads(about["versions"]).keys()
    assert about["format"] == "2"


@pytest.mark.parametrize("where", ["loose", "packed", "detached", "worktree"])
def test_the_commit_is_found_however_git_keeps_it(tmp_path: Path, where: str) -> None:
    """A branch of its own file, a packed one, no branch at all, and another working tree."""
    git = tmp_path / ".git"
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    match where:
        case "packed":
            (git / "packed-refs").write_text(f"# pack-refs\n{HASH} refs/heads/main\n")
        case "detached":
            (git / "HEAD").write_text(f"{HASH}\n")
        case "worktree":
            (git / "refs" / "heads" / "main").write_text(f"{HASH}\n")
            own = git / "worktrees" / "other"
            own.mkdir(parents=True)
            (own / "HEAD").write_text("ref: refs/heads/main\n")
            (own / "commondir").write_text("../..\n")
            tmp_path = tmp_path / "other"
            tmp_path.mkdir()
            (tmp_path / ".git").write_text(f"gitdir: {own}\n")
        case _:
            (git / "refs" / "heads" / "main").write_text(f"{HASH}\n")
    assert commit(tmp_path) == HASH


def test_an_installed_agent_has_no_commit(tmp_path: Path) -> None:
    """Where there is no checkout nothing is made up."""
    assert commit(tmp_path) == ""
    assert json.loads(about_run("{}")["seeds"]) == {}


def test_latents_are_kept_number_by_number_on_request(tmp_path: Path) -> None:
    """With recording.latents full, each comes back bit by bit with its ids and stamps."""
    clock, box = ManualClock(SECOND_NS), InProcessLatestValue[Any]()
    config = RecorderConfig(folder=tmp_path / "run", recording=RecordingConfig(latents="full"))
    node = RecorderNode(config=config, inputs={"latent": box}, outputs={}, clock=clock)
    node.start()
    for number in (1, 2):
        box.publish(latent(number))
        for _ in range(3):
            clock.advance_ns(SECOND_NS // 10)
            node.step(clock.now_ns())
    node.close()
    found = list(recorded_latents(Run(tmp_path / "run")))
    assert [each.sequence for each in found] == [1, 2]
    for each in found:
        wanted = latent(each.sequence)
        assert np.array_equal(each.perceptual, wanted.perceptual)
        assert np.array_equal(each.cognitive, wanted.cognitive)
        assert (each.ready_stamp_ns, each.observation_stamp_ns) == (
            wanted.ready_stamp_ns,
            wanted.observation_stamp_ns,
        )
        assert (each.plan_id, each.subtask_text) == ("g.plan1", "reach left")


def test_latents_that_were_summed_up_cannot_be_had_whole(tmp_path: Path) -> None:
    """A run without them says how to record them."""
    node = RecorderNode(
        config=RecorderConfig(folder=tmp_path / "run", recording=RecordingConfig()),
        inputs={},
        outputs={},
        clock=ManualClock(SECOND_NS),
    )
    node.start()
    node.close()
    with pytest.raises(ConfigError, match=r"recording\.latents=full"):
        list(recorded_latents(Run(tmp_path / "run")))


def test_latents_are_looked_at_only_where_they_are_wanted() -> None:
    """The recorder reads the latents' mailbox on request, and what the planner is shown always."""
    plain = build_graph(load_config("point_arm"))
    for latents, wanted in (("summary", False), ("full", True)):
        settings = RecordingConfig.model_validate({"latents": latents})
        recorder = recorded(plain, Path("runs/x"), settings).node("recorder")
        assert ("latent" in recorder.inputs) is wanted
        assert "shown" in recorder.inputs
