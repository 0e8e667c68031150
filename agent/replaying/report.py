"""Replays and forks on a terminal."""

from rich.console import Group, RenderableType
from rich.text import Text

from agent.replaying.fork import Fork
from agent.replaying.replay import Replay
from agent.tracing.show import render_difference


def render_replay(found: Replay) -> RenderableType:
    """What today's brains did otherwise, in what they chose and in what followed."""
    first, second = found.difference.runs
    latencies = ", ".join(f"{who} {took_s:g} s" for who, took_s in found.latencies_s.items())
    lines = [
        (
            f"{first} lived through again as {second}: {found.observations} observations in "
            f"{found.length_s:.1f} s of virtual time; latencies: {latencies}."
        ),
        *_chunk_lines(found),
    ]
    return Group(*map(Text, lines), render_difference(found.difference), *map(Text, found.notes))


def render_fork(found: Fork) -> RenderableType:
    """How it came out beside the original, and where it went another way."""
    was, became = found.outcomes
    earlier_s = found.at_s - found.state_s
    lines = [
        (
            f"Begun at {found.at_s:.3f} s, from the robot's state of {earlier_s:.2f} s before and "
            "what it was sent since."
        ),
        f"Outcome: A {was}, B {became}.",
        *(f"In the end {name}: A {pair[0]}, B {pair[1]}" for name, pair in found.world.items()),
    ]
    tail = [*found.notes, f"Its own trace: {found.folder}"]
    return Group(*map(Text, lines), render_difference(found.difference), *map(Text, tail))


def _chunk_lines(found: Replay) -> list[str]:
    chunks = found.chunks
    lines = [
        (
            f"Chunks: {chunks.compared} compared, {chunks.mean:.2g} apart in the mean and at most "
            f"{chunks.largest:.2g}; {chunks.without_counterpart} without a counterpart."
        )
    ]
    if chunks.at_s is not None:
        lines.append(
            f"The first that is another began at {chunks.at_s:.3f} s: {chunks.apart:.2g} apart in "
            f"{chunks.action}."
        )
    return lines
