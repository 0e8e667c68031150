"""A share of the campaign among real processes; the whole of it is `make faults`."""

import pytest

from agent.faults.cases import draw_case
from agent.faults.process_run import play_all_processes

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(180)]
# One of each way of doing it, none that takes long; the last ends the run.
KINDS = (
    "kill_planner",
    "kill_policy",
    "kill_recorder",
    "pause_robot",
    "pause_control",
    "stop_policy",
    "policy_endless",
    "planner_rubbish",
    "chunk_nan",
    "camera_dropped",
    "clock_back",
    "kill_control",
)


def test_faults_among_processes_end_as_their_rules_say() -> None:
    """Inside the limits, held in time, back at work or ended as the rule says, told, and tidy."""
    results = list(play_all_processes([draw_case(kind, 100, "processes") for kind in KINDS]))
    troubles = {result.case.name: result.troubles for result in results if not result.is_passed}
    assert troubles == {}
    assert [result.case.kind for result in results] == list(KINDS)


@pytest.mark.parametrize("kind", ["disk_full", "segment_removed_and_policy_killed"])
def test_what_cannot_be_put_back_is_survived_or_ends_the_run(kind: str) -> None:
    """A full disk costs the recording alone; a removed mailbox ends the run when it is needed."""
    (result,) = play_all_processes([draw_case(kind, 100, "processes")])
    assert result.troubles == {}, result.said
