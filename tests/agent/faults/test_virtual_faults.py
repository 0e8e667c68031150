"""The campaign in virtual time: every kind of fault, and that the judge would notice."""

import json
from pathlib import Path

import pytest

from agent.faults.book import CampaignBook
from agent.faults.campaign import run_campaign
from agent.faults.cases import draw_campaign, draw_case
from agent.faults.drill import drill_config, drill_graph
from agent.faults.judge import CaseResult
from agent.faults.kinds import KINDS
from agent.faults.report import make_report, render_page
from agent.faults.virtual_run import play_virtual
from bridge.arrays import AnyArray
from bridge.errors import ConfigError, UnknownNameError
from bridge.messages import Hold, PickedAction, PlanningStatus, Verdict
from fast_brain.safety import FilteredAction, SafetyFilter
from fast_brain.stitchers.latest import LatestStitcher
from slow_brain.planning_loop import PlanningLoop

VIRTUAL = [name for name, kind in KINDS.items() if "virtual" in kind.worlds]


@pytest.mark.parametrize("seed", [100, 101, 102])
@pytest.mark.parametrize("kind", VIRTUAL)
def test_every_fault_ends_as_its_rule_says(kind: str, seed: int) -> None:
    """Inside the limits, held in time, back at work or ended as the rule says, and told."""
    result = play_virtual(draw_case(kind, seed, "virtual"))
    assert result.troubles == {}, result.said


def test_the_same_case_gives_the_same_result() -> None:
    """A case that failed can be run alone, and fails again in the same way."""
    case = draw_case("kill_planner", 3, "virtual")
    assert play_virtual(case) == play_virtual(case)


def test_a_filter_that_lets_all_through_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the safety filter, what the policy asks for is found to be outside the limits."""

    def let_through(_: SafetyFilter, action: AnyArray) -> FilteredAction:
        return FilteredAction(action, Verdict(kind="passed"))

    monkeypatch.setattr(SafetyFilter, "filter", let_through)
    result = play_virtual(draw_case("clock_back", 1, "virtual"))
    assert "× its limit" in result.limits


class EndlessStitcher(LatestStitcher):
    """Repeats the last action for ever."""

    def pick(self, now_ns: int) -> PickedAction | Hold:
        """Never a hold once there was an action."""
        answer = super().pick(now_ns)
        if isinstance(answer, Hold):
            return getattr(self, "_kept", answer)
        self._kept = answer
        return answer


def test_a_loop_that_goes_on_after_its_chunk_is_noticed() -> None:
    """A stitcher that repeats the last action is found to command too late."""
    graph = drill_graph(drill_config(f"fast_brain.stitcher={__name__}:EndlessStitcher"))
    result = play_virtual(draw_case("stop_policy", 1, "virtual"), graph)
    assert "after its chunk or latent ended" in result.hold


def test_a_planner_that_begins_again_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what is resumed, a killed planner is found to begin again what was done."""

    def forget(_: PlanningLoop, status: PlanningStatus) -> None:
        del status

    cases = [draw_case("kill_planner", seed, "virtual") for seed in range(10)]
    # One that falls after the first subtask is done.
    case = next(case for case in cases if case.moment_s > 2.5)
    assert play_virtual(case).back == ""
    monkeypatch.setattr(PlanningLoop, "resume", forget)
    assert play_virtual(case).back != ""


def test_silence_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of which nobody says anything is no success, whatever the robot did."""
    case = draw_case("clock_back", 1, "virtual")
    monkeypatch.setattr("agent.faults.witness.Witness.has_heard", lambda *_: False)
    assert play_virtual(case).told != ""


def test_a_campaign_has_every_kind_in_turn() -> None:
    """Cases are drawn from seeds: the same again, every kind as often as any other."""
    cases = draw_campaign(3 * len(VIRTUAL), 7, "virtual")
    assert cases == draw_campaign(3 * len(VIRTUAL), 7, "virtual")
    assert len({case.name for case in cases}) == len(cases)
    assert [case.kind for case in cases[: len(VIRTUAL)]] == VIRTUAL


def test_an_unknown_fault_is_named() -> None:
    """A kind that there is not, or not in that world, is answered with the list."""
    with pytest.raises(UnknownNameError, match="Did you mean 'kill_policy'"):
        draw_case("kill_polici", 0, "virtual")
    with pytest.raises(UnknownNameError, match="No fault in the virtual world"):
        draw_case("ray_head_killed", 0, "virtual")


def test_a_campaign_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    """What the book holds is not played again; a line that was cut off is."""
    path, cases = tmp_path / "book.jsonl", draw_campaign(4, 0, "virtual")
    run_campaign(cases[:3], CampaignBook(path), resume=False)
    path.write_bytes(path.read_bytes()[:-5])
    played: list[CaseResult] = []
    results = run_campaign(cases, CampaignBook(path), resume=True, on_result=played.append)
    assert [result.case for result in played] == cases[2:]
    assert [result.case for result in results] == cases
    with pytest.raises(ConfigError, match="holds 4 results already"):
        run_campaign(cases, CampaignBook(path), resume=False)


def test_a_report_counts_each_world_by_itself() -> None:
    """Figures are per world and kind; failures, and what is not survived, are told with why."""
    good = play_virtual(draw_case("kill_control", 0, "virtual"))
    bad = CaseResult(case=draw_case("ray_head_killed", 0, "processes"), back="it went on")
    report = json.loads(json.dumps(make_report([good, bad])))
    assert (report["injected"], report["passed"]) == (2, 1)
    assert report["worlds"]["virtual"] == {"injected": 1, "passed": 1}
    assert report["worlds"]["processes"] == {"injected": 1, "passed": 0}
    assert report["failures"] == [{"case": "processes/ray_head_killed/0", "back": "it went on"}]
    page = render_page(report, "make faults", "a machine")
    assert "- `kill_control`: the loop is the part that commands" in page
    assert "`processes/ray_head_killed/0`: back: it went on" in page
