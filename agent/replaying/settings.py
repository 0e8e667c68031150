"""Settings of agents that live through a recorded run again: the run's own, with some changed."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agent.config import AgentConfig, load_config, override_settings
from agent.replaying.chunks import CHUNK
from agent.replaying.recorded_policy import chunks_of_goal
from agent.tracing.runs import Run
from bridge.errors import ConfigError

_NS_PER_S = 1_000_000_000


def replay_config(run: Run, overrides: Sequence[str] = (), planner: str = "") -> AgentConfig:
    """The settings of a run, its brains as slow as they were then.

    Args:
        run: The run.
        overrides: Settings to change, as `slow_brain.rate_hz=2`.
        planner: Another planner, without the options of the one before; "" for the same.

    Raises:
        ConfigError: The run does not say its settings, or one is wrong.
    """
    settings = _settings_of(run)
    if planner:
        settings = _with_plugin(settings, "slow_brain", "planner", planner)
    measured = [f"runtime.{name}={value}" for name, value in _measured_latencies(run).items()]
    return override_settings(settings, [*measured, *overrides])


def as_policy_config(
    run: Run, *, goal: int = 1, preset: str = "", overrides: Sequence[str] = ()
) -> AgentConfig:
    """An agent whose policy plays what the policy of a run made of a goal.

    It has no planner, so nothing but the recorded chunks moves the robot; with
    `fast_brain.mode=hierarchical` it has one, and moves while that sees something to do.

    Args:
        run: The run.
        goal: Which of its goals, counted from 1.
        preset: Where all other settings come from; those of the run if "".
        overrides: Settings to change.

    Raises:
        ConfigError: There is nothing to play, or a setting is wrong.
    """
    chunks_of_goal(run, goal)
    settings = load_config(preset).model_dump(mode="json") if preset else _settings_of(run)
    options = {"run": str(run.path.resolve()), "goal": goal}
    settings = _with_plugin(settings, "fast_brain", "policy", "recorded", options)
    return override_settings(settings, ["fast_brain.mode=flat", *overrides])


def _settings_of(run: Run) -> dict[str, Any]:
    if not run.settings:
        raise ConfigError(
            f"Run {run.id} does not say what it was made from, so it cannot be lived through again."
        )
    return run.settings


def _with_plugin(
    settings: Mapping[str, Any],
    brain: str,
    kind: str,
    name: str,
    options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Settings with another plug-in: what the one before was told means nothing to it."""
    changed = {**settings.get(brain, {}), kind: name, f"{kind}_options": dict(options or {})}
    return {**settings, brain: changed}


def _measured_latencies(run: Run) -> dict[str, float]:
    """The medians of how long a plan and a chunk took [s], of a run in real time.

    In virtual time a planner's clock stands still while it thinks: then the settings say it.
    """
    plans_s = [took_s for took_s in _planning_times_s(run) if took_s > 0]
    if not plans_s:
        return {}
    found = {"planner_latency_s": round(statistics.median(plans_s), 3)}
    chunks_s = [event.facts["took_s"] for event in run.walk(CHUNK)]
    if chunks_s:
        found["policy_latency_s"] = round(statistics.median(chunks_s), 3)
    return found


def _planning_times_s(run: Run) -> Iterator[float]:
    asked_ns: dict[str, int] = {}
    for event in run.walk("planner.asked", "planner.plan"):
        plan_id = event.facts["plan_id"]
        if event.kind == "planner.asked":
            asked_ns[plan_id] = event.stamp_ns
        elif plan_id in asked_ns:
            yield (event.stamp_ns - asked_ns[plan_id]) / _NS_PER_S
