import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from serving_fakes import FakeRuntime, loop_status, point_arm
from typer.testing import CliRunner

from agent.cadence import Cadence, cadence_of_status, cadence_of_trace, render_cadence
from agent.cli import app
from agent.recording.reading import Trace
from agent.recording.trace_file import Anchor, TraceFile
from agent.serve import serving
from bridge.errors import ConfigError
from bridge.messages import SectionFigures
from bridge.trace import TraceEvent
from fast_brain.section_timer import SECTIONS

ABOUT = {"settings": json.dumps({"fast_brain": {"control_rate_hz": 100.0}})}


def ticks(late_us: list[float], began_ns: int = 0, **changes: Any) -> TraceEvent:
    """A batch of ticks, 10 ms apart; each section takes as many µs as its name has letters."""
    count = len(late_us)
    facts: dict[str, Any] = {
        "at_us": [10_000.0 * tick for tick in range(count)],
        "late_us": late_us,
        "missed": 0,
        "decisions": ["command"] * count,
    }
    facts |= {f"{section}_us": [float(len(section))] * count for section in SECTIONS}
    return TraceEvent(kind="control.ticks", stamp_ns=began_ns, facts=facts | changes)


def recorded(folder: Path, *events: TraceEvent) -> Trace:
    """A trace of these events of the control node."""
    file = TraceFile(folder / "trace-001.mcap", Anchor.at(0), ABOUT)
    for event in events:
        file.write("control", event)
    file.close()
    return Trace(folder)


def told(cadence: Cadence) -> str:
    """What a person reads."""
    console = Console(width=120)
    with console.capture() as capture:
        console.print(render_cadence(cadence))
    return capture.get()


def test_a_recorded_cadence_counts_every_tick(tmp_path: Path) -> None:
    """Rate, misses, starved ticks, what was granted and what was lost come from the events."""
    decisions = ["command"] * 4 + ["chunk_expired"]
    cadence = cadence_of_trace(
        recorded(
            tmp_path,
            TraceEvent(kind="process.started", stamp_ns=0, facts={"granted": "SCHED_FIFO 20"}),
            ticks([100.0] * 5, missed=2, decisions=decisions),
            ticks([200.0] * 5, began_ns=50_000_000),
            TraceEvent(kind="trace.lost", stamp_ns=0, facts={"dropped": 3}),
        )
    ).cadence
    assert (cadence.ticks, cadence.missed, cadence.starved, cadence.lost_events) == (10, 2, 1, 3)
    assert cadence.miss_rate == pytest.approx(2 / 12)
    assert cadence.effective_rate_hz == pytest.approx(100.0)
    assert (cadence.target_rate_hz, cadence.priority) == (100.0, "SCHED_FIFO 20")
    assert (cadence.lateness.p50_ms, cadence.lateness.max_ms) == (pytest.approx(0.15), 0.2)
    assert cadence.sections["observe"].p999_ms == pytest.approx(0.007)


@given(late_us=st.lists(st.floats(0, 1e5), min_size=1, max_size=200))
def test_recorded_percentiles_are_exact(
    tmp_path_factory: pytest.TempPathFactory, late_us: list[float]
) -> None:
    """Whatever the batches, the percentiles are those of all ticks together."""
    half = len(late_us) // 2
    batches = [batch for batch in (late_us[:half], late_us[half:]) if batch]
    trace = recorded(tmp_path_factory.mktemp("trace"), *(ticks(batch) for batch in batches))
    lateness = cadence_of_trace(trace).cadence.lateness
    wanted = np.percentile(late_us, [50, 99, 99.9, 100]) / 1000
    got = [lateness.p50_ms, lateness.p99_ms, lateness.p999_ms, lateness.max_ms]
    np.testing.assert_allclose(np.asarray(got, float), wanted)


def test_a_trace_without_a_loop_says_so(tmp_path: Path) -> None:
    """A run that ended before its first tick has no cadence."""
    trace = recorded(tmp_path, TraceEvent(kind="other", stamp_ns=0, facts={}))
    with pytest.raises(ConfigError, match="No tick"):
        cadence_of_trace(trace)


def test_a_running_loop_is_read_from_its_status() -> None:
    """The live figures are those of the loop's own status and its process's health."""
    times = {"p50_ms": 0.01, "p99_ms": 0.02, "p999_ms": 0.03, "max_ms": 0.04}
    status = {
        "loop": {
            "target_rate_hz": 500.0,
            "effective_rate_hz": 499.0,
            "ticks": 998,
            "missed_ticks": 2,
            "starved_ticks": 1,
            "sections": {"pick": times},
            "priority": "nice 0, cores 0, 1",
        }
        | {f"lateness_{name}": value for name, value in times.items()},
        "health": {"control": {"cpu_share": 0.25, "notice": "costs a lot"}},
    }
    text = told(cadence_of_status(status))
    assert "499.0 Hz of 500 Hz, nice 0, cores 0, 1, 25.0% of one core" in text
    assert "998 ticks, 2 missed (0.200%), 1 starved" in text
    assert "the stitcher chooses this tick's action" in text
    assert "Note: costs a lot." in text
    with pytest.raises(ConfigError, match="not told its cadence yet"):
        cadence_of_status({"loop": None})


def test_the_command_reads_draws_and_answers_programs(tmp_path: Path) -> None:
    """One command gives the table, the picture, and with --json nothing but JSON."""
    pytest.importorskip("matplotlib")
    recorded(tmp_path, ticks([100.0, 0.0, 5000.0]))
    picture = tmp_path / "late.png"
    arguments = ["cadence", "--trace", str(tmp_path), "--plot", str(picture)]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    assert "lateness" in shown.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")
    answered = CliRunner().invoke(app, [*arguments, "--json"])
    assert json.loads(answered.stdout)["lateness"]["max_ms"] == 5.0


def test_the_command_asks_a_running_agent() -> None:
    """Without a trace the figures come from the server, sections and all."""
    run = FakeRuntime()
    figures = SectionFigures(p50_ms=0.01, p99_ms=0.02, p999_ms=0.03, max_ms=0.04)
    run.publish("loop_status", loop_status(sections={"filter": figures}))
    with serving(point_arm(), make_runtime=lambda graph: run, with_page=False) as served:
        shown = CliRunner().invoke(app, ["cadence", "--url", served.address])
        answered = CliRunner().invoke(app, ["cadence", "--url", served.address, "--json"])
    assert shown.exit_code == 0, shown.output
    assert "1000 ticks, 2 missed (0.200%), 7 starved" in shown.stdout
    assert json.loads(answered.stdout)["sections"]["filter"]["p99_ms"] == 0.02


def test_a_plot_of_a_running_loop_is_answered_with_what_to_do() -> None:
    """Only a recorded run can be drawn, and the message says how to name it."""
    shown = CliRunner().invoke(app, ["cadence", "--plot", "late.png"])
    assert shown.exit_code == 2
    assert "--trace runs/<time>" in shown.stderr
