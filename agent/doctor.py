"""Looks at the machine before a robot does: what is there, how well it keeps time, what is missing.

Everything found wrong comes with the command that mends it.
"""

import importlib.metadata
import importlib.util
import os
import platform
from pathlib import Path
from typing import Literal

import psutil
from pydantic import BaseModel, ConfigDict

from agent.doctor_probes import measure_clock, measure_renderer, try_realtime_priority

_GIB = 1 << 30
# Library and the extra that brings it; None for what every installation has.
_LIBRARIES: dict[str, str | None] = {
    "torch": None,
    "transformers": None,
    "ray": None,
    "mujoco": "sim",
    "ogbench": "sim",
    "pyarrow": "train",
}
_WEIGHTS = {
    "planner": ("slow_brain", "weights/planner/model.safetensors", "agent train planner"),
    "policy": ("fast_brain", "weights/flow/policy.safetensors", "agent train policy"),
}
# A loop at 100 Hz has 10 ms a tick; a wake-up this late costs a quarter of it [ms].
_LATE_MS = 2.5
# Two pictures, twenty times a second, should leave most of a core to others [ms a frame].
_SLOW_FRAME_MS = 15.0


class _Finding(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Library(_Finding):
    """A library and the version installed; None when it is missing."""

    name: str
    version: str | None
    extra: str | None


class Machine(_Finding):
    """What the process may use, not what the box was sold with."""

    system: str
    python: str
    cores: int
    usable_cores: int
    memory_gib: float
    free_memory_gib: float


class ClockJitter(_Finding):
    """How late a sleeping 100 Hz loop wakes up here [ms]."""

    ticks: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class RealtimePriority(_Finding):
    """Whether the kernel lets us ask for SCHED_FIFO, and what it answered if not."""

    permitted: bool
    refusal: str = ""


class Renderer(_Finding):
    """What draws the simulator's cameras, and how long a 96 px picture takes [ms]."""

    kind: Literal["opengl", "raycast", "none"]
    frame_ms: float | None = None
    trouble: str = ""


class Weights(_Finding):
    """Trained weights, whether they are here, and how to make them."""

    name: str
    path: str
    present: bool
    how_to_make: str


class Remedy(_Finding):
    """Something missing or slow, and the command or setting that mends it."""

    problem: str
    remedy: str


class DoctorReport(_Finding):
    """Everything `agent doctor` found out."""

    libraries: tuple[Library, ...]
    machine: Machine
    clock: ClockJitter
    realtime: RealtimePriority
    renderer: Renderer
    weights: tuple[Weights, ...]
    remedies: tuple[Remedy, ...]

    @property
    def is_healthy(self) -> bool:
        """Whether there is nothing to mend."""
        return not self.remedies


def collect() -> DoctorReport:
    """Look at everything; takes 5-15 s, most of it compiling the scene and drawing it."""
    libraries = tuple(_find_library(name, extra) for name, extra in _LIBRARIES.items())
    clock = ClockJitter(**measure_clock())
    refusal = try_realtime_priority()
    realtime = RealtimePriority(permitted=not refusal, refusal=refusal)
    renderer = _find_renderer(libraries)
    weights = tuple(_find_weights(name) for name in _WEIGHTS)
    return DoctorReport(
        libraries=libraries,
        machine=_look_at_machine(),
        clock=clock,
        realtime=realtime,
        renderer=renderer,
        weights=weights,
        remedies=(
            *_mend_libraries(libraries),
            *_mend_time(clock, realtime),
            *_mend_renderer(renderer),
            *_mend_weights(weights),
        ),
    )


def render(report: DoctorReport) -> str:
    """The report as text for a terminal, remedies last."""
    machine = report.machine
    lines = [
        f"machine    {machine.system}, Python {machine.python}, {_machine_words(machine)}",
        *(
            f"{'libraries' if index == 0 else '':10} {library.name} {library.version or 'missing'}"
            for index, library in enumerate(report.libraries)
        ),
        f"clock      {_clock_words(report.clock)}",
        f"priority   real time {'permitted' if report.realtime.permitted else 'refused'}",
        f"renderer   {_renderer_words(report.renderer)}",
        *(
            f"weights    {weights.name} {'present' if weights.present else 'missing'}"
            for weights in report.weights
        ),
        "",
    ]
    if report.is_healthy:
        return "\n".join([*lines, "Nothing is missing."])
    remedies = (f"- {found.problem}\n    {found.remedy}" for found in report.remedies)
    return "\n".join([*lines, "To mend:", *remedies])


def _machine_words(machine: Machine) -> str:
    cores = f"{machine.usable_cores} of {machine.cores} cores"
    return f"{cores}, {machine.free_memory_gib:.1f} of {machine.memory_gib:.1f} GiB free"


def _clock_words(clock: ClockJitter) -> str:
    late = f"p50 {clock.p50_ms:.2f}, p99 {clock.p99_ms:.2f}, max {clock.max_ms:.2f} ms"
    return f"a 100 Hz loop wakes up late by {late}"


def _renderer_words(renderer: Renderer) -> str:
    if renderer.frame_ms is None:
        return f"none ({renderer.trouble})"
    return f"{renderer.kind}, {renderer.frame_ms:.1f} ms a picture of 96 px"


def _find_library(name: str, extra: str | None) -> Library:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        version = None
    return Library(name=name, version=version, extra=extra)


def _look_at_machine() -> Machine:
    memory = psutil.virtual_memory()
    return Machine(
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        cores=os.cpu_count() or 1,
        usable_cores=len(psutil.Process().cpu_affinity() or []) or 1,
        memory_gib=memory.total / _GIB,
        free_memory_gib=memory.available / _GIB,
    )


def _find_renderer(libraries: tuple[Library, ...]) -> Renderer:
    missing = [
        library.name for library in libraries if library.extra == "sim" and library.version is None
    ]
    if missing:
        return Renderer(kind="none", trouble=f"{', '.join(missing)} not installed")
    kind, frame_ms, trouble = measure_renderer()
    return Renderer(kind=kind, frame_ms=frame_ms, trouble=trouble)


def _find_weights(name: str) -> Weights:
    package, inside, how_to_make = _WEIGHTS[name]
    spec = importlib.util.find_spec(package)
    folder = Path(spec.origin).parent if spec is not None and spec.origin else Path(package)
    path = folder / inside
    return Weights(name=name, path=str(path), present=path.is_file(), how_to_make=how_to_make)


def _mend_libraries(libraries: tuple[Library, ...]) -> list[Remedy]:
    extras = {library.extra for library in libraries if library.version is None}
    return [
        Remedy(
            problem="Missing: "
            + ", ".join(
                library.name
                for library in libraries
                if library.version is None and library.extra == extra
            ),
            remedy=f"pip install 'tandem-agent[{extra}]'" if extra else "pip install tandem-agent",
        )
        for extra in sorted(extras, key=str)
    ]


def _mend_time(clock: ClockJitter, realtime: RealtimePriority) -> list[Remedy]:
    remedies: list[Remedy] = []
    if not realtime.permitted:
        remedies.append(
            Remedy(
                problem=f"The control loop gets no real-time priority: {realtime.refusal}.",
                remedy="echo '@users - rtprio 50' | sudo tee /etc/security/limits.d/rt.conf, "
                "and log in again",
            )
        )
    if clock.p99_ms > _LATE_MS:
        remedies.append(
            Remedy(
                problem=f"A 100 Hz loop wakes up {clock.p99_ms:.1f} ms late (p99).",
                remedy="Stop what loads the cores, or give the control loop one of its own "
                "(fast_brain: cpu, realtime_priority).",
            )
        )
    return remedies


def _mend_renderer(renderer: Renderer) -> list[Remedy]:
    if renderer.kind == "none":
        # Libraries that are missing have a remedy of their own.
        return []
    if renderer.kind == "raycast":
        return [
            Remedy(
                problem=f"No OpenGL, so cameras are traced ray by ray: {renderer.trouble}",
                remedy="sudo apt-get install libegl1 libgl1-mesa-dri",
            )
        ]
    if renderer.frame_ms is not None and renderer.frame_ms > _SLOW_FRAME_MS:
        return [
            Remedy(
                problem=f"A camera picture takes {renderer.frame_ms:.0f} ms.",
                remedy="Stop what loads the cores, or set robot.options.camera_rate_hz to 10.",
            )
        ]
    return []


def _mend_weights(weights: tuple[Weights, ...]) -> list[Remedy]:
    return [
        Remedy(problem=f"No trained {found.name} at {found.path}.", remedy=found.how_to_make)
        for found in weights
        if not found.present
    ]
