import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.recording.reading import Trace
from agent.tracing.observations import recorded_observations
from agent.tracing.runs import Run

ROOT, TRIES = Path(__file__).parents[3], 100
SECOND_NS = 1_000_000_000
# As in `killed_recorders.py`.
EMIT_NS = 10_000_000


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, int]]:
    """The folders of a hundred recorders that were killed, and how many events each had emitted."""
    folder = tmp_path_factory.mktemp("killed")
    program = Path(__file__).with_name("killed_recorders.py")
    done = subprocess.run(
        [sys.executable, str(program), str(folder), str(TRIES), "7"],
        check=True,
        stdout=subprocess.PIPE,
        timeout=110,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    emitted: list[int] = json.loads(done.stdout)
    return [(folder / str(number) / "run", count) for number, count in enumerate(emitted)]


@pytest.mark.timeout(120)
def test_a_hundred_kills_cost_at_most_the_last_second_each(
    killed: list[tuple[Path, int]],
) -> None:
    """Each file opens, its events are the first that were told, and at most a second is missing."""
    for folder, emitted in killed:
        if not folder.exists():
            assert emitted < SECOND_NS / EMIT_NS
            continue
        trace = Trace(folder)
        numbers = [event.facts["number"] for event in trace if event.kind == "tick"]
        assert numbers == list(range(len(numbers)))
        assert (emitted - len(numbers)) * EMIT_NS <= SECOND_NS
        assert not trace.is_complete


def test_what_a_killed_recorder_left_has_its_pictures(killed: list[tuple[Path, int]]) -> None:
    """All that it says was sensed is read back with its pictures."""
    for folder, emitted in killed[:10]:
        if emitted * EMIT_NS < SECOND_NS:
            continue
        run = Run(folder)
        seen = list(recorded_observations(run))
        assert seen
        assert all(each.images["front"].shape == (32, 32, 3) for each in seen)
        assert "It ends in the middle: the run goes on, or it was killed." in run.notes


def test_a_trace_cut_off_anywhere_tells_of_no_picture_that_it_lacks(
    killed: list[tuple[Path, int]], tmp_path: Path
) -> None:
    """Wherever a file ends, each observation in it comes with its picture."""
    folder = max(killed, key=lambda each: each[1])[0]
    whole = (folder / "trace-001.mcap").read_bytes()
    counts: list[int] = []
    for cut in range(2000, min(len(whole), 60_000), 997):
        part = tmp_path / str(cut) / "trace-001.mcap"
        part.parent.mkdir()
        part.write_bytes(whole[:cut])
        counts.append(len(list(recorded_observations(Run(part.parent)))))
    assert counts == sorted(counts)
    assert counts[-1] > counts[0]
