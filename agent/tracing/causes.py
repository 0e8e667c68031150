"""The slow half of why: latent, subtask, plan, trigger and goal behind what a robot did."""

from typing import Any

from agent.recording.reading import RecordedEvent
from agent.tracing.links import Links
from agent.tracing.remembered import say_memory
from agent.tracing.runs import Run
from agent.tracing.story import cause_of

_NS_PER_S = 1_000_000_000
_ENDED = ("goal_done", "goal_failed")


def add_causes(links: Links, run: Run, now_ns: int, chunk: RecordedEvent | None) -> None:
    """Go on from a chunk, or from the moment itself where there is none, back to the goal.

    Args:
        links: What was found so far; the rest is added.
        run: The run.
        now_ns: The moment [ns].
        chunk: The chunk that was played, or the newest one.
    """
    latent = _latent(run, now_ns, chunk)
    say_memory(links, run, chunk)
    _say_latent(links, now_ns, chunk, latent)
    move = _beginning(run, now_ns, chunk)
    _say_subtask(links, move, chunk)
    _say_end(links, run, now_ns, move)
    plan_id = latent.facts["plan_id"] if latent else move.facts["plan_id"] if move else ""
    _say_plan(links, run, now_ns, plan_id)
    _say_goal(links, run, now_ns)


def _latent(run: Run, now_ns: int, chunk: RecordedEvent | None) -> RecordedEvent | None:
    """The latent that the chunk was made with."""
    wanted = -1 if chunk is None else chunk.facts["latent_sequence"]
    if wanted < 0:
        return None
    return run.newest(
        "planner.latent", now_ns, lambda facts: facts["latent_sequence"] == wanted, node="planner"
    )


def _say_latent(
    links: Links, now_ns: int, chunk: RecordedEvent | None, latent: RecordedEvent | None
) -> None:
    if chunk is None:
        links.say("latent", "none: there was no chunk to use one")
    elif chunk.facts["latent_sequence"] < 0:
        links.say("latent", "none: the policy used no latent for the chunk")
    elif latent is None:
        links.miss("latent", f"nothing is told of latent {chunk.facts['latent_sequence']}")
    else:
        facts = latent.facts
        seen_ns = latent.stamp_ns - round(facts["observation_age_s"] * _NS_PER_S)
        age_s = (now_ns - seen_ns) / _NS_PER_S
        words = (
            f"latent {facts['latent_sequence']}, {age_s:.3f} s old: of {facts['plan_id']}, from "
            f"observation {facts['observation_sequence']}"
        )
        links.say("latent", words, latent.stamp_ns)


def _beginning(run: Run, now_ns: int, chunk: RecordedEvent | None) -> RecordedEvent | None:
    """When the subtask that the chunk was for began; without a chunk, the one under way."""
    moves = [e for e in run.kept if e.kind == "subtask.moved" and e.stamp_ns <= now_ns]
    wanted = "" if chunk is None else chunk.facts["subtask_id"]
    begun = [
        move
        for move in moves
        if move.facts["state"] == "active" and wanted in ("", move.facts["subtask_id"])
    ]
    return begun[-1] if begun else None


def _say_subtask(links: Links, move: RecordedEvent | None, chunk: RecordedEvent | None) -> None:
    wanted = "" if chunk is None else chunk.facts["subtask_id"]
    if move is not None:
        facts = move.facts
        words = f"{facts['text']!r} ({facts['subtask_id']}), begun by {cause_of(facts)}"
        links.say("subtask", words, move.stamp_ns)
    elif wanted:
        links.miss("subtask", f"the beginning of subtask {wanted}")
    else:
        links.say("subtask", "none: the policy acts on the goal's own words, or has nothing to do")


def _say_end(links: Links, run: Run, now_ns: int, begun: RecordedEvent | None) -> None:
    """A subtask may be over while what was made for it is still played, or nothing follows."""
    if begun is None:
        return
    moves = [
        move
        for move in run.kept
        if move.kind == "subtask.moved"
        and move.stamp_ns <= now_ns
        and move.facts["subtask_id"] == begun.facts["subtask_id"]
    ]
    if moves[-1].facts["state"] != "active":
        facts = moves[-1].facts
        words = f"it was over by then: {facts['state']}, by {cause_of(facts)}"
        links.say("subtask", words, moves[-1].stamp_ns)


def _say_plan(links: Links, run: Run, now_ns: int, plan_id: str) -> None:
    if not plan_id:
        links.say("plan", "none: no plan is behind it")
        return

    def is_it(facts: dict[str, Any]) -> bool:
        return facts["plan_id"] == plan_id

    plan = run.newest("planner.plan", now_ns, is_it)
    asked = run.newest("planner.asked", now_ns, is_it)
    if plan is None:
        links.miss("plan", f"nothing is told of {plan_id} in the two minutes before")
    else:
        steps = "; ".join(plan.facts["subtasks"]) or "nothing left to do"
        links.say("plan", f"{plan_id}: {steps}", plan.stamp_ns)
        for thought in plan.facts.get("thoughts", ()):
            links.say("thought", thought, plan.stamp_ns)
    if asked is None:
        links.miss("trigger", f"why the planner was asked for {plan_id}")
    else:
        facts = asked.facts
        pictures = ", ".join(facts.get("images", ()))
        seen = f"; it was shown observation {facts['observation_sequence']}"
        seen += f" ({pictures})" if pictures else ""
        links.say("trigger", f"{facts['trigger']}{seen}", asked.stamp_ns)


def _say_goal(links: Links, run: Run, now_ns: int) -> None:
    goals = [e for e in run.kept if e.kind == "goal" and e.stamp_ns <= now_ns]
    if not goals:
        if run.is_whole:
            links.say("goal", "none had been given yet")
        else:
            links.miss("goal", "it was given before what is left of the recording")
        return
    goal = goals[-1].facts
    links.say("goal", f"{goal['text']!r}, from {goal['source']}", goals[-1].stamp_ns)
    ends = [
        event
        for event in run.kept
        if event.kind == "goal.moved"
        and event.stamp_ns <= now_ns
        and event.facts["goal_id"] == goal["id"]
        and event.facts["phase"] in _ENDED
    ]
    if ends:
        facts = ends[-1].facts
        words = f"it was over by then: {facts['phase'].removeprefix('goal_')}, {facts['reason']}"
        links.say("goal", words, ends[-1].stamp_ns)
