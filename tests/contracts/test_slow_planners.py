"""The scripted and the example planner through the contract suite; the vlm on a tiny model."""

from pathlib import Path

import numpy as np
import pytest
import torch
from msgspec.structs import replace

from bridge.errors import ContractError, MissingWeightsError
from bridge.messages import Observation, Plan, PlanRequest
from bridge.plugins import make_plugin
from bridge.protocols import Planner
from bridge.testing import PlannerContract
from bridge.testing.examples import example_request
from slow_brain import checkpoint
from slow_brain.decoding import HiddenStates, TextDecoder
from slow_brain.planners.scripted import ScriptedPlanner
from slow_brain.planners.vlm import VisionLanguagePlanner
from slow_brain.prompt import ACT_TOKEN, planner_prompt
from slow_brain.training.examples import pad_questions, to_pixels, tokenize_question

RECIPE = Path(__file__).parents[2] / "examples" / "rule_based_planner.py"
ANSWER = "TASK: put the cube into the drawer\nPLAN: move to the cube"


class TestScriptedPlanner(PlannerContract):
    goal_text = "reach both"

    def make(self) -> Planner:
        """The default scripts."""
        return ScriptedPlanner()


class TestRuleBasedPlanner(PlannerContract):
    goal_text = "open the drawer then close the drawer"

    def make(self) -> Planner:
        """Found as a user would name it, without installing anything."""
        return make_plugin("planner", "examples.rule_based_planner:RuleBasedPlanner")

    def test_plans_the_words_of_the_goal_one_by_one(self) -> None:
        """Each look calls the subtask under way done, until the goal is."""
        planner, request = self.make(), example_request(goal_text=self.goal_text)
        (first,) = (each for each in planner.plan(request) if isinstance(each, Plan))
        assert [each.text for each in first.subtasks] == ["open the drawer", "close the drawer"]
        opening, closing = first.subtasks
        later = replace(request, finished=(opening,), current=closing)
        (last,) = (each for each in planner.plan(later) if isinstance(each, Plan))
        assert last.current_subtask_done
        assert last.goal_done

    def test_is_short(self) -> None:
        """Whoever copies it copies at most twenty lines."""
        text = RECIPE.read_text(encoding="utf-8")
        assert sum(bool(line.strip()) for line in text.splitlines()) <= 20


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with random weights."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("planner")
    tokenizer = checkpoint.train_tokenizer([planner_prompt("a goal", [], None), ANSWER])
    model = checkpoint.make_model(tokenizer)
    checkpoint.save(folder, model, checkpoint.make_processor(tokenizer))
    return folder


def picture(size_px: int = checkpoint.IMAGE_SIZE_PX) -> np.ndarray:
    """A noisy picture, the same every time."""
    return np.random.default_rng(0).integers(0, 256, (size_px, size_px, 3), np.uint8)


def request_to_see(images: dict[str, np.ndarray]) -> PlanRequest:
    """A request that shows these pictures."""
    seen = Observation(stamp_ns=1_000_000_000, sequence=1, images=images, proprioception={})
    return example_request(observation=seen)


def test_text_of_random_weights_is_no_plan(weights: Path) -> None:
    """A model that writes rubbish ends in a `ContractError`, never in a plan."""
    planner = VisionLanguagePlanner(weights=str(weights), max_tokens=24)
    with pytest.raises(ContractError):
        list(planner.plan(request_to_see({"front": picture()})))


def test_declares_the_latents_of_its_model(weights: Path) -> None:
    """The spec's tokens and width are those of the checkpoint."""
    spec = VisionLanguagePlanner(weights=str(weights)).spec
    assert spec.latent is not None
    assert spec.latent.perceptual_tokens == checkpoint.IMAGE_TOKENS
    assert (spec.latent.cognitive_tokens, spec.latent.width) == (1, checkpoint.LATENT_WIDTH)


def test_without_weights_it_says_what_to_do(tmp_path: Path) -> None:
    """An empty folder is a `MissingWeightsError` that names it."""
    with pytest.raises(MissingWeightsError, match="agent train planner"):
        VisionLanguagePlanner(weights=str(tmp_path))


@pytest.mark.parametrize("images", [{}, {"wrist": picture()}, {"front": picture(64)}])
def test_refuses_a_picture_it_was_not_made_for(
    weights: Path, images: dict[str, np.ndarray]
) -> None:
    """A missing picture or one of another size is refused before the model runs."""
    planner = VisionLanguagePlanner(weights=str(weights))
    with pytest.raises(ContractError, match=r"observation\.images\.front"):
        next(iter(planner.plan(request_to_see(images))))


def test_decoding_and_reading_along_see_the_same(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """States while decoding an answer equal those of reading it, padded, in one batch."""
    model, processor = checkpoint.load(weights)
    decoder, prompt = TextDecoder(model, processor), planner_prompt("a goal", ["a"], "b")
    asked = [tokenize_question(processor.tokenizer, prompt, each) for each in (ANSWER, ANSWER * 2)]
    written = iter(asked[0][1])
    monkeypatch.setattr(decoder._writer, "_next", lambda *_: next(written))
    *_, decoded = decoder.decode(prompt, picture(), max_tokens=200)
    ids, mask, _, act_index = pad_questions(asked, processor.tokenizer.pad_token_id)
    pixels = to_pixels(picture()[None]).repeat(2, 1, 1, 1, 1)
    perceptual, cognitive = decoder.read_along(ids, mask, pixels, act_index)
    assert isinstance(decoded, HiddenStates)
    assert ids[0, act_index[0]] == processor.tokenizer.convert_tokens_to_ids(ACT_TOKEN)
    np.testing.assert_allclose(decoded.perceptual, perceptual[0], atol=1e-5)
    np.testing.assert_allclose(decoded.cognitive, cognitive[0], atol=1e-5)
