"""Makes any graph one that is recorded: a ring for each node, and a recorder that empties them."""

from dataclasses import replace
from pathlib import Path

from agent.graph_parts import Graph, MailboxSpec, NodeSpec
from agent.recording.config import RecordingConfig
from agent.recording.recorder import RING_PREFIX, SENSED, SHOWN, RecorderConfig
from agent.shared_mailboxes import SUPERVISOR_TRACE
from bridge.trace import TRACE, TraceEvent

_RATE_HZ = 10.0
# What a control loop of 1000 Hz says in ten seconds.
_RING_BYTES = 512 * 1024
_NICE = 10
# What explains a run, beside what its nodes say themselves.
_SAMPLED = (
    "goal", "pause", "stop", "watchdog_stop", "planning", "loop_status", "world", SENSED,
)  # fmt: skip
_LATENT, _PLANNER = "latent", "planner"


def recorded(
    graph: Graph, folder: Path, recording: RecordingConfig, settings_json: str = "{}"
) -> Graph:
    """The same graph with a recorder, which is ended last and which nothing waits for.

    Args:
        graph: Any graph whose nodes do not record yet.
        folder: Of this run; made when the run starts.
        recording: How much is kept.
        settings_json: The whole configuration, to be written into the trace.
    """
    rings = {name: f"{RING_PREFIX}{name}" for name in graph.node_names()}
    nodes = [
        replace(node, outputs={**node.outputs, TRACE: rings[node.name], **_shown_by(node)})
        for node in graph.nodes
    ]
    shown = [replace(_mailbox(graph, SENSED), name=SHOWN)] if any(map(_shown_by, nodes)) else []
    # A flat agent has the planner's mailboxes too, but nobody writes them.
    there = {box.name for box in graph.mailboxes if box.external or graph.writers_of(box.name)}
    sampled = (*_SAMPLED, *([_LATENT] if recording.latents == "full" else []))
    read = (
        *rings.values(),
        SUPERVISOR_TRACE,
        *(name for name in sampled if name in there),
        *(box.name for box in shown),
    )
    recorder = NodeSpec(
        name="recorder",
        node_class="agent.recording.recorder:RecorderNode",
        config=RecorderConfig(
            # The recorder is in another process, whose working folder may be another one.
            folder=folder.resolve(),
            recording=recording,
            settings_json=settings_json,
        ),
        rate_hz=max(_RATE_HZ, recording.observation_rate_hz),
        inputs={name: name for name in read},
        restart="on_failure",
        optional=True,
        observer=True,
        hang_after_s=graph.runtime.hang_after_s,
        nice=_NICE,
    )
    made = (
        _ring(SUPERVISOR_TRACE, external=True),
        *(_ring(name) for name in rings.values()),
        *shown,
    )
    return replace(graph, nodes=(*nodes, recorder), mailboxes=(*graph.mailboxes, *made))


def _shown_by(node: NodeSpec) -> dict[str, str]:
    """Where a planner puts what it is shown: the picture it thinks about must be in the trace."""
    is_planner = node.name == _PLANNER and SENSED in node.inputs
    return {SHOWN: SHOWN} if is_planner else {}


def _mailbox(graph: Graph, name: str) -> MailboxSpec:
    return next(box for box in graph.mailboxes if box.name == name)


def _ring(name: str, *, external: bool = False) -> MailboxSpec:
    return MailboxSpec(
        name=name,
        kind=TraceEvent,
        capacity_bytes=_RING_BYTES,
        external=external,
        delivery="ring",
    )
