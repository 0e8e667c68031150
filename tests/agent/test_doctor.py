import os

import pytest

from agent import doctor, doctor_probes
from agent.doctor import DoctorReport, collect, render
from bridge import ManualClock


@pytest.fixture
def quick_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The measurements are made up, so that only the doctor's judgement is tested."""
    late = {"ticks": 60, "p50_ms": 0.1, "p99_ms": 0.2, "max_ms": 0.3}
    monkeypatch.setattr(doctor, "measure_clock", lambda: late)
    monkeypatch.setattr(doctor, "try_realtime_priority", lambda: "")
    monkeypatch.setattr(doctor, "measure_renderer", lambda: ("opengl", 3.0, ""))


def remedies(report: DoctorReport) -> str:
    """All problems and remedies as one text."""
    return "\n".join(f"{found.problem} {found.remedy}" for found in report.remedies)


@pytest.mark.usefixtures("quick_probes")
def test_the_report_survives_json() -> None:
    """What `--json` prints can be read again as the same report."""
    report = collect()
    assert DoctorReport.model_validate_json(report.model_dump_json()) == report


@pytest.mark.usefixtures("quick_probes")
def test_a_missing_library_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that is not installed comes with the exact command, and nothing is drawn."""
    monkeypatch.setattr(doctor, "_LIBRARIES", {"no-such-simulator": "sim"})
    report = collect()
    assert "pip install 'tandem-agent[sim]'" in remedies(report)
    assert report.renderer.kind == "none"
    assert "no-such-simulator missing" in render(report)


@pytest.mark.usefixtures("quick_probes")
def test_missing_weights_come_with_how_to_make_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that are not there are named with path and command."""
    monkeypatch.setattr(
        doctor, "_WEIGHTS", {"planner": ("slow_brain", "weights/none", "agent train planner")}
    )
    assert "agent train planner" in remedies(collect())


@pytest.mark.usefixtures("quick_probes")
def test_trouble_with_time_and_pictures_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Late wake-ups, a refused priority and a missing OpenGL each have a remedy."""
    late = {"ticks": 60, "p50_ms": 1.0, "p99_ms": 9.0, "max_ms": 12.0}
    monkeypatch.setattr(doctor, "measure_clock", lambda: late)
    monkeypatch.setattr(doctor, "try_realtime_priority", lambda: "Operation not permitted")
    monkeypatch.setattr(doctor, "measure_renderer", lambda: ("raycast", 20.0, "no driver"))
    said = remedies(collect())
    assert "9.0 ms late" in said
    assert "rtprio" in said
    assert "libegl1" in said


def test_a_perfect_clock_is_never_late() -> None:
    """The measurement itself adds no lateness: in virtual time it is zero."""
    found = doctor_probes.measure_clock(ManualClock(), ticks=5)
    assert found == {"ticks": 5, "p50_ms": 0.0, "p99_ms": 0.0, "max_ms": 0.0}


def test_asking_for_priority_leaves_this_thread_as_it_was() -> None:
    """The attempt is made in a thread of its own and changes nothing here."""
    before = os.sched_getscheduler(0)
    doctor_probes.try_realtime_priority()
    assert os.sched_getscheduler(0) == before


@pytest.mark.sim
@pytest.mark.slow
def test_the_real_doctor_finds_this_machine_in_order() -> None:
    """Unfaked, the doctor measures a clock and draws a picture."""
    pytest.importorskip("ogbench")
    report = collect()
    assert report.renderer.frame_ms is not None
    assert report.clock.ticks > 0
