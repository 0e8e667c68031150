"""When to think again: which reasons count, how soon, how often, and when to give up. Pure.

A person is answered at once. What goes wrong costs a replan; replans of one subtask come ever
further apart, and there are only so many of one subtask and of one goal. No clock and no I/O:
times come in as arguments.
"""

from enum import StrEnum

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from bridge.clock import seconds_between
from bridge.messages import Observation

_NS_PER_S = 1_000_000_000


class TriggerKind(StrEnum):
    """Why the planner is asked, the most urgent first."""

    NEW_GOAL = "new goal"
    REMARK = "remark"
    DONE = "subtask done"
    FAILED = "subtask failed"
    REPAIR = "repair"
    STALLED = "stalled"
    SCENE_CHANGE = "scene change"
    PLAN_AGE = "plan age"


_URGENCY = {kind: number for number, kind in enumerate(TriggerKind)}
# A person does not wait, and a robot that has finished something stands idle.
_AT_ONCE = frozenset({TriggerKind.NEW_GOAL, TriggerKind.REMARK, TriggerKind.DONE})
_COSTLY = frozenset(
    {TriggerKind.FAILED, TriggerKind.REPAIR, TriggerKind.STALLED, TriggerKind.SCENE_CHANGE}
)
_PERSONS = frozenset({TriggerKind.NEW_GOAL, TriggerKind.REMARK})


class Trigger(msgspec.Struct, frozen=True, kw_only=True):
    """One reason to think, and the observation that caused it.

    `stamp_ns` is when it was noticed. `observation_sequence` is -1 where nothing had been seen yet.
    `subtask` is the text of the one under way, if there was one.
    """

    kind: TriggerKind
    reason: str
    stamp_ns: int
    observation_stamp_ns: int = 0
    observation_sequence: int = -1
    subtask: str = ""

    @property
    def words(self) -> str:
        """What the planner and the trace are told."""
        return f"{self.kind}: {self.reason}" if self.reason else str(self.kind)


class TriggersConfig(BaseModel):
    """How soon and how often the planner is asked again.

    A plan older than `plan_age_s` [s] is renewed; None leaves that to the planner's `rate_hz`.
    After something went wrong the planner is asked at the earliest `cooldown_s` [s] after it was
    asked last, twice as long after each further time with the same subtask, up to `cooldown_max_s`.
    `replans_per_subtask` and `replans_per_goal` bound how often; then the goal has failed. What is
    done, what a person says and plan age cost nothing, but a subtask that is done over and over
    does.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    plan_age_s: float | None = Field(default=None, gt=0)
    cooldown_s: float = Field(default=0.5, ge=0)
    cooldown_max_s: float = Field(default=10.0, ge=0)
    replans_per_subtask: int = Field(default=5, ge=0)
    replans_per_goal: int = Field(default=20, ge=0)


class TriggerPolicy:
    """Collects reasons, and says which one to think about, and when. For one thread.

    Args:
        config: Times and budgets.
        plan_age_s: How old a plan may grow where the settings do not say [s].
    """

    def __init__(self, config: TriggersConfig, *, plan_age_s: float) -> None:
        self._config = config
        self._plan_age_s = config.plan_age_s or plan_age_s
        self._waiting: dict[TriggerKind, Trigger] = {}
        self._subtask = ""
        self._done_texts: set[str] = set()
        self._spent_on: dict[str, int] = {}
        self._spent = 0
        self._in_a_row = 0
        self._asked_ns: int | None = None
        self._gave_up = ""

    @property
    def gave_up(self) -> str:
        """Why no more is tried for this goal; empty while it is tried."""
        return self._gave_up

    @property
    def replans(self) -> int:
        """How many replans this goal has cost."""
        return self._spent

    @property
    def has_word_of_a_person(self) -> bool:
        """Whether somebody waits to be answered: thinking about anything else may be cut short."""
        return not _PERSONS.isdisjoint(self._waiting)

    def follow_goal(self, reason: str, seen: Observation | None, now_ns: int) -> None:
        """A new goal: forget the old one and all its reasons; the planner is asked at once."""
        self._waiting.clear()
        self._subtask, self._gave_up = "", ""
        self._done_texts.clear()
        self._spent_on.clear()
        self._spent = self._in_a_row = 0
        self._wait_with(TriggerKind.NEW_GOAL, reason, seen, now_ns)

    def resume_goal(self, replans: int) -> None:
        """Go on with a goal after a restart, with what it has cost so far."""
        self._spent = replans

    def begin_subtask(self, text: str) -> None:
        """Another subtask is under way; reasons from now on are about it. "" for none."""
        if text != self._subtask:
            self._subtask, self._in_a_row = text, 0

    def note(self, kind: TriggerKind, reason: str, seen: Observation | None, now_ns: int) -> None:
        """A reason to think again. One that waits already, or is of the goal before, is no other.

        Args:
            kind: What happened.
            reason: In words, for people and for the trace.
            seen: The observation that caused it; None if nothing has been seen yet.
            now_ns: When it was noticed [ns].
        """
        if self._gave_up or kind in self._waiting or TriggerKind.NEW_GOAL in self._waiting:
            return
        if kind is TriggerKind.REMARK:
            # The person has changed what is asked, so that it is worth trying anew.
            self._spent_on.clear()
            self._in_a_row = 0
        if self._costs(kind) and not self._pay(reason):
            self._waiting.clear()
            return
        self._wait_with(kind, reason, seen, now_ns)

    def next(self, seen: Observation, now_ns: int) -> Trigger | None:
        """The most urgent reason that may be acted on now; thinking answers all that wait.

        Args:
            seen: The newest observation, which the planner will be shown.
            now_ns: The time [ns].
        """
        if self._gave_up:
            return None
        self._note_age(seen, now_ns)
        due = min(self._waiting.values(), key=lambda each: _URGENCY[each.kind], default=None)
        if due is None or not self._may_ask(due.kind, now_ns):
            return None
        self._waiting.clear()
        self._asked_ns = now_ns
        return due

    def _note_age(self, seen: Observation, now_ns: int) -> None:
        if self._asked_ns is None:
            return
        age_s = seconds_between(self._asked_ns, now_ns)
        if age_s >= self._plan_age_s:
            self.note(TriggerKind.PLAN_AGE, "", seen, now_ns)

    def _may_ask(self, kind: TriggerKind, now_ns: int) -> bool:
        if kind in _AT_ONCE or self._asked_ns is None:
            return True
        passed_s = seconds_between(self._asked_ns, now_ns)
        return passed_s >= (self._cooldown_s() if kind in _COSTLY else 0.0)

    def _cooldown_s(self) -> float:
        """Twice as long each time with the same subtask; the first time once."""
        doublings = min(max(self._in_a_row - 1, 0), 30)
        return min(self._config.cooldown_s * 2**doublings, self._config.cooldown_max_s)

    def _costs(self, kind: TriggerKind) -> bool:
        if kind is not TriggerKind.DONE:
            return kind in _COSTLY
        is_repeated = self._subtask in self._done_texts
        self._done_texts.add(self._subtask)
        return is_repeated

    def _pay(self, reason: str) -> bool:
        """Take one replan from both budgets; say whether there was one left in each."""
        config, spent_here = self._config, self._spent_on.get(self._subtask, 0)
        if self._spent >= config.replans_per_goal:
            self._gave_up = f"{reason}; all {config.replans_per_goal} replans of the goal are spent"
        elif spent_here >= config.replans_per_subtask:
            allowed = f"{config.replans_per_subtask} replans of {self._subtask!r}"
            self._gave_up = f"{reason}; all {allowed} are spent"
        else:
            self._spent += 1
            self._in_a_row += 1
            self._spent_on[self._subtask] = spent_here + 1
        return not self._gave_up

    def _wait_with(
        self, kind: TriggerKind, reason: str, seen: Observation | None, now_ns: int
    ) -> None:
        self._waiting[kind] = Trigger(
            kind=kind,
            reason=reason,
            stamp_ns=now_ns,
            observation_stamp_ns=0 if seen is None else seen.stamp_ns,
            observation_sequence=-1 if seen is None else seen.sequence,
            subtask=self._subtask,
        )
