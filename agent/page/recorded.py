"""A recorded run for the page: read once from its files, then any moment of it as a view."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from agent.page.run_view import RunView, Step, run_view
from agent.recording.reading import RecordedEvent
from agent.results import Status
from agent.tracing.chronicle import chronicle_of
from agent.tracing.runs import Run
from agent.tracing.story import GoalStory, SubtaskStory, story_of
from agent.tracing.why import Answer, why
from agent.tracing.words import STOPS
from bridge.errors import ConfigError

# What has just happened is not in the file yet; and the server looks before recording begins [s].
_NOT_YET_S = 5.0
_NS_PER_S = 1_000_000_000


class Asked(NamedTuple):
    """What the planner was asked, and the pictures it was shown, by camera; its reply as it came.

    `at_s` is since the recording began [s]; the reply is empty while there is none.
    """

    at_s: float
    trigger: str
    pictures: dict[str, str]
    reply: str


class Recording:
    """One recorded run; everything here reads files, so it is called beside the event loop.

    Args:
        path: The run's folder.

    Raises:
        ConfigError: There is no trace there, or it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.run = Run(path)
        self.story = story_of(self.run)
        self.chronicle = chronicle_of(self.run, self.story)
        self._kinds = {
            name.partition(" ")[2] for part in self.run.parts for name in part.index.counts
        }
        self.robot = str(self.run.settings.get("robot", {}).get("kind", ""))

    def clamped(self, time_s: float) -> float:
        """The moment of the run that is nearest [s since the recording began]."""
        return min(max(time_s, 0.0), self.run.length_s)

    def time_of(self, stamp_ns: int) -> float:
        """A moment on the run's clock [ns] as time since the recording began [s].

        Raises:
            ConfigError: It was not recorded at that time.
        """
        time_s = self.run.seconds(stamp_ns)
        if not -_NOT_YET_S <= time_s <= self.run.length_s + _NOT_YET_S:
            raise ConfigError(
                f"Run {self.run.id} was not recorded at that moment, which was at {time_s:.1f} s: "
                f"it has {self.run.length_s:.1f} s. Was recording stopped?"
            )
        return time_s

    def view_at(self, time_s: float) -> RunView:
        """What was to be seen at a moment [s since the recording began]."""
        at_s = self.clamped(time_s)
        stamp_ns = self.run.stamp(at_s)
        goal = self._goal_at(at_s)
        steps = [_step(subtask, at_s) for subtask in goal.subtasks] if goal else []
        return run_view(
            self._status_at(stamp_ns, goal),
            at_s,
            known={step.id: step for step in steps},
            cameras=self._cameras_at(stamp_ns),
            thoughts=tuple(map(_headed, self._thoughts_at(stamp_ns, goal))),
        )

    def why_at(self, time_s: float) -> Answer:
        """What was commanded at a moment and every reason back to the goal."""
        return why(self.run, self.clamped(time_s))

    def asked_at(self, time_s: float) -> Asked | None:
        """What the planner was asked last and what it said, as of a moment; None before that."""
        stamp_ns = self.run.stamp(self.clamped(time_s))
        asked = self._last("planner.asked", stamp_ns)
        if asked is None:
            return None
        plan_id = asked.facts["plan_id"]
        reply = self._last("planner.reply", stamp_ns, lambda facts: facts["plan_id"] == plan_id)
        shown = (each.partition("=") for each in asked.facts.get("images", ()))
        return Asked(
            at_s=self.run.seconds(asked.stamp_ns),
            trigger=asked.facts["trigger"],
            pictures={camera: self._address(name) for camera, _, name in shown},
            reply=reply.facts["text"] if reply else "",
        )

    def _goal_at(self, at_s: float) -> GoalStory | None:
        given = [goal for goal in self.story.goals if goal.given_s <= at_s]
        return given[-1] if given else None

    def _status_at(self, stamp_ns: int, goal: GoalStory | None) -> Status:
        """The parts of a status as they were recorded last."""
        planning = self._message("planning", stamp_ns)
        latent = self._last("planner.latent", stamp_ns)
        return {
            "goal": goal and {"id": goal.id, "text": goal.text, "source": goal.source},
            # Its thoughts are told piece by piece as well, and sooner.
            "planning": planning and planning | {"thoughts": []},
            "loop": self._message("loop_status", stamp_ns),
            "latent_age_s": _age_s(latent, stamp_ns) if latent else None,
            "stop": self._stop_at(stamp_ns),
            "pause": self._pause_at(stamp_ns),
            "ended": "",
        }

    def _last(
        self,
        kind: str,
        stamp_ns: int,
        fits: Callable[[dict[str, Any]], bool] = lambda _: True,
        *,
        node: str = "planner",
    ) -> RecordedEvent | None:
        """The last event of a kind; what the whole run has none of is not searched for."""
        if kind not in self._kinds:
            return None
        return self.run.newest(kind, stamp_ns, fits, node=node)

    def _message(self, kind: str, stamp_ns: int) -> dict[str, Any] | None:
        """What was in a mailbox."""
        found = self._last(kind, stamp_ns, node="mailbox")
        return found.facts if found else None

    def _pause_at(self, stamp_ns: int) -> dict[str, Any] | None:
        """Who made the robot wait then; rare, so it is at hand."""
        told = [e for e in self.run.kept if e.kind == "pause" and e.stamp_ns <= stamp_ns]
        return told[-1].facts if told else None

    def _stop_at(self, stamp_ns: int) -> dict[str, Any] | None:
        """The stop that held the robot then."""
        stops = [e for e in self.run.kept if e.kind in STOPS and e.stamp_ns <= stamp_ns]
        return stops[-1].facts if stops and stops[-1].facts["latched"] else None

    def _thoughts_at(self, stamp_ns: int, goal: GoalStory | None) -> list[str]:
        if goal is None:
            return []
        goal_id = goal.id

        def is_its(facts: dict[str, Any]) -> bool:
            return facts["goal_id"] == goal_id

        asked = self._last("planner.asked", stamp_ns, is_its)
        plan = self._last("planner.plan", stamp_ns, is_its)
        if asked is not None and (plan is None or plan.stamp_ns < asked.stamp_ns):
            being_written = self._pieces(asked, stamp_ns)
            if being_written:
                return being_written
        return plan.facts.get("thoughts", []) if plan else []

    def _pieces(self, asked: RecordedEvent, stamp_ns: int) -> list[str]:
        """The thoughts of a plan that is not finished, as far as they are written."""
        texts: dict[str, str] = {}
        for event in self.run.events(asked.stamp_ns, stamp_ns):
            facts = event.facts
            if event.kind == "planner.thought" and facts["plan_id"] == asked.facts["plan_id"]:
                texts[facts["field"]] = texts.get(facts["field"], "") + facts["text"]
        return [f"{field}: {' '.join(text.split())}" for field, text in texts.items()]

    def _cameras_at(self, stamp_ns: int) -> dict[str, str]:
        sensed = self._message("observation", stamp_ns) or {}
        pictures: dict[str, str] = sensed.get("images", {})
        return {camera: self._address(name) for camera, name in pictures.items()}

    def _address(self, picture: str) -> str:
        return f"/runs/{self.run.id}/pictures/{picture}"


def _step(subtask: SubtaskStory, at_s: float) -> Step:
    """A subtask as it stood at a moment."""
    step = Step(id=subtask.id, text=subtask.text, began_s=subtask.began_s)
    if subtask.ended_s is not None and subtask.ended_s <= at_s:
        thoughts, cause = tuple(subtask.thoughts), subtask.ended_because
        return step._replace(
            state=subtask.state, cause=cause, ended_s=subtask.ended_s, thoughts=thoughts
        )
    if subtask.began_s is not None and subtask.began_s <= at_s:
        thoughts, cause = tuple(subtask.thoughts), subtask.began_because
        return step._replace(state="active", cause=cause, thoughts=thoughts)
    return step._replace(began_s=None)


def _age_s(latent: RecordedEvent, stamp_ns: int) -> float:
    """Time since the picture was taken that a latent was made from [s]."""
    return float(latent.facts["observation_age_s"]) + (stamp_ns - latent.stamp_ns) / _NS_PER_S


def _headed(thought: str) -> tuple[str, str]:
    heading, _, text = thought.partition(": ")
    return heading, text
