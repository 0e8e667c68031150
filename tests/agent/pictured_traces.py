"""A run as a robot with two cameras would leave it: the usual story, and what was sensed in it."""

from pathlib import Path
from typing import Any

import numpy as np
from written_traces import SECOND_NS, SETTINGS, START_NS, story, told

from agent.recording.config import RecordingConfig
from agent.recording.part import Part
from agent.recording.redaction import Redaction
from agent.recording.trace_file import Anchor
from agent.tracing.runs import Run
from bridge.messages import Observation
from bridge.trace import TraceEvent

RATE_HZ = 10
CAMERAS = ("front", "wrist")
REMARK = told(0.8, "planner", "planner.remark", goal_id="g", text="the other one", source="test")


def observation(number: int) -> Observation:
    """The observation of that number, a tenth of a second after the one before.

    The front camera shows each time another grey, the wrist camera always the same.
    """
    greys = {"front": 10 * number % 256, "wrist": 200}
    return Observation(
        stamp_ns=START_NS + number * SECOND_NS // RATE_HZ + SECOND_NS // 50,
        sequence=number,
        images={camera: np.full((24, 32, 3), grey, np.uint8) for camera, grey in greys.items()},
        proprioception={
            "position_m": np.array([number, 2 * number], np.float32),
            "closing": np.array([0.5], np.float32),
        },
    )


def pictured_run(
    folder: Path,
    events: list[dict[str, Any]] | None = None,
    *,
    end_s: float = 2.0,
    recording: RecordingConfig | None = None,
) -> Run:
    """Write the run and open it.

    Args:
        folder: The run's.
        events: What happened, the usual story and a remark if nothing is given.
        end_s: Until when the robot senses.
        recording: How pictures are kept, and what is redacted.
    """
    settings = recording or RecordingConfig()
    folder.mkdir(parents=True)
    about = {"run": folder.name, "part": "1", "settings": SETTINGS}
    anchor = Anchor(wall_ns=10**18, monotonic_ns=START_NS)
    path = folder / "trace-001.mcap"
    part = Part(path, anchor, about, settings, Redaction(settings.redact))
    happened = sorted(events or [*story(end_s), REMARK], key=lambda event: event["at_s"])
    for number in range(round(end_s * RATE_HZ)):
        until_s = number / RATE_HZ
        while happened and happened[0]["at_s"] <= until_s:
            _write(part, happened.pop(0))
        part.write_observation(observation(number))
        if number % RATE_HZ == 0:
            part.file.flush()
    for event in happened:
        _write(part, event)
    part.file.close()
    return Run(folder)


def _write(part: Part, event: dict[str, Any]) -> None:
    facts = dict(event)
    at_s, node, kind = facts.pop("at_s"), facts.pop("told_by"), facts.pop("kind")
    stamp_ns = START_NS + round(at_s * SECOND_NS)
    part.write(node, TraceEvent(kind=kind, stamp_ns=stamp_ns, facts=facts))
