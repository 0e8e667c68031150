"""The in-process engine on tiny models: the same states however they are come by, and every no."""

import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    CLIPVisionConfig,
    DynamicCache,
    LlamaConfig,
    LlamaForCausalLM,
    LlavaConfig,
    LlavaForConditionalGeneration,
)

from bridge.errors import ConfigError, ContractError, MissingWeightsError
from slow_brain import checkpoint
from slow_brain.answer_tokens import Choice, TokenWriter
from slow_brain.decoding import pooled
from slow_brain.engines.engine import (
    Engine,
    EngineOutput,
    EngineRequest,
    Finish,
    HiddenStates,
    TextPiece,
    Turn,
)
from slow_brain.engines.transformers_engine import TransformersEngine
from slow_brain.prompt import planner_prompt

ANSWER = "TASK: put the cube into the drawer\nPLAN: move to the cube"
MOST_TOKENS = 12


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the shipped kind with random weights."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("planner")
    tokenizer = checkpoint.train_tokenizer([planner_prompt("a goal", [], None), ANSWER])
    checkpoint.save(folder, checkpoint.make_model(tokenizer), checkpoint.make_processor(tokenizer))
    return folder


def picture(seed: int = 0) -> np.ndarray:
    """A noisy picture of the model's size."""
    size = checkpoint.IMAGE_SIZE_PX
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)


def question(
    text: str = "open it\n", seed: int = 0, max_tokens: int = MOST_TOKENS
) -> EngineRequest:
    """A text and a picture."""
    return EngineRequest(turns=(Turn("user", (text, picture(seed))),), max_tokens=max_tokens)


def states(results: list[EngineOutput]) -> HiddenStates:
    """The hidden states among the results."""
    (found,) = (each for each in results if isinstance(each, HiddenStates))
    return found


def writing(engine: TransformersEngine, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the model's random weights write this text."""
    tokens = iter(engine._processor.tokenizer(text)["input_ids"])
    monkeypatch.setattr(TokenWriter, "_next", lambda *_: next(tokens))


def test_text_comes_in_pieces_and_ends_in_one_finish(weights: Path) -> None:
    """Pieces are told as they are written; the last result says how it ended, and how long."""
    engine = TransformersEngine(weights=str(weights))
    assert isinstance(engine, Engine)
    *pieces, finish = engine.generate(question())
    assert isinstance(finish, Finish)
    assert finish.tokens <= MOST_TOKENS
    assert all(isinstance(each, (TextPiece, HiddenStates)) for each in pieces)


def test_drawn_tokens_depend_on_the_request_alone(weights: Path) -> None:
    """Above temperature 0 one request is answered alike each time, another one otherwise."""
    engine = TransformersEngine(weights=str(weights))

    def answer(request_id: str, temperature: float) -> str:
        asked = replace(question(), request_id=request_id, temperature=temperature)
        return told(list(engine.generate(asked)))

    drawn = [answer(request_id, 1.0) for request_id in ("a", "a", "b")]
    assert drawn[0] == drawn[1] != drawn[2]
    assert answer("a", 0.0) == answer("b", 0.0) != drawn[0]


def test_what_contradicts_the_answer_is_written_as_it_should_be(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words that are mended stand in text and states as if the model had chosen them itself."""
    engine = TransformersEngine(weights=str(weights))
    request = question(max_tokens=200)
    writing(engine, "PLAN: move to put the cube<act>", monkeypatch)
    asked = replace(request, mend=lambda text: text.replace("move to put", "move to the cube"))
    results = list(engine.generate(asked))
    text = told(results)
    assert text == "PLAN: move to the cube the cube"
    read = TransformersEngine(weights=str(weights)).encode(request.turns, text)
    np.testing.assert_allclose(states(results).cognitive, read.cognitive, atol=1e-5)


@pytest.mark.parametrize("end", ["<act>", "</s>"])
def test_an_answer_said_before_is_read_in_few_passes(
    weights: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """Whatever ends an answer, the next question finds it as the one to go by."""
    engine, request = TransformersEngine(weights=str(weights)), question(max_tokens=200)
    writer, passes = engine._decoder._writer, list[int]()
    monkeypatch.setattr(writer, "forward", counting(writer.forward, passes))
    for _ in range(2):
        passes.clear()
        learnt_by_heart(engine, f"{ANSWER}{end}", monkeypatch)
        assert told(list(engine.generate(request))) == ANSWER
    prompt, *blocks = passes
    assert prompt < request.max_tokens
    assert len(blocks) == 1


def learnt_by_heart(engine: TransformersEngine, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the model's random weights write this text, and find all right that is foreseen of it."""
    tokens = iter(engine._processor.tokenizer(text)["input_ids"])

    def likeliest(hidden: torch.Tensor) -> list[int]:
        guessed = list(islice(tokens, hidden.shape[1] - 1))
        return [*guessed, 0]

    monkeypatch.setattr(engine._decoder._writer, "_next", lambda *_: next(tokens))
    monkeypatch.setattr(engine._decoder._writer, "_likeliest", likeliest)


@given(data=st.data())
@settings(deadline=None, max_examples=10)
def test_whatever_is_foreseen_the_answer_is_that_of_word_by_word(
    weights: Path, data: st.DataObject
) -> None:
    """Right guesses save passes; right or wrong, they change neither the text nor the states."""
    engine = TransformersEngine(weights=str(weights), tap={"cognitive": "answer"})
    writer, passes, request = engine._decoder._writer, list[int](), question(max_tokens=40)
    tokens = lively_answer(engine, request)
    plain = list(engine.generate(request))
    guess = data.draw(st.just(tokens) | st.permutations(tokens), label="guess")
    writer._foreseen.keep(guess)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(writer, "forward", counting(writer.forward, passes))
        again = list(engine.generate(request))
    assert told(again) == told(plain)
    np.testing.assert_allclose(states(again).cognitive, states(plain).cognitive, atol=1e-5)
    assert len(passes) < (5 if guess == tokens else len(tokens) + 2)


def lively_answer(engine: TransformersEngine, request: EngineRequest) -> list[int]:
    """Let random weights write many different words, of which the last new one is the end."""
    with torch.no_grad():
        for weight in engine._model.get_decoder().layers.parameters():
            weight.mul_(3.0 if weight.ndim > 1 else 1.0)
    decoder, written = engine._decoder, list[int]()
    inputs = engine._inputs(request.turns)
    cache, read = DynamicCache(config=decoder._model.config.text_config), list[int]()
    hidden = decoder._writer.forward(cache, **inputs)
    written += decoder._writer.write(cache, hidden, read, request.max_tokens, Choice())
    end = max(set(written), key=written.index)
    decoder._ends = decoder._writer._ends = frozenset({end})
    assert written.index(end) > 10
    return written[: written.index(end)]


def told(results: list[EngineOutput]) -> str:
    """The text among the results."""
    return "".join(each.text for each in results if isinstance(each, TextPiece))


def counting(forward: Callable[..., Any], passes: list[int]) -> Callable[..., Any]:
    """The same, noting how many tokens are read in each pass."""

    def noting(*args: Any, **inputs: Any) -> Any:
        passes.append(inputs["input_ids"].shape[-1])
        return forward(*args, **inputs)

    return noting


@pytest.mark.parametrize("layer", [-1, 0, 3])
@pytest.mark.parametrize("cognitive", ["<act>", "answer", "prompt"])
def test_states_while_writing_are_those_of_reading(
    weights: Path, monkeypatch: pytest.MonkeyPatch, layer: int, cognitive: str
) -> None:
    """Decoding token by token gives the states of one forward pass over the whole text."""
    engine = TransformersEngine(
        weights=str(weights), tap={"layer": layer, "cognitive": cognitive, "perceptual_tokens": 4}
    )
    request = question(max_tokens=200)
    writing(engine, f"{ANSWER}<act></s>" if cognitive == "<act>" else f"{ANSWER}</s>", monkeypatch)
    written = states(list(engine.generate(request)))
    read = TransformersEngine(weights=str(weights), tap=engine._tap.model_dump()).encode(
        request.turns, ANSWER
    )
    np.testing.assert_allclose(written.perceptual, read.perceptual, atol=1e-5)
    np.testing.assert_allclose(written.cognitive, read.cognitive, atol=1e-5)
    assert engine.info.latent is not None
    assert written.perceptual.shape == (4, engine.info.latent.width)


def test_the_declared_layer_is_the_one_transformers_calls_so(weights: Path) -> None:
    """Layer k is entry k + 1 of transformers' own `hidden_states`, whose first is the embedding."""
    engine = TransformersEngine(weights=str(weights), tap={"layer": 1, "cognitive": "prompt"})
    inputs = engine._inputs(question().turns)
    with torch.inference_mode():
        theirs = engine._model.model(**inputs, output_hidden_states=True).hidden_states[2][0, -1:]
    ours = states(list(engine.generate(question()))).cognitive
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5)


def test_what_the_last_prompt_began_with_is_not_read_again(weights: Path) -> None:
    """Text and states with a reused beginning are those without, whatever changed after it."""
    engine = TransformersEngine(weights=str(weights), tap={"cognitive": "prompt"})
    texts = ["goal: tidy up\ncurrent: none\n", "goal: tidy up\ncurrent: open it\n", "goal: rest\n"]
    reused = []
    for seed, text in enumerate([*texts, texts[0], texts[0]]):
        fresh = TransformersEngine(weights=str(weights), tap={"cognitive": "prompt"})
        *again, finish = engine.generate(question(text, seed))
        *once, _ = fresh.generate(question(text, seed))
        assert [p.text for p in again if isinstance(p, TextPiece)] == [
            p.text for p in once if isinstance(p, TextPiece)
        ]
        np.testing.assert_allclose(states(again).perceptual, states(once).perceptual, atol=1e-5)
        np.testing.assert_allclose(states(again).cognitive, states(once).cognitive, atol=1e-5)
        assert isinstance(finish, Finish)
        reused.append(finish.reused_tokens)
    assert reused[0] == 0
    assert min(number for number in reused[1:] if number is not None) > 0


def test_the_same_words_about_another_picture_are_not_mixed_up(weights: Path) -> None:
    """Only the text before a picture is reused: picture tokens look alike, whatever they show."""
    engine = TransformersEngine(weights=str(weights), tap={"cognitive": "prompt"})
    first = states(list(engine.generate(question(seed=1))))
    second = states(list(engine.generate(question(seed=2))))
    assert not np.allclose(first.perceptual, second.perceptual)


@pytest.mark.parametrize("taken", [0, 1, 5])
def test_closing_between_two_tokens_leaves_an_engine_that_can_go_on(
    weights: Path, taken: int
) -> None:
    """A newer request may end an older one anywhere; the next answer is as if it had not been."""
    expected = list(TransformersEngine(weights=str(weights)).generate(question("b\n", 1)))
    engine = TransformersEngine(weights=str(weights))
    with contextlib.closing(engine.generate(question("a\n"))) as pieces:
        for _ in range(taken):
            next(pieces)
    got = list(engine.generate(question("b\n", 1)))
    texts = [[p.text for p in r if isinstance(p, TextPiece)] for r in (got, expected)]
    assert texts[0] == texts[1]


def test_a_failing_forward_pass_does_not_spoil_the_next_request(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was half read when the model raised is not taken for read."""
    engine, calls = TransformersEngine(weights=str(weights)), iter(range(100))
    expected = [p for p in engine.generate(question()) if isinstance(p, TextPiece)]
    forward = TokenWriter.forward

    def failing(self: TokenWriter, cache: Any, **inputs: Any) -> Any:
        result = forward(self, cache, **inputs)
        if next(calls) == 2:
            raise RuntimeError("out of memory")
        return result

    with monkeypatch.context() as patched:
        patched.setattr(TokenWriter, "forward", failing)
        with pytest.raises(RuntimeError):
            list(engine.generate(question()))
    assert [p for p in engine.generate(question()) if isinstance(p, TextPiece)] == expected


def test_several_pictures_in_one_question(weights: Path) -> None:
    """Every picture gives its tokens, averaged to the declared number."""
    engine = TransformersEngine(
        weights=str(weights), tap={"perceptual_tokens": 8, "cognitive": "prompt"}
    )
    turn = Turn("user", ("left ", picture(1), "right ", picture(2)))
    found = states(list(engine.generate(EngineRequest(turns=(turn,), max_tokens=2))))
    assert found.perceptual.shape == (8, checkpoint.LATENT_WIDTH)


def test_averaging_keeps_the_mean_and_the_order() -> None:
    """Tokens are averaged group by group, in order."""
    tokens = torch.arange(12.0).reshape(6, 2)
    np.testing.assert_allclose(pooled(tokens, 3), [[1, 2], [5, 6], [9, 10]])
    assert pooled(tokens, 0) is tokens


def test_an_engine_counts_as_its_tokenizer_does(weights: Path) -> None:
    """Limits in tokens are exact in this process."""
    engine = TransformersEngine(weights=str(weights))
    assert engine.count_tokens("") == 0
    assert engine.count_tokens(ANSWER) == len(engine._processor.tokenizer(ANSWER)["input_ids"])


@pytest.mark.parametrize("folder", ["weights", "llava"])
def test_a_model_in_bfloat16_hands_over_float32(
    folder: str, request: pytest.FixtureRequest
) -> None:
    """A model in bfloat16 takes the same pictures, and its states are float32 like all latents."""
    engine = TransformersEngine(
        weights=str(request.getfixturevalue(folder)), dtype="bfloat16", tap={"cognitive": "prompt"}
    )
    found = states(list(engine.generate(question(max_tokens=2))))
    assert (found.perceptual.dtype, found.cognitive.dtype) == (np.float32, np.float32)


def test_a_prompt_longer_than_the_model_reads_is_refused(weights: Path) -> None:
    """The limit, what is left of it for the prompt, and how long the prompt was are all said."""
    engine = TransformersEngine(weights=str(weights))
    with pytest.raises(
        ContractError, match=r"at most 1012 tokens \(the model reads 1024, of which"
    ):
        list(engine.generate(question("word " * 2000)))


@pytest.mark.parametrize(
    ("tap", "words"),
    [
        ({"layer": 4}, "no hidden layer 4: it has 0 to 3"),
        ({"cognitive": "<thought>"}, "no token '<thought>'"),
        ({"cogntive": "x"}, "engine_options.tap.cogntive"),
        ({"layer": -2}, "engine_options.tap.layer is -2"),
    ],
)
def test_a_tap_that_the_model_cannot_give_is_refused(
    weights: Path, tap: dict[str, Any], words: str
) -> None:
    """A layer or token that does not exist is one sentence when the engine is made."""
    with pytest.raises(ConfigError, match=words):
        TransformersEngine(weights=str(weights), tap=tap)


def test_a_text_model_is_not_taken_for_one_that_sees(tmp_path: Path, weights: Path) -> None:
    """A model of another class is named, with what it would have to be."""
    config = LlamaConfig(
        vocab_size=8,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        bos_token_id=1,
        eos_token_id=2,
    )
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    checkpoint.load(weights)[1].save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"a 'llama' model.*reads pictures"):
        TransformersEngine(weights=str(tmp_path))


def test_a_model_without_an_image_processor_is_refused(tmp_path: Path, weights: Path) -> None:
    """Weights and a tokenizer alone cannot see."""
    _copy(weights, tmp_path, without=("processor_config.json", "preprocessor_config.json"))
    with pytest.raises(ConfigError, match="image processor"):
        TransformersEngine(weights=str(tmp_path))


def test_a_model_without_a_chat_template_is_refused(tmp_path: Path, weights: Path) -> None:
    """Nobody guesses how a model wants to be asked."""
    _copy(weights, tmp_path, without=("chat_template.jinja",))
    with pytest.raises(ConfigError, match="no chat template"):
        TransformersEngine(weights=str(tmp_path))


def test_an_empty_folder_says_how_to_get_weights(tmp_path: Path) -> None:
    """Missing weights name the folder and the command."""
    with pytest.raises(MissingWeightsError, match="agent train planner"):
        TransformersEngine(weights=str(tmp_path))


def _copy(source: Path, target: Path, without: tuple[str, ...]) -> None:
    for path in source.iterdir():
        if path.name not in without:
            (target / path.name).write_bytes(path.read_bytes())


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Path:
    """A tiny LLaVA: another family, another image processor, the same tokenizer."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("llava")
    _, processor = checkpoint.load(weights)
    vision = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=16,
        patch_size=8,
    )
    text = LlamaConfig(
        vocab_size=len(processor.tokenizer),
        hidden_size=24,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    token = processor.tokenizer.convert_tokens_to_ids("<image>")
    config = LlavaConfig(vision_config=vision, text_config=text, image_token_index=token)
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    _save_llava_processor(folder, processor.tokenizer)
    return folder


def _save_llava_processor(folder: Path, tokenizer: Any) -> None:
    tokenizer.save_pretrained(folder)
    pixels = {"shortest_edge": 16}
    settings = {
        "processor_class": "LlavaProcessor",
        "image_processor_type": "CLIPImageProcessor",
        "size": pixels,
        "crop_size": {"height": 16, "width": 16},
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")
    own = {
        "processor_class": "LlavaProcessor",
        "patch_size": 8,
        "vision_feature_select_strategy": "default",
        "num_additional_image_tokens": 1,
    }
    (folder / "processor_config.json").write_text(json.dumps(own), encoding="utf-8")


def test_a_model_of_another_family_plans_too(llava: Path) -> None:
    """Nothing of the engine is made for one model: LLaVA streams, hands over states, reuses."""
    engine = TransformersEngine(weights=str(llava))
    assert engine.info.latent is not None
    assert engine.info.latent.width == 24
    runs = [list(engine.generate(question("tidy up\n", seed=1))) for _ in range(2)]
    finishes = [run[-1] for run in runs]
    assert all(isinstance(each, Finish) for each in finishes)
    texts = [[each.text for each in run if isinstance(each, TextPiece)] for run in runs]
    assert texts[0] == texts[1]
