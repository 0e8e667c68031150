"""Turns demonstrations into reading exercises for the planner: picture and prompt in, thought out.

The symbolic facts of a frame answer any goal, so each frame is asked several questions: the one of
its own episode, and others that were never demonstrated there.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from agent.demos.dataset import read_episode, recorded_episodes
from agent.demos.memory_examples import made_up_questions, own_question, scene_facts, task_of
from agent.demos.memory_stills import memory_stills
from agent.demos.planner_facts import facts_vector, lock_word, visible_objects
from agent.demos.record import is_subtask_done
from agent.demos.stills import stills
from agent.worlds.scene.language import sample_phrasing
from agent.worlds.scene.tasks import SceneGoal, next_subtask, remaining_subtasks, sample_goal
from fast_brain.robots.scene_facts import SKILLS, STORE_CUBE, SceneFacts, holds
from slow_brain.chain_of_thought import ParsedThought
from slow_brain.prompt import SHIPPED_PROMPT, answer_fields, planner_prompt

FRAME_STRIDE = 5
QUESTIONS_PER_FRAME = 4
# So many of them are about the episode's own goal.
_OWN_QUESTIONS = 2
# Of those, this share says that nothing is under way yet, as the first plan of a goal does.
_FRESH_SHARE = 0.1
# Of made-up stories: how often a fact counts as brought about; nothing is under way yet; or (up to
# here) what would come next is. In the rest something else is under way.
_NOTED_SHARE = 0.4
_NOTHING_YET_SHARE = 0.3
_FOLLOWING_SHARE = 0.65
# So many frames before and after a change of state become exercises, besides every fifth.
_AROUND_CHANGE = 3
_STILL_EPISODE = -1


class Asking(NamedTuple):
    """How a frame is asked about: in a prompt, and in which phrasings.

    Of the moments of episodes without a memory task only ``scene_share`` are asked about.
    """

    prompt: str = SHIPPED_PROMPT
    held_out: bool = False
    scene_share: float = 1.0


def thought_text(
    goal: SceneGoal,
    facts: SceneFacts,
    current: str | None,
    *,
    is_done: bool,
    prompt: str = SHIPPED_PROMPT,
) -> str:
    """Return the chain of thought an expert would write, in the order that a prompt asks for."""
    subtask = chosen_subtask(goal, facts, current, is_done=is_done)
    plan = remaining_subtasks(goal, facts)
    if subtask is not None and (not plan or plan[0] != subtask):
        plan = [subtask, *(step for step in plan if step != subtask)]
    return ParsedThought(
        task=goal.in_words(),
        plan=tuple(plan),
        visible_objects=visible_objects(facts),
        # Who looks first reasons about what is under way: whether that is done comes next.
        subtask_reasoning=_reason(
            facts, subtask if prompt == SHIPPED_PROMPT or current is None else current
        ),
        is_current_done=is_done,
        subtask=subtask,
    ).text(answer_fields(prompt))


def chosen_subtask(
    goal: SceneGoal, facts: SceneFacts, current: str | None, *, is_done: bool
) -> str | None:
    """Return what to do now, staying with ``current`` until it is over or overtaken."""
    following = next_subtask(goal, facts)
    if current is None or is_done:
        return following
    if holds(current, facts):
        return current
    if current == STORE_CUBE and goal.cube_in_drawer and facts.cube_held:
        return current
    return following


def _reason(facts: SceneFacts, subtask: str | None) -> str:
    if subtask is None:
        return "all is as wanted"
    thing = "window" if "window" in subtask else "drawer"
    place = facts.window if thing == "window" else facts.drawer
    locked = facts.window_locked if thing == "window" else facts.drawer_locked
    if subtask == STORE_CUBE:
        return f"the drawer is {place} and the cube is not inside"
    return f"the {thing} is {place} and {lock_word(locked)}"


def questions(
    row: dict[str, Any],
    info: dict[str, Any],
    random: np.random.Generator,
    asking: Asking,
) -> Iterator[dict[str, Any]]:
    """Yield the frame's own question, then others about the same picture."""
    prompt, held_out, _ = asking
    told = json.loads(row["facts"])
    facts, first = scene_facts(told), 0
    if "cube_spot" in told:
        # The picture answers memory tasks too; one question is left for the other kind.
        task, first = task_of(info), QUESTIONS_PER_FRAME - 1
        own = () if task is None else (task,) * _OWN_QUESTIONS
        yield from (own_question(row, each, random, held_out=held_out) for each in own)
        yield from made_up_questions(row, first - len(own), random, held_out=held_out)
    for number in range(first, QUESTIONS_PER_FRAME):
        goal = SceneGoal(**info["goal"]) if number < _OWN_QUESTIONS else sample_goal(random)
        current, finished = row["subtask"], row["finished"]
        if number >= _OWN_QUESTIONS:
            current, finished = _other_story(goal, facts, random)
        elif random.random() < _FRESH_SHARE:
            current = None
        position_m = np.array(row["observation.state"][:3])
        is_done = current is not None and is_subtask_done(current, facts, position_m)
        subtask = chosen_subtask(goal, facts, current, is_done=is_done)
        text = sample_phrasing(goal, random, held_out=held_out)
        yield {
            "prompt": planner_prompt(text, finished, current, prompt),
            "answer": thought_text(goal, facts, current, is_done=is_done, prompt=prompt),
            "facts": facts_vector(facts, subtask, is_done=is_done).tolist(),
        }


def _other_story(
    goal: SceneGoal, facts: SceneFacts, random: np.random.Generator
) -> tuple[str | None, list[str]]:
    finished = [skill for skill in SKILLS if holds(skill, facts) and random.random() < _NOTED_SHARE]
    draw = random.random()
    if draw < _NOTHING_YET_SHARE:
        return None, finished
    following = next_subtask(goal, facts)
    if draw < _FOLLOWING_SHARE and following is not None:
        return following, finished
    return str(random.choice(SKILLS)), finished


def build_examples(
    sources: list[Path],
    out: Path,
    seed: int,
    *,
    first: int = 0,
    asking: Asking = Asking(),  # noqa: B008  # Immutable.
    still_count: int = 0,
    memory_still_count: int = 0,
) -> int:
    """Write the exercises of all demonstrations in ``sources`` as one parquet file.

    Args:
        sources: Recorded datasets; the second's episodes are numbered on from the first's.
        out: The parquet file to write.
        seed: Fixes which questions are asked.
        first: Leave out the episodes numbered below this.
        asking: How. In phrasings kept for testing moments are evenly spaced; otherwise those
            around a change come more often: there a planner errs.
        still_count: Add so many pictures of scenes that nobody played, as episode -1.
        memory_still_count: And so many that are asked about memory tasks.

    Returns:
        How many pictures it holds.
    """
    random = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    offset = 0
    for source in sources:
        recorded = recorded_episodes(source)
        for number, episode in enumerate(recorded, start=offset):
            if number >= first:
                rows += _exercises(source, episode, number, random, asking)
        offset += len(recorded)
    for row, info in (*stills(still_count, seed), *memory_stills(memory_still_count, seed)):
        rows.append(_exercise(row, info, _STILL_EPISODE, random, asking))
    out.parent.mkdir(parents=True, exist_ok=True)
    # Aside, then into place: training that is resumed takes what is there for whole.
    aside = out.with_suffix(".partial")
    pq.write_table(pa.Table.from_pylist(rows), aside, compression="zstd")
    aside.replace(out)
    return len(rows)


def _exercises(
    source: Path, episode: int, number: int, random: np.random.Generator, asking: Asking
) -> Iterator[dict[str, Any]]:
    table, info = read_episode(source, episode)
    if table.num_rows == 0:
        return
    rows, share = table.to_pylist(), 1.0 if task_of(info) else asking.scene_share
    for index in moments(rows, random, are_changes_dense=not asking.held_out):
        if share >= 1 or random.random() < share:
            yield _exercise(rows[index], info, number, random, asking)


def moments(
    rows: list[dict[str, Any]], random: np.random.Generator, *, are_changes_dense: bool
) -> list[int]:
    """Choose rows: evenly spaced from a random phase, and perhaps all those around changes."""
    chosen = set(range(int(random.integers(FRAME_STRIDE)), len(rows), FRAME_STRIDE))
    if are_changes_dense:
        states = [(row["facts"], row["subtask"], row["is_subtask_done"]) for row in rows]
        changes = [at for at in range(1, len(rows)) if states[at] != states[at - 1]]
        for at in changes:
            chosen.update(range(max(at - _AROUND_CHANGE, 0), min(at + _AROUND_CHANGE, len(rows))))
    return sorted(chosen)


def _exercise(
    row: dict[str, Any],
    info: dict[str, Any],
    episode: int,
    random: np.random.Generator,
    asking: Asking,
) -> dict[str, Any]:
    return {
        "image": row["observation.images.front"]["bytes"],
        "episode": episode,
        "frame": row["frame_index"],
        "questions": list(questions(row, info, random, asking)),
    }
