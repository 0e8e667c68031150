"""What the planner of a run thought, for those that are to think it again or remember it."""

from pathlib import Path

from agent.config import AgentConfig
from agent.exporting.stretch import stretch_of
from agent.exporting.thoughts import write_thoughts
from agent.recording.latent_facts import LATENT
from agent.tracing.latents import recorded_latents
from agent.tracing.runs import Run
from bridge.messages import Goal, Latent, Observation
from bridge.plugins import make_plugin
from bridge.specs import LatentSpec
from fast_brain.policy_memory import PolicyMemory

REPLAY_PLANNER = "replay"


def thoughts_file(run: Run, file: Path, from_s: float | None = None) -> list[str]:
    """Write down what the planner thought, and return the settings of one that thinks it again.

    Args:
        run: The run.
        file: Where to; its folder is made.
        from_s: Nothing that was asked before that moment, since the recording began [s].

    Raises:
        ConfigError: No planner made a plan there.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    write_thoughts(stretch_of(run, from_s=from_s), file, _nobody_waits)
    # In virtual time the runtime says how long thinking takes.
    return [
        f"slow_brain.planner={REPLAY_PLANNER}",
        f"slow_brain.planner_options={{file: {str(file)!r}, keeps_times: false}}",
    ]


def remembered_at(run: Run, config: AgentConfig, goal: Goal, stamp_ns: int) -> dict[str, object]:
    """What the policy's memory held just before a moment [ns], by mailbox.

    Its latents are remembered once more, by the memory that the settings ask for. Nothing, if they
    are not recorded number by number, or if there were none.
    """
    latents = _latents(run, goal, stamp_ns)
    if not latents or config.fast_brain.mode == "flat":
        return {}
    newest = latents[-1]
    settings = config.fast_brain
    options = {"latent": _spec_of(newest), **settings.memory_options}
    memory = PolicyMemory(make_plugin("memory", settings.memory, options))
    seen = Observation(
        stamp_ns=goal.stamp_ns,
        sequence=0,
        images={},
        proprioception={},
        episode_id=newest.episode_id,
    )
    memory.begin_if_new(goal, seen)
    for latent in latents:
        memory.write(latent, None)
    kept = memory.snapshot(stamp_ns)
    held: dict[str, object] = {"latent": newest, "memory": kept}
    return {name: message for name, message in held.items() if message is not None}


def _nobody_waits(done: int, total: int) -> None:
    del done, total


def had_latents(run: Run, goal: Goal, stamp_ns: int) -> bool:
    """Whether the policy had been given latents for a goal before a moment [ns]."""
    told = run.walk("planner.latent", first_ns=goal.stamp_ns, last_ns=stamp_ns - 1)
    return any(True for _ in told)


def _latents(run: Run, goal: Goal, stamp_ns: int) -> list[Latent]:
    if next(run.walk(LATENT), None) is None:
        return []
    found = [each for each in recorded_latents(run) if _is_of(each, goal, stamp_ns)]
    return sorted(found, key=lambda each: (each.observation_stamp_ns, each.sequence))


def _is_of(latent: Latent, goal: Goal, stamp_ns: int) -> bool:
    return goal.stamp_ns <= latent.ready_stamp_ns < stamp_ns


def _spec_of(latent: Latent) -> LatentSpec:
    (perceptual, width), (cognitive, _) = latent.perceptual.shape, latent.cognitive.shape
    return LatentSpec(perceptual_tokens=perceptual, cognitive_tokens=cognitive, width=width)
