"""Looking things up is learnt alone: what only memory tells is read off memory."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from bridge.training_run import Schedule
from fast_brain.policies.flow_network import FlowNetwork, load_weights
from fast_brain.training.policy import train_policy
from fast_brain.training.policy_settings import PolicyTraining, samples_of
from fast_brain.training.reading import attention_on_answers, train_reading

FRAMES, EPISODES = 24, 60
STEP = "press the other button"
SKILLS = ("press the drawer button", "press the window button")
BUTTONS = ("window", "drawer")


def _png() -> dict[str, Any]:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((96, 96, 3), np.uint8)).save(buffer, format="PNG")
    return {"bytes": buffer.getvalue(), "path": None}


def _episode(number: int) -> pa.Table:
    """Open the drawer, then press the button that the first look tells and the words do not."""
    rows = [
        {
            "observation.images.front": _png(),
            "observation.images.wrist": _png(),
            "observation.state": [0.4, 0.0, 0.2, *[0.0] * 8],
            "action": [0.4, 0.0, 0.2, 0.0, 1.0],
            "subtask": "open the drawer" if frame < 8 else STEP,
            "segment_index": int(frame >= 8),
            "is_hovering": False,
            "facts": json.dumps(
                {
                    "skill": "open the drawer" if frame < 8 else SKILLS[number % 2],
                    "lit": BUTTONS[number % 2] if frame < 3 else "",
                }
            ),
        }
        for frame in range(FRAMES)
    ]
    told = {"goal_text": "press the other one", "stuck_segment": None}
    return pa.Table.from_pylist(rows).replace_schema_metadata({"tandem_episode": json.dumps(told)})


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Demonstrations, and beside them latents of which the first of an episode says the skill."""
    root = tmp_path_factory.mktemp("reading")
    folder = root / "data" / "chunk-000"
    folder.mkdir(parents=True)
    for number in range(EPISODES):
        pq.write_table(_episode(number), folder / f"file-{number:03d}.parquet")
    frame = np.tile(np.arange(0, FRAMES, 4), EPISODES)
    episode = np.repeat(np.arange(EPISODES), FRAMES // 4)
    random = np.random.default_rng(0)
    cognitive = random.normal(0, 0.3, (len(frame), 1, 192))
    cognitive[frame == 0, 0, :16] += np.where(episode[frame == 0] % 2, 3.0, -3.0)[:, None]
    cognitive[frame >= 8, 0, 16:32] += 3.0
    np.savez(
        root / "latents.npz",
        perceptual=random.normal(0, 0.3, (len(frame), 16, 192)).astype(np.float16),
        cognitive=cognitive.astype(np.float16),
        episode=episode,
        frame=frame,
        subtask=np.where(frame < 8, "open the drawer", STEP),
    )
    return root


def _settings(source: Path, to: Path, steps: int, **update: Any) -> PolicyTraining:
    values: dict[str, Any] = {
        "sources": [source],
        "cache": source / "cache",
        "latents": source / "latents.npz",
        "start_from": None,
        "run_folder": to / "run",
        "out": to / "weights",
        "schedule": Schedule(steps=steps, learning_rate=2e-3, checkpoint_every=steps),
    }
    return PolicyTraining(**(values | update))


def _quiet(_step: int, _figures: object) -> None:
    """Show no progress."""


def _figures(run_folder: Path) -> dict[str, float]:
    with (run_folder / "curves.csv").open() as file:
        return {row["figure"]: float(row["value"]) for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def lesson(source: Path, tmp_path_factory: pytest.TempPathFactory) -> PolicyTraining:
    """A lesson that is over."""
    settings = _settings(source, tmp_path_factory.mktemp("lesson"), 100)
    train_reading(settings, resume=False, on_step=_quiet)
    return settings


def test_what_only_the_first_look_tells_is_read_in_episodes_never_seen(
    lesson: PolicyTraining,
) -> None:
    """The reader names the skill of held-out episodes, where a guess is right in half."""
    assert _figures(lesson.run_folder)["held out remembered skill right"] > 0.85


def test_attention_is_taught_to_go_where_the_answer_was_seen(
    source: Path, lesson: PolicyTraining
) -> None:
    """In held-out episodes every head's is mostly on the look that shows the answer."""
    network = FlowNetwork()
    load_weights(network, lesson.out / "policy.safetensors")
    samples = samples_of(lesson, _quiet)
    asked = samples.remembered(samples.validation)
    question = samples.told(asked, np.random.default_rng(0))
    assert question.shows_answer.any(1).sum() > len(asked) / 4
    with torch.no_grad():
        of_heads = attention_on_answers(network, question).mean(0)
    assert float(of_heads.min()) > 0.5


def test_the_lesson_touches_nothing_but_the_reading(source: Path, tmp_path: Path) -> None:
    """Eyes, words and head are what they were; the fusion is not."""
    torch.manual_seed(0)
    before = FlowNetwork().state_dict()
    train_reading(_settings(source, tmp_path, 2), resume=False, on_step=_quiet)
    after = FlowNetwork()
    load_weights(after, tmp_path / "weights" / "policy.safetensors")
    changed = {n for n, new in after.state_dict().items() if not torch.equal(new, before[n])}
    assert "cognitive_fusion.query.weight" in changed
    assert not [name for name in changed if name.startswith(("words", "text", "front_", "head"))]


def test_the_policy_goes_on_with_the_reader_it_was_given(
    source: Path, lesson: PolicyTraining, tmp_path: Path
) -> None:
    """Training chunks begins where the lesson ended, and reports what memory alone tells."""
    again = _settings(
        source,
        tmp_path,
        1,
        start_from=lesson.out,
        schedule=Schedule(steps=1, learning_rate=1e-9, checkpoint_every=1),
    )
    train_policy(again, resume=False, on_step=_quiet)
    assert _figures(again.run_folder)["held out remembered skill right"] > 0.85


def test_only_what_words_leave_open_counts_as_remembered(source: Path, tmp_path: Path) -> None:
    """A subtask that names its skill is none that only memory answers."""
    samples = samples_of(_settings(source, tmp_path, 1), _quiet)
    remembered = samples.remembered(samples.training)
    share = len(remembered) / len(samples.training)
    assert share == pytest.approx((FRAMES - 8) / FRAMES)
