"""What a run left behind when it had ended, and whether its trace says what fell."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psutil

from agent.recording.reading import Trace
from agent.supervisor import Incident
from bridge.transports.segments import list_segments

_LAST_WORD_S = 5.0


def children() -> frozenset[psutil.Process]:
    """The processes that come from this one."""
    return frozenset(psutil.Process().children(recursive=True))


def left_behind(before: frozenset[psutil.Process]) -> str:
    """Processes, shared memory and folders that are still there, in words; empty for nothing.

    Args:
        before: The `children` that there were when the run began; they are not the run's.
    """
    here = os.getpid()
    _, processes = psutil.wait_procs(children() - before, _LAST_WORD_S)
    left = [
        *(f"process {process.pid} ({process.name()})" for process in processes),
        *(path.name for path in list_segments() if f"-{here}-" in path.name),
        *(str(path) for path in Path(tempfile.gettempdir()).glob(f"tandem-ray-{here}-*")),
    ]
    return "left behind: " + ", ".join(left) if left else ""


def untraced(incidents: Sequence[Incident], folder: Path) -> str:
    """Incidents of which the trace in a folder does not say a word; empty if it says them all."""
    traced = {
        (event.facts["node"], event.stamp_ns)
        for event in Trace(folder)
        if event.kind == "node.down"
    }
    missing = [
        f"{incident.failure.node} {incident.failure.kind}"
        for incident in incidents
        if (incident.failure.node, incident.failure.stamp_ns) not in traced
    ]
    return "not in the trace: " + ", ".join(missing) if missing else ""
