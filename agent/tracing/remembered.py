"""What the policy remembered when it made a chunk, and what of it it looked at: a link of why."""

from collections.abc import Mapping, Sequence
from typing import Any

from agent.recording.reading import RecordedEvent
from agent.tracing.links import Links
from agent.tracing.runs import Run

# Told at most ten times a second, so it may be of a chunk shortly before or the one itself.
_AROUND_NS = 150_000_000
_SHOWN = 2
_STREAMS = ("perceptual", "cognitive")


def say_memory(links: Links, run: Run, chunk: RecordedEvent | None) -> None:
    """Add what was in memory for a chunk that a latent was used for; nothing without one."""
    if chunk is None or chunk.facts["latent_sequence"] < 0:
        return
    told = run.newest("policy.memory", chunk.stamp_ns + _AROUND_NS // 2, node="policy")
    if told is None or chunk.stamp_ns - told.stamp_ns > _AROUND_NS:
        links.miss("memory", f"what was remembered for chunk {chunk.facts['chunk_sequence']}")
        return
    links.say("memory", _words(told.facts), told.stamp_ns)


def _words(facts: Mapping[str, Any]) -> str:
    ages: Sequence[float] = facts["ages_s"]
    if not ages:
        return "nothing was remembered"
    rules = ", ".join(dict.fromkeys(rule for rule in facts["kept_by"] if rule))
    count = f"{len(ages)} latents" if len(ages) > 1 else "1 latent"
    held = f"{count}, {max(ages):.1f} s to {min(ages):.1f} s old"
    parts = [held + (f", kept by {rules}" if rules else ""), _read(facts, ages), _gates(facts)]
    return "; ".join(part for part in parts if part)


def _read(facts: Mapping[str, Any], ages: Sequence[float]) -> str:
    """The entries that most weight was on, in the mean of the streams that go by these times."""
    told = [facts.get(f"{stream}_attention") for stream in _STREAMS]
    streams = [weights for weights in told if weights and len(weights) == len(ages)]
    if not streams:
        return ""
    means = [sum(weights) / len(streams) for weights in zip(*streams, strict=True)]
    most = sorted(range(len(ages)), key=lambda place: -means[place])[:_SHOWN]
    return "read most: " + ", ".join(f"{means[n]:.0%} of {ages[n]:.1f} s ago" for n in most)


def _gates(facts: Mapping[str, Any]) -> str:
    known = {stream: facts.get(f"{stream}_gate_mean") for stream in _STREAMS}
    told = [f"{stream} {gate:.2f}" for stream, gate in known.items() if gate is not None]
    return f"gate {', '.join(told)}" if told else ""
