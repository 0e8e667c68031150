"""The doctor's instruments: short measurements of time, priority and drawing."""

import os
import threading
from typing import TYPE_CHECKING, Literal, TypedDict

import numpy as np

from bridge import Clock, SystemClock

if TYPE_CHECKING:
    import mujoco

    from fast_brain.robots.scene_camera import SceneCamera

_TICKS = 60
_TICK_NS = 10_000_000
_PICTURES = 10
_MS_PER_NS = 1e-6


class _Lateness(TypedDict):
    ticks: int
    p50_ms: float
    p99_ms: float
    max_ms: float


def measure_clock(clock: Clock | None = None, ticks: int = _TICKS) -> _Lateness:
    """How late a loop at 100 Hz wakes up [ms], over `ticks` ticks (0.6 s)."""
    clock = clock or SystemClock()
    start_ns = clock.now_ns()
    late_ms: list[float] = []
    for tick in range(1, ticks + 1):
        deadline_ns = start_ns + tick * _TICK_NS
        clock.sleep_until_ns(deadline_ns)
        late_ms.append((clock.now_ns() - deadline_ns) * _MS_PER_NS)
    return {
        "ticks": ticks,
        "p50_ms": float(np.percentile(late_ms, 50)),
        "p99_ms": float(np.percentile(late_ms, 99)),
        "max_ms": max(late_ms),
    }


def try_realtime_priority() -> str:
    """Ask for the lowest real-time priority in a thread that then ends; the refusal, or ""."""
    answer: list[str] = []

    def ask() -> None:
        try:
            # Of this thread only, and gone with it.
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        except OSError as error:
            answer.append(str(error))

    if not hasattr(os, "sched_setscheduler"):
        return "this system has no SCHED_FIFO"
    thread = threading.Thread(target=ask, name="doctor-priority")
    thread.start()
    thread.join(timeout=5)
    return answer[0] if answer else ""


def measure_renderer() -> tuple[Literal["opengl", "raycast"], float, str]:
    """What draws the scene here, how long a 96 px picture takes [ms], and what OpenGL lacks."""
    from fast_brain.robots.scene_camera import GlCamera
    from fast_brain.robots.scene_opengl import opengl_trouble
    from fast_brain.robots.scene_physics import ScenePhysics
    from fast_brain.robots.scene_ray_camera import RayCamera

    trouble = opengl_trouble()
    physics = ScenePhysics()
    camera = RayCamera(physics.model, 96) if trouble else GlCamera(physics.model)
    try:
        frame_ms = _time_pictures(camera, physics.data)
    finally:
        camera.close()
    return ("raycast" if trouble else "opengl"), frame_ms, trouble


def _time_pictures(camera: "SceneCamera", data: "mujoco.MjData") -> float:
    """Median time of a picture [ms]; the first, which compiles shaders, does not count."""
    clock = SystemClock()
    times_ms: list[float] = []
    for picture in range(_PICTURES + 1):
        start_ns = clock.now_ns()
        camera.take(data, ("front", "wrist")[picture % 2])
        times_ms.append((clock.now_ns() - start_ns) * _MS_PER_NS)
    return float(np.median(times_ms[1:]))
