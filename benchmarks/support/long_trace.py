"""A trace as long as one likes, with as many events as an agent tells at the rates of `demo`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from agent.recording.trace_file import Anchor, TraceFile
from bridge.trace import TraceEvent
from fast_brain.section_timer import SECTIONS

_NS_PER_S = 1_000_000_000
_TICKS, _WIDTH = 10, 5
# As many latents as the shipped policy's memory holds.
_REMEMBERED = 16
_SUBTASK_S, _GOAL_S = 15, 120
# About as long as a planner's thoughts are [characters].
_THOUGHT = "The drawer is closed and the cube lies in front of it, so that it is opened first. " * 6
# Of the scene's cameras, 96 px high, as PNG.
_PICTURE_BYTES = {"front": 7400, "wrist": 4000}
_WALL_NS = 1_767_225_600 * _NS_PER_S


def write_long_trace(folder: Path, seconds: int, seed: int = 0) -> Path:
    """Write a run of so many seconds into a folder, flushed twice a second as the recorder does.

    100 ticks, 10 chunks and verdicts, 10 observations of two pictures, 2 plans and latents, 4
    samples a second; a goal every two minutes, of eight subtasks.
    """
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    about = {"run": folder.name, "part": "1", "settings": '{"fast_brain": {"stitcher": "rtc"}}'}
    file = TraceFile(folder / "trace-001.mcap", Anchor(_WALL_NS, 0), about)
    for half in range(2 * seconds):
        for node, event in _half_second(half, random):
            file.write(node, event)
        for stamp_ns, camera, name, data in _pictures(half, random):
            file.add_picture(camera, stamp_ns, data, "png", name)
        file.flush()
    file.close()
    return file.path


def _half_second(half: int, random: np.random.Generator) -> Iterator[tuple[str, TraceEvent]]:
    second, is_first = divmod(half, 2)
    begin_ns = half * _NS_PER_S // 2
    goal, subtask = f"g{second // _GOAL_S}", f"g{second // _GOAL_S}.{second // _SUBTASK_S}"
    if not is_first and second % _GOAL_S == 0:
        facts = {"text": "tidy up", "id": goal, "source": "benchmark"}
        yield "mailbox", TraceEvent(kind="goal", stamp_ns=begin_ns, facts=facts)
    yield from _planned(half, begin_ns, goal, subtask)
    if not is_first and second % _SUBTASK_S == 0:
        yield "planner", _move(begin_ns, goal, subtask, half)
    for step in range(5):
        now_ns = begin_ns + step * _NS_PER_S // 10
        yield "policy", _chunk(now_ns, 5 * half + step, half, subtask)
        yield "policy", _memory(now_ns, 5 * half + step, half, random)
        stitched = {"chunk_sequence": 5 * half + step, "delay_rows": 3, "guided_rows": 8}
        yield "policy", TraceEvent(kind="chunk.stitched", stamp_ns=now_ns, facts=stitched)
        verdict = ("clipped", "passed")[step % 2]
        news = {"verdict": verdict, "reason": "jerk", "clipped_by": 0.01}
        yield "control", TraceEvent(kind="safety.verdict", stamp_ns=now_ns, facts=news)
        yield "mailbox", _observation(now_ns, 5 * half + step)
        yield "control", _ticks(now_ns, 5 * half + step, verdict, random)
    world = {"facts": {f"fact {number}": float(random.random()) for number in range(20)}}
    yield "mailbox", TraceEvent(kind="world", stamp_ns=begin_ns, facts=world)


def _observation(stamp_ns: int, sequence: int) -> TraceEvent:
    pose = {"dtype": "float32", "shape": [5], "values": [0.1 * sequence] * 5}
    facts = {
        "sequence": sequence,
        "episode_id": "1",
        "proprioception": dict.fromkeys(("gripper", "contact", "target", "joints"), pose),
        "extra": {},
        "images": {camera: _picture_name(camera, sequence) for camera in _PICTURE_BYTES},
    }
    return TraceEvent(kind="observation", stamp_ns=stamp_ns, facts=facts)


def _pictures(half: int, random: np.random.Generator) -> Iterator[tuple[int, str, str, bytes]]:
    """Stamp [ns], camera, name and bytes: as good as noise to whoever compresses them again."""
    for step in range(5):
        stamp_ns = half * _NS_PER_S // 2 + step * _NS_PER_S // 10
        for camera, size in _PICTURE_BYTES.items():
            yield stamp_ns, camera, _picture_name(camera, 5 * half + step), random.bytes(size)


def _picture_name(camera: str, sequence: int) -> str:
    return f"{list(_PICTURE_BYTES).index(camera):08x}{sequence:08x}"


def _planned(half: int, begin_ns: int, goal: str, subtask: str) -> Iterator[tuple[str, TraceEvent]]:
    ids = {"plan_id": f"{goal}.plan{half}", "goal_id": goal, "trigger": "plan age"}
    seen = {"observation_sequence": 10 * half, "observation_age_s": 0.1}
    steps = {"subtasks": [f"step {n}: pending" for n in range(8)], "thoughts": [_THOUGHT]}
    latent = {"latent_sequence": half, "subtask_id": subtask}
    for kind, facts in (
        ("planner.asked", {"trigger_kind": "plan age"}),
        ("planner.plan", steps),
        ("planner.latent", latent),
    ):
        yield "planner", TraceEvent(kind=kind, stamp_ns=begin_ns, facts={**ids, **seen, **facts})
    shown = {"phase": "acting", **steps, "plan_latency_s": half * 1e-3}
    yield "mailbox", TraceEvent(kind="planning", stamp_ns=begin_ns, facts=shown)


def _move(stamp_ns: int, goal: str, subtask: str, half: int) -> TraceEvent:
    facts = {
        "goal_id": goal,
        "subtask_id": subtask,
        "text": f"step {subtask}",
        "before": "",
        "state": "active",
        "reason": "",
        "plan_id": f"{goal}.plan{half}",
        "trigger": "plan age",
        "thoughts": [_THOUGHT],
    }
    return TraceEvent(kind="subtask.moved", stamp_ns=stamp_ns, facts=facts)


def _chunk(stamp_ns: int, sequence: int, half: int, subtask: str) -> TraceEvent:
    facts = {
        "chunk_sequence": sequence,
        "start_stamp_ns": stamp_ns,
        "observation_sequence": sequence,
        "observation_age_s": 0.05,
        "latent_sequence": half,
        "latent_age_s": 0.3,
        "gate_mean": 0.8,
        "subtask_id": subtask,
        "took_s": 0.05,
    }
    return TraceEvent(kind="policy.chunk", stamp_ns=stamp_ns, facts=facts)


def _memory(stamp_ns: int, sequence: int, half: int, random: np.random.Generator) -> TraceEvent:
    ages_s = np.linspace(30.0, 0.3, _REMEMBERED).tolist()
    facts = {
        "chunk_sequence": sequence,
        "latent_sequence": half,
        "now_s": stamp_ns / _NS_PER_S,
        "times_s": [stamp_ns / _NS_PER_S - age_s for age_s in ages_s],
        "ages_s": ages_s,
        "kept_by": ["bank"] * _REMEMBERED,
        "perceptual_attention": random.dirichlet(np.ones(_REMEMBERED)).tolist(),
        "cognitive_attention": random.dirichlet(np.ones(_REMEMBERED)).tolist(),
        "perceptual_gate_mean": 0.8,
        "cognitive_gate_mean": 0.7,
    }
    return TraceEvent(kind="policy.memory", stamp_ns=stamp_ns, facts=facts)


def _ticks(stamp_ns: int, sequence: int, verdict: str, random: np.random.Generator) -> TraceEvent:
    took: dict[str, Any] = {f"{name}_us": random.gamma(2, 20, _TICKS).tolist() for name in SECTIONS}
    facts = {
        "at_us": [10_000.0 * tick for tick in range(_TICKS)],
        "late_us": random.gamma(2, 40, _TICKS).tolist(),
        "missed": 0,
        "decisions": ["command"] * _TICKS,
        "verdicts": [verdict] * _TICKS,
        "clipped_by": [0.0] * _TICKS,
        "chunk_sequences": [sequence] * _TICKS,
        "chunk_indices": list(range(_TICKS)),
        "actions": random.normal(size=_TICKS * _WIDTH).tolist(),
        "action_width": _WIDTH,
        "has_action": [True] * _TICKS,
    }
    return TraceEvent(kind="control.ticks", stamp_ns=stamp_ns, facts={**facts, **took})
