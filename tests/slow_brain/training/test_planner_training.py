"""Training the planner: it learns, it survives interruption, and its exam counts honestly."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from bridge.training_run import Schedule
from slow_brain import checkpoint
from slow_brain.decoding import TextDecoder
from slow_brain.prompt import planner_prompt
from slow_brain.training.evaluation import PlannerScore, score_planner
from slow_brain.training.examples import IGNORED, Exercises, pad_questions, tokenize_question
from slow_brain.training.planner import PlannerTraining, train_planner

ANSWER = "TASK: drawer open\nPLAN: open it\nVISIBLE OBJECTS: drawer\nSUBTASK REASONING: shut\n"
ANSWER += "DONE: no\nSUBTASK: open it"


def _row(episode: int) -> dict[str, Any]:
    buffer = io.BytesIO()
    image = np.random.default_rng(episode).integers(0, 255, (96, 96, 3), np.uint8)
    Image.fromarray(image).save(buffer, format="PNG")
    question = {
        "prompt": planner_prompt("open the drawer", [], None),
        "answer": ANSWER,
        "facts": [0, 1, 0, 0, 1, 0, IGNORED, 1, 0, 4],
    }
    return {"image": buffer.getvalue(), "episode": episode, "frame": 0, "questions": [question]}


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six exercises, the last two held out."""
    path = tmp_path_factory.mktemp("examples") / "examples.parquet"
    pq.write_table(pa.Table.from_pylist([_row(episode) for episode in range(6)]), path)
    return path


def _settings(examples: Path, folder: Path, steps: int) -> PlannerTraining:
    return PlannerTraining(
        examples=examples,
        run_folder=folder / "run",
        out=folder / "out",
        schedule=Schedule(steps=steps, learning_rate=1e-3, checkpoint_every=1),
        held_out_from_episode=4,
    )


def test_an_opener_stands_before_the_goal_in_training_only(examples: Path) -> None:
    """Some goals begin with words without meaning, read as the tokenizer would; exams are as is."""
    texts = [planner_prompt("open the drawer", [], None), planner_prompt("hi open it", [], None)]
    tokenizer = checkpoint.train_tokenizer([*texts, ANSWER])
    exercises = Exercises(examples, tokenizer, ["hi"])
    plain = tokenize_question(tokenizer, texts[0], ANSWER)[0]
    opened = tokenize_question(tokenizer, texts[0].replace("goal: ", "goal: hi "), ANSWER)[0]

    def prompts(*, is_training: bool) -> set[tuple[int, ...]]:
        random = np.random.default_rng(0)
        dealt = [
            exercises.collate(np.arange(6), 1, random, is_training=is_training) for _ in range(9)
        ]
        rows = [row for batch in dealt for row in zip(batch.ids, batch.labels, strict=True)]
        return {tuple(ids[labels == IGNORED].tolist()) for ids, labels in rows}

    kept = {row[: len(plain)] for row in prompts(is_training=False)}
    assert kept == {tuple(plain)}
    starts = {row[: len(opened)] for row in prompts(is_training=True)}
    assert tuple(opened) in starts
    assert {row[: len(plain)] for row in starts} == {tuple(plain), tuple(opened)[: len(plain)]}


def test_training_resumes_and_its_weights_decode(examples: Path, tmp_path: Path) -> None:
    """An interrupted run goes on from its checkpoint; what it saved loads and can be examined."""
    seen: list[int] = []
    for steps in (1, 2):
        train_planner(
            _settings(examples, tmp_path, steps),
            resume=True,
            on_step=lambda step, _: seen.append(step),
        )

    decoder = TextDecoder(*checkpoint.load(tmp_path / "out"))
    score = score_planner(
        decoder, examples, 2, own_story_only=True, on_progress=lambda _number: None
    )

    assert seen == [0, 1]
    assert (tmp_path / "run" / "curves.png").is_file()
    assert score.asked == 2


def test_only_the_answer_is_learned() -> None:
    """The prompt and the padding are given, so no loss is taken on them."""
    tokenizer = checkpoint.train_tokenizer(["goal: open\n", ANSWER])
    asked = [
        tokenize_question(tokenizer, planner_prompt("open", [], None), ANSWER),
        tokenize_question(tokenizer, planner_prompt("open", ["open it"] * 3, None), "DONE: no"),
    ]

    ids, mask, labels, act_index = pad_questions(asked, 0)

    for line, (prompt, answer) in enumerate(asked):
        assert (labels[line, : len(prompt)] == IGNORED).all()
        assert labels[line, len(prompt) : len(prompt) + len(answer)].tolist() == answer
        assert mask[line].sum() == len(prompt) + len(answer)
        assert ids[line, act_index[line]] == tokenizer.convert_tokens_to_ids("<act>")


def test_exam_counts_wrong_and_malformed_answers() -> None:
    """A wrong subtask, a missed end and a text that is no plan each cost what they should."""
    score = PlannerScore()
    done = ANSWER.replace("DONE: no", "DONE: yes")
    score.add(ANSWER, ANSWER)
    score.add(ANSWER.replace("SUBTASK: open it", "SUBTASK: shut it"), ANSWER)
    score.add(ANSWER, done)
    score.add("the drawer", done)
    score.add(done, ANSWER)

    assert score.subtask_accuracy == pytest.approx(3 / 5)
    assert score.malformed == 1
    assert score.done_recall == 0.0
    assert score.done_precision == 0.0


def test_image_becomes_the_promised_number_of_tokens(tmp_path: Path) -> None:
    """The saved processor spells one picture as the tokens that training used."""
    tokenizer = checkpoint.train_tokenizer(["goal: open\n", ANSWER])
    processor = checkpoint.make_processor(tokenizer)
    checkpoint.save(tmp_path, checkpoint.make_model(tokenizer), processor)
    _, loaded = checkpoint.load(tmp_path)
    image = np.zeros((96, 96, 3), np.uint8)
    prompt = planner_prompt("open", [], None)

    ids = loaded(text=[prompt], images=[[image]])["input_ids"][0]

    assert list(ids) == tokenize_question(tokenizer, prompt, "")[0]
