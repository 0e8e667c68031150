"""Which part of a run is exported: all of it, one goal, or from one moment until another."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from agent.recording.reading import RecordedEvent
from agent.tracing.runs import Run
from agent.tracing.story import GoalStory, RunStory, SubtaskStory, story_of
from bridge.errors import ConfigError

_NS_PER_S = 1_000_000_000
# How much of an export is done, and of how much.
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class GoalStretch:
    """One goal, and the part of the run [ns] in which it was pursued, as far as it is exported."""

    story: GoalStory
    first_ns: int
    last_ns: int


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A part of a run [ns, both inclusive], and the goals that were pursued in it."""

    run: Run
    story: RunStory
    first_ns: int
    last_ns: int
    goals: tuple[GoalStretch, ...]

    @property
    def length_s(self) -> float:
        """How long it is [s]."""
        return (self.last_ns - self.first_ns) / _NS_PER_S

    def seconds(self, stamp_ns: int) -> float:
        """A stamp as time since this part of the run begins [s]."""
        return (stamp_ns - self.first_ns) / _NS_PER_S

    def events(self, *kinds: str) -> Iterator[RecordedEvent]:
        """All events of these kinds in it, as they were written."""
        return self.run.walk(*kinds, first_ns=self.first_ns, last_ns=self.last_ns)

    def kept(self) -> Iterator[RecordedEvent]:
        """Its rare events, in order of time."""
        return (event for event in self.run.kept if self.first_ns <= event.stamp_ns <= self.last_ns)


def stretch_of(
    run: Run, *, goal: str = "", from_s: float | None = None, until_s: float | None = None
) -> Stretch:
    """The part of a run that was asked for; where nothing is asked, there is no limit.

    Args:
        run: The run.
        goal: The id of the goal that is wanted.
        from_s: Nothing before that moment, since the recording began [s].
        until_s: Nothing after that moment [s].

    Raises:
        ConfigError: There is no such goal, or nothing lies between these moments.
    """
    story = story_of(run)
    first_ns = run.start_ns if from_s is None else run.stamp(from_s)
    last_ns = run.end_ns if until_s is None else run.stamp(until_s)
    if first_ns >= last_ns:
        raise ConfigError(
            f"There is nothing between {run.seconds(first_ns):g} s and {run.seconds(last_ns):g} s "
            f"of run {run.id}: the first moment has to be before the last."
        )
    goals = [each for each in story.goals if not goal or each.id == goal]
    if goal:
        first_ns, last_ns = _within_goal(run, story, goals, goal, first_ns, last_ns)
    pursued = (_goal_stretch(run, each, first_ns, last_ns) for each in goals)
    inside = tuple(each for each in pursued if each.first_ns < each.last_ns)
    return Stretch(run=run, story=story, first_ns=first_ns, last_ns=last_ns, goals=inside)


def caption_at(story: RunStory, time_s: float) -> str:
    """What the robot was doing at a moment since the recording began [s]; "" if nothing."""
    under_way = [
        subtask.text
        for goal in story.goals
        for subtask in goal.subtasks
        if _is_under_way(subtask, time_s)
    ]
    return under_way[-1] if under_way else ""


def goal_at(story: RunStory, time_s: float) -> str:
    """The words of the goal that was pursued at a moment [s]; "" if there was none."""
    given = [goal for goal in story.goals if goal.given_s <= time_s]
    is_over = not given or (given[-1].ended_s is not None and given[-1].ended_s < time_s)
    return "" if is_over else given[-1].text


def _is_under_way(subtask: SubtaskStory, time_s: float) -> bool:
    has_begun = subtask.began_s is not None and subtask.began_s <= time_s
    return has_begun and (subtask.ended_s is None or time_s < subtask.ended_s)


def _within_goal(  # noqa: PLR0917  # Both ends of two stretches.
    run: Run, story: RunStory, found: list[GoalStory], goal: str, first_ns: int, last_ns: int
) -> tuple[int, int]:
    """What of a stretch belongs to a goal."""
    if not found:
        known = ", ".join(f"{each.id} ({each.text})" for each in story.goals) or "none"
        raise ConfigError(f"Run {run.id} has no goal {goal!r}. It has: {known}.")
    pursued = _goal_stretch(run, found[0], first_ns, last_ns)
    if pursued.first_ns >= pursued.last_ns:
        raise ConfigError(
            f"Goal {goal} of run {run.id} was given at {found[0].given_s:g} s: nothing of it lies "
            f"between {run.seconds(first_ns):g} s and {run.seconds(last_ns):g} s."
        )
    return pursued.first_ns, pursued.last_ns


def _goal_stretch(run: Run, goal: GoalStory, first_ns: int, last_ns: int) -> GoalStretch:
    given_ns = run.start_ns + round(goal.given_s * _NS_PER_S)
    ended_ns = run.end_ns if goal.ended_s is None else run.start_ns + round(goal.ended_s * 1e9)
    return GoalStretch(story=goal, first_ns=max(first_ns, given_ns), last_ns=min(last_ns, ended_ns))
