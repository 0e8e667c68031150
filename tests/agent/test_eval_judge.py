from dataclasses import replace

from agent.evaluation.episodes import Episode, Facts
from agent.evaluation.judge import SETTLED_S, VERDICT_GRACE_S, Judge
from agent.evaluation.records import SubtaskRecord
from bridge.messages import PlanningStatus, WorldReport

EPISODE = Episode(
    index=0,
    seed=0,
    goal="open it and put it in",
    start={},
    is_met=lambda facts: bool(facts["open"]) and bool(facts["put"]),
    needed=lambda facts: [name for name in ("open", "put") if not facts[name]],
    is_reached=lambda name, facts: bool(facts[name]),
)


class Watched:
    """A judge with a world and a planner that say what a test wants."""

    def __init__(self, episode: Episode = EPISODE) -> None:
        self.judge = Judge(episode, start_ns=0, limit_s=60)

    def at(self, time_s: float, phase: str = "acting", *, opened: bool, put: bool) -> "Watched":
        """Let the judge look at this moment."""
        now_ns = round(time_s * 1e9)
        facts: Facts = {"open": opened, "put": put}
        self.judge.look(
            WorldReport(facts=dict(facts), success=None, stamp_ns=now_ns),
            PlanningStatus(phase=phase, stamp_ns=now_ns),  # pyright: ignore[reportArgumentType]
            now_ns,
        )
        return self


def test_a_goal_is_met_when_world_and_planner_agree() -> None:
    """The facts and the planner's word end the episode at once, with the time of the facts."""
    judge = Watched().at(0, opened=False, put=False).at(10, opened=True, put=True).judge
    assert not judge.is_over
    watched = Watched().at(0, opened=False, put=False).at(10, opened=True, put=True)
    judge = watched.at(11, "goal_done", opened=True, put=True).judge
    assert judge.success
    assert judge.planner_said_done
    assert judge.time_to_finish_s == 10


def test_facts_that_stay_true_are_enough() -> None:
    """A planner that does not notice success takes nothing from it."""
    watched = Watched().at(5, opened=True, put=True)
    assert not watched.at(5 + SETTLED_S / 2, opened=True, put=True).judge.is_over
    judge = watched.at(5 + SETTLED_S, opened=True, put=True).judge
    assert judge.success
    assert not judge.planner_said_done


def test_what_cannot_be_undone_ends_the_episode_at_once() -> None:
    """Nobody waits for the time to be up once the goal is out of reach, and the reason is told."""
    spoilt = replace(EPISODE, spoiled=lambda facts: "put in too soon" if facts["put"] else "")
    watched = Watched(spoilt).at(5, opened=False, put=False)
    assert not watched.judge.is_over
    judge = watched.at(6, opened=False, put=True).judge
    assert (judge.success, judge.reason) == (False, "spoiled: put in too soon")


def test_facts_that_pass_by_are_not_enough() -> None:
    """A goal that was met for a moment is not met."""
    watched = Watched().at(5, opened=True, put=True).at(6, opened=False, put=True)
    watched.at(5 + SETTLED_S, opened=True, put=True)
    assert not watched.judge.is_over
    assert watched.at(60, opened=False, put=True).judge.reason == "not met within 60 s"
    assert watched.judge.time_to_finish_s is None


def test_a_planner_that_is_wrong_fails_the_episode() -> None:
    """Done in words alone is a failure, after the world had time to come to rest."""
    watched = Watched().at(3, "goal_done", opened=True, put=False)
    assert not watched.judge.is_over
    judge = watched.at(3 + VERDICT_GRACE_S, "goal_done", opened=True, put=False).judge
    assert judge.is_over
    assert not judge.success
    assert judge.reason == "the planner says done, the world does not"


def test_a_world_that_comes_to_rest_late_still_counts() -> None:
    """A drawer that closes just after the planner said so is closed."""
    watched = Watched().at(3, "goal_done", opened=True, put=False)
    assert watched.at(3.5, "goal_done", opened=True, put=True).judge.success


def test_subtasks_count_in_their_turn() -> None:
    """What is true too early does not count until what comes before it was reached."""
    watched = Watched().at(0, opened=False, put=False).at(2, opened=False, put=True)
    assert watched.judge.subtasks == (SubtaskRecord(text="open"), SubtaskRecord(text="put"))
    watched.at(5, opened=True, put=False).at(9, opened=True, put=True)
    assert watched.judge.subtasks == (
        SubtaskRecord(text="open", took_s=5.0),
        SubtaskRecord(text="put", took_s=4.0),
    )


def test_what_is_true_at_the_start_needs_no_subtask() -> None:
    """The subtasks are those that the goal takes from where the episode begins."""
    judge = Watched().at(0, opened=True, put=False).judge
    assert [subtask.text for subtask in judge.subtasks] == ["put"]


def test_a_run_that_ends_gives_the_episode_up_once() -> None:
    """The first verdict stays."""
    judge = Watched().at(60, opened=False, put=False).judge
    judge.give_up("the run ended")
    assert judge.reason == "not met within 60 s"
