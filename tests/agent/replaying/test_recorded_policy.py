from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner
from virtual_traces import BEGIN_NS, EVERYTHING, SECOND_NS, goal, record

from agent.cli import app
from agent.config import AgentConfig
from agent.replaying.chunks import chunks_of
from agent.replaying.recorded_policy import RecordedPolicy
from agent.replaying.settings import as_policy_config
from agent.replaying.virtual_run import VirtualRun
from agent.tracing.runs import Run
from bridge.errors import ConfigError
from bridge.messages import Observation
from bridge.protocols import Policy
from bridge.testing import PolicyContract, example_memory
from fast_brain.robots.ogbench_scene import OgbenchScene
from fast_brain.robots.point_arm import PointArm


@pytest.fixture
def policy(short: Run) -> RecordedPolicy:
    """Plays the short run."""
    return RecordedPolicy(robot=PointArm.spec, run=str(short.path))


def seen() -> Observation:
    """Something that the point arm shows."""
    arm = PointArm()
    arm.connect()
    return arm.observe(SECOND_NS)


class TestRecordedPolicy(PolicyContract):
    @pytest.fixture(autouse=True)
    def _record(self, short: Run) -> None:
        self._run = str(short.path)

    def make(self) -> RecordedPolicy:
        """Of the short run."""
        return RecordedPolicy(robot=PointArm.spec, run=self._run)

    def observation(self, policy: Policy) -> Observation:
        """What the point arm shows."""
        return seen()


def test_a_served_run_commands_what_was_commanded(everything: Run, tmp_path: Path) -> None:
    """Without any network the robot is sent the recorded run's commands, at the same times."""
    config = as_policy_config(everything)
    again = VirtualRun(config, BEGIN_NS, tmp_path / "again").live(
        [goal("whatever")], BEGIN_NS + 4 * SECOND_NS
    )
    # The planner of then needed half a second; this one has none, and begins at once.
    plan_s = 0.5
    assert config.fast_brain.mode == "flat"
    first = [chunk.actions.tolist() for chunk in chunks_of(everything)][:15]
    assert [chunk.actions.tolist() for chunk in chunks_of(again)][:15] == first
    starts = [
        np.array([chunk.start_stamp_ns for chunk in chunks_of(run)][:15])
        for run in (everything, again)
    ]
    np.testing.assert_allclose((starts[0] - starts[1]) / SECOND_NS, plan_s, atol=0.3)
    assert np.ptp(starts[0] - starts[1]) == 0


@settings(max_examples=30)
@given(later_s=st.floats(0, 60))
def test_each_moment_has_the_chunk_of_that_moment(short: Run, later_s: float) -> None:
    """However late it is asked, the chunk is the newest of so long after the first one."""
    policy = RecordedPolicy(robot=PointArm.spec, run=str(short.path))
    chunks = list(chunks_of(short))
    starts_s = np.array([c.start_stamp_ns - chunks[0].start_stamp_ns for c in chunks]) / SECOND_NS
    policy.act(seen(), example_memory(), 7 * SECOND_NS)
    given_ns = 7 * SECOND_NS + round(later_s * SECOND_NS)
    chunk = policy.act(seen(), example_memory(), given_ns)
    place = int(np.flatnonzero(starts_s <= (given_ns / SECOND_NS - 7) + 1e-9)[-1])
    np.testing.assert_array_equal(chunk.actions, chunks[place].actions)
    assert (chunk.start_stamp_ns / SECOND_NS - 7) == pytest.approx(starts_s[place], abs=1e-6)


def test_a_new_goal_begins_anew(policy: RecordedPolicy) -> None:
    """After a reset the first chunk comes again, from then on."""
    first = policy.act(seen(), example_memory(), SECOND_NS)
    later = policy.act(seen(), example_memory(), 2 * SECOND_NS)
    policy.reset()
    again = policy.act(seen(), example_memory(), 3 * SECOND_NS)
    assert not np.array_equal(first.actions, later.actions)
    np.testing.assert_array_equal(first.actions, again.actions)
    assert again.start_stamp_ns == 3 * SECOND_NS


def test_what_cannot_be_played_is_refused(short: Run, tmp_path: Path) -> None:
    """Another robot, a goal that was not, and one that led to no chunk: each is said."""
    with pytest.raises(ConfigError, match="needs a run"):
        RecordedPolicy(robot=PointArm.spec)
    with pytest.raises(ConfigError, match="another robot"):
        RecordedPolicy(robot=OgbenchScene().spec, run=str(short.path))
    with pytest.raises(ConfigError, match="has 1 goals, so there is no goal 2"):
        RecordedPolicy(robot=PointArm.spec, run=str(short.path), goal=2)
    early = record(tmp_path / "early", length_s=0.3, settings=(EVERYTHING,))
    with pytest.raises(ConfigError, match="no chunk for goal 1"):
        as_policy_config(early)


def test_the_command_serves_it_until_it_is_ended(
    short: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`replay --as-policy` serves the run's own settings, with the recorded chunks as policy."""
    served = list[AgentConfig]()

    class Served:
        address = "http://127.0.0.1:1"

        def wait(self) -> None:
            raise KeyboardInterrupt

    @contextmanager
    def serving(config: AgentConfig, *, tell: object) -> Iterator[Served]:
        assert tell is not None
        served.append(config)
        yield Served()

    monkeypatch.setattr("agent.serve.serving", serving)
    arguments = ["trace", "replay", str(short.path), "--as-policy", "--set", "serve.port=0"]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    assert "The policy is run short, goal 1" in shown.output
    (config,) = served
    assert (config.fast_brain.policy, config.fast_brain.mode) == ("recorded", "flat")
    assert (config.robot.kind, config.serve.port) == ("point_arm", 0)


def test_a_preset_may_give_all_other_settings(short: Run) -> None:
    """The chunks of one run can be played by a robot that is set up otherwise."""
    config = as_policy_config(short, preset="point_arm", overrides=["fast_brain.stitcher=bid"])
    assert (config.fast_brain.policy, config.fast_brain.stitcher) == ("recorded", "bid")
    assert config.fast_brain.policy_options == {"run": str(short.path), "goal": 1}
