from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from bridge.errors import ConfigError, RobotFault, UnknownNameError
from bridge.messages import Command, Verdict
from fast_brain.config import RobotConfig
from fast_brain.robot_choice import make_robot, read_robot_spec
from fast_brain.robots.gymnasium_env import GymnasiumRobot

S_NS = 1_000_000_000
BOUNDED = spaces.Box(-1.0, 1.0, (2,), np.float32)


class Toy(gymnasium.Env[Any, Any]):
    """Shows what its space samples, remembers actions, ends after a number of steps."""

    def __init__(self, observed: Any = None, actions: Any = BOUNDED, steps: int = 1000) -> None:
        self.observation_space = BOUNDED if observed is None else observed
        self.action_space = actions
        self.taken: list[Any] = []
        self._steps = steps

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Begin."""
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> Any:
        """Remember the action."""
        self.taken.append(action)
        return self.observation_space.sample(), 1.0, len(self.taken) >= self._steps, False, {}


def _make_toy(**options: Any) -> Toy:
    return Toy(**options)


@pytest.fixture(autouse=True)
def toy_is_registered() -> Any:
    """`Toy-v0` for the time of a test."""
    gymnasium.register("Toy-v0", _make_toy, disable_env_checker=True)
    yield
    del gymnasium.registry["Toy-v0"]


def _toy(**options: Any) -> tuple[GymnasiumRobot, Toy]:
    robot = GymnasiumRobot(env_id="Toy-v0", rate_hz=10.0, env_options=options)
    robot.connect()
    toy = robot._env.unwrapped
    assert isinstance(toy, Toy)
    return robot, toy


def _command(*action: float) -> Command:
    return Command(
        action=np.array(action, np.float32),
        stamp_ns=S_NS,
        sequence=0,
        verdict=Verdict(kind="passed"),
        chunk_sequence=0,
        chunk_index=0,
    )


@pytest.mark.filterwarnings("ignore:.*normalized space")
def test_pendulum_keeps_gymnasiums_own_rules() -> None:
    """Pendulum-v1 passes Gymnasium's checker, and is a robot of 20 Hz with a torque limit."""
    robot = GymnasiumRobot(env_id="Pendulum-v1", check=True)
    robot.connect()
    assert robot.spec.command_rate_hz == pytest.approx(20.0)
    assert (robot.spec.action.low, robot.spec.action.high) == ((-2.0,), (2.0,))
    robot.close()


def test_an_environment_that_breaks_the_rules_is_refused() -> None:
    """The checker's complaint is passed on, with the environment's name."""

    class Liar(Toy):
        def reset(self, **_: Any) -> Any:
            """Show something else than declared."""
            return np.zeros(7), {}

    gymnasium.register("Liar-v0", lambda **_: Liar(), disable_env_checker=True)
    try:
        with pytest.raises(ConfigError, match="Liar-v0"):
            GymnasiumRobot(env_id="Liar-v0", check=True).connect()
    finally:
        del gymnasium.registry["Liar-v0"]


def test_it_can_be_named_in_one_word() -> None:
    """`gymnasium:<id>` in the settings is the environment; options go along."""
    config = RobotConfig(kind="gymnasium:Pendulum-v1", options={"rate_hz": 25.0})
    assert isinstance(make_robot(config), GymnasiumRobot)
    assert read_robot_spec(config).command_rate_hz == 25.0
    same = RobotConfig(kind="gymnasium", options={"env_id": "Pendulum-v1"})
    assert isinstance(make_robot(same), GymnasiumRobot)


def test_an_unknown_environment_answers_with_the_near_match() -> None:
    """A slip of the pen is answered with the name that was meant."""
    with pytest.raises(UnknownNameError, match=r"Did you mean 'Pendulum-v1'"):
        make_robot(RobotConfig(kind="gymnasium:Pendulm-v1"))


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(-np.inf, np.inf, (2,), np.float32),
        spaces.Box(np.array([-1.0, 0.0]), np.array([1.0, np.inf]), dtype=np.float64),
        spaces.Discrete(1),
        spaces.MultiBinary(3),
    ],
)
def test_actions_without_limits_are_refused(space: Any) -> None:
    """A robot without limits is refused when it is made, with the environment's name."""
    with pytest.raises(ConfigError, match="Toy-v0 takes"):
        GymnasiumRobot(env_id="Toy-v0", env_options={"actions": space})


def test_observations_of_words_are_refused() -> None:
    """What is neither numbers nor an image cannot be shown to a policy."""
    with pytest.raises(ConfigError, match="'hint'"):
        GymnasiumRobot(
            env_id="Toy-v0",
            env_options={"observed": spaces.Dict({"hint": spaces.Text(5)})},
        )


def test_images_and_numbers_go_their_ways() -> None:
    """Pictures become images; masks, states and nested entries proprioception, by dotted name."""
    observed = spaces.Dict(
        {
            "camera": spaces.Box(0, 255, (4, 6, 3), np.uint8),
            "mask": spaces.Box(0, 255, (4, 6), np.uint8),
            "arm": spaces.Dict({"angle": spaces.Box(-9, 9, (), np.float64)}),
            "gear": spaces.Discrete(3),
        }
    )
    robot, _ = _toy(observed=observed)
    shown = robot.observe(S_NS)
    robot.spec.observation.validate(shown)
    assert set(shown.images) == {"camera"}
    assert set(shown.proprioception) == {"last_action", "mask", "arm.angle", "gear"}


def test_it_is_stepped_at_its_own_rate() -> None:
    """Ten control ticks are one step of the environment at a tenth of the rate."""
    robot, toy = _toy()
    robot.command(_command(0.5, -0.25))
    for tick in range(101):
        robot.advance(S_NS + tick * S_NS // 100)
    assert len(toy.taken) == 10
    np.testing.assert_array_equal(toy.taken[-1], np.array([0.5, -0.25], np.float32))
    np.testing.assert_array_equal(robot.observe(S_NS).proprioception["last_action"], [0.5, -0.25])
    assert robot.report().facts["return"] == 10.0


def test_after_a_long_pause_time_slips() -> None:
    """A pause of an hour is not made up for in one burst."""
    robot, toy = _toy()
    robot.advance(S_NS)
    robot.advance(3600 * S_NS)
    assert len(toy.taken) <= 21


def test_a_finished_episode_stands_still_until_reset() -> None:
    """After the end no step is taken; a reset begins another episode with another id."""
    robot, toy = _toy(steps=3)
    for tick in range(10):
        robot.advance(S_NS + tick * S_NS // 10)
    assert len(toy.taken) == 3
    assert robot.report().facts["episode_over"] is True
    before = robot.observe(S_NS).episode_id
    robot.reset(1, {})
    assert robot.observe(S_NS).episode_id != before
    assert robot.report().facts["episode_over"] is False


def test_a_stop_freezes_time_until_the_next_command() -> None:
    """Stopped, the environment is not stepped, and no steps are owed afterwards."""
    robot, toy = _toy()
    robot.advance(S_NS)
    robot.stop("test")
    robot.advance(2 * S_NS)
    assert toy.taken == []
    robot.command(_command(0.0, 0.0))
    robot.advance(2 * S_NS + S_NS // 10)
    assert len(toy.taken) == 1


def test_discrete_actions_are_whole_numbers() -> None:
    """One dimension, rounded to the nearest choice."""
    robot, toy = _toy(actions=spaces.Discrete(3, start=-1))
    assert (robot.spec.action.low, robot.spec.action.high) == ((-1.0,), (1.0,))
    robot.command(_command(0.6))
    robot.advance(S_NS)
    robot.advance(S_NS + S_NS // 10)
    assert toy.taken == [1]


def test_what_is_no_action_is_a_fault() -> None:
    """Wrong width, nan, or a robot that is not connected."""
    robot, _ = _toy()
    with pytest.raises(RobotFault, match="refuses"):
        robot.command(_command(0.0))
    with pytest.raises(RobotFault, match="refuses"):
        robot.command(_command(np.nan, 0.0))
    robot.close()
    with pytest.raises(RobotFault, match="connect"):
        robot.observe(S_NS)
