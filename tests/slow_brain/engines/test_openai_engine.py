"""The server engine against a real HTTP server that is well, down, slow, wrong, or cut off."""

import base64
import contextlib
import io
import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from bridge.clock import ManualClock, seconds_between
from bridge.errors import ConfigError, ContractError, TransportError, UnknownNameError
from bridge.messages import Latent, Plan, Reply, Thought
from bridge.specs import LatentSpec
from bridge.testing import example_request
from slow_brain import checkpoint
from slow_brain.engines.backoff import Backoff
from slow_brain.engines.engine import EngineRequest, Finish, HiddenStates, TextPiece, Turn
from slow_brain.engines.openai_engine import OpenAIEngine
from slow_brain.planners.vlm import VisionLanguagePlanner
from slow_brain.prompt import planner_prompt
from tests.slow_brain.engines.chat_server import (
    ChatServer,
    breaks_off,
    ends_early,
    fails,
    says_nothing,
    sends,
    serving,
    writes,
    writes_until_left,
)

pytest.importorskip("openai")

PICTURE = np.full((8, 6, 3), (200, 100, 50), np.uint8)
TURNS = (Turn("system", ("Plan.",)), Turn("user", ("Goal: tidy up\n", PICTURE, "\nNow?")))
SCHEMA = {"type": "object", "properties": {"plan": {"type": "array"}}}
REQUEST = EngineRequest(turns=TURNS, max_tokens=50, schema=SCHEMA)
PLAN = "done: no\n1. open the drawer"


def engine_of(url: str, **options: Any) -> OpenAIEngine:
    """An engine that pauses in virtual time."""
    return OpenAIEngine(**{"base_url": url, "clock": ManualClock(1), "silence_s": 5.0, **options})


def text_of(results: Any) -> str:
    """The answer."""
    return "".join(r.text for r in results if isinstance(r, TextPiece) and not r.is_reasoning)


def test_an_answer_is_streamed_with_its_reasoning_and_its_length() -> None:
    """Reasoning is marked, the text is whole, and the end says how much was written and reused."""
    with serving(writes(PLAN, reasoning="it is shut")) as server:
        *pieces, finish = engine_of(server.url).generate(REQUEST)
    assert pieces[0] == TextPiece("it is shut", is_reasoning=True)
    assert text_of(pieces) == PLAN
    assert finish == Finish(is_complete=True, tokens=7, prompt_tokens=30, reused_tokens=16)


def test_what_is_asked_is_on_the_wire() -> None:
    """The turns, the picture as a JPEG data URL, the limit, the schema and the extra fields."""
    with serving(writes(PLAN)) as server:
        list(engine_of(server.url, extra_body={"top_k": 3}).generate(REQUEST))
        (asked,) = server.asked
    assert [each["role"] for each in asked["messages"]] == ["system", "user"]
    assert asked["messages"][0]["content"] == "Plan."
    first, picture, last = asked["messages"][1]["content"]
    assert (first["text"], last["text"]) == ("Goal: tidy up\n", "\nNow?")
    head, _, data = picture["image_url"]["url"].partition(",")
    assert head == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        seen = np.asarray(image).astype(int)
    assert seen.shape == PICTURE.shape
    assert np.abs(seen - PICTURE).max() < 8
    assert asked["response_format"]["json_schema"]["schema"] == SCHEMA
    assert (asked["max_tokens"], asked["top_k"], asked["model"]) == (50, 3, "tiny")


def test_a_png_loses_nothing() -> None:
    """Where every pixel counts, pictures can be sent without loss."""
    with serving(writes(PLAN)) as server:
        list(engine_of(server.url, picture_format="png").generate(REQUEST))
        url = server.asked[0]["messages"][1]["content"][1]["image_url"]["url"]
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as image:
        np.testing.assert_array_equal(np.asarray(image), PICTURE)


@pytest.mark.parametrize(
    "trouble",
    [fails(500), fails(503), fails(429), sends(b"", "text/html")],
    ids=["500", "503", "429", "empty"],
)
def test_a_server_that_stumbles_is_asked_again(trouble: Any) -> None:
    """A failure before the first word is tried again, and the answer is whole."""
    with serving(trouble, trouble, writes(PLAN)) as server:
        assert text_of(engine_of(server.url).generate(REQUEST)) == PLAN
        assert len(server.asked) == 3


TROUBLES = {
    "500": (fails(500), "answered 500: out of order"),
    "html": (sends(b"<html>hello</html>", "text/html"), "broke off after 0 pieces"),
    "no json": (sends(b"data: {rubbish\n\n"), "no OpenAI-compatible server would"),
    "a number": (sends(b"data: 3\n\ndata: [DONE]\n\n"), "server"),
    "null choices": (sends(b'data: {"choices": null}\n\n'), "broke off after 0 pieces"),
    "null delta": (sends(b'data: {"choices": [{"delta": null}]}\n\n'), "server"),
    "error event": (sends(b'data: {"error": {"message": "no memory"}}\n\n'), "no memory"),
    "silence": (says_nothing, "was silent for 0.3 s"),
}


@pytest.mark.parametrize(("trouble", "words"), TROUBLES.values(), ids=list(TROUBLES))
def test_a_server_in_trouble_is_a_bounded_number_of_tries(trouble: Any, words: str) -> None:
    """What stays wrong ends in a `TransportError` that names the server's fault."""
    silence_s = 0.3 if trouble is says_nothing else 30.0
    with serving(trouble) as server:
        with pytest.raises(TransportError, match=words):
            list(engine_of(server.url, retries=1, silence_s=silence_s).generate(REQUEST))
        assert len(server.asked) == 2


@pytest.mark.parametrize("trouble", [breaks_off, ends_early])
def test_a_cut_answer_is_not_asked_for_again(trouble: Any) -> None:
    """Words that were shown cannot be taken back: half an answer is an error, not a new try."""
    with serving(trouble) as server:
        pieces = engine_of(server.url).generate(REQUEST)
        assert next(pieces)
        with pytest.raises(TransportError, match="broke off"):
            list(pieces)
        assert len(server.asked) == 1


def test_a_server_that_goes_down_is_one_sentence() -> None:
    """When nobody listens any more, the error says where nobody listens."""
    with serving(writes(PLAN)) as server:
        engine, url = engine_of(server.url, retries=1), server.url
    with pytest.raises(TransportError, match=f"{url} broke off: .*refused"):
        list(engine.generate(REQUEST))


def test_a_server_that_is_back_is_used_again() -> None:
    """The same engine goes on with a server that died and was started anew."""
    with serving(writes(PLAN)) as server:
        engine, port = engine_of(server.url), server.server_address[1]
        assert text_of(engine.generate(REQUEST)) == PLAN
    with pytest.raises(TransportError):
        list(engine.generate(REQUEST))
    with serving(writes("1. again"), port=port):
        assert text_of(engine.generate(REQUEST)) == "1. again"


def test_no_answer_may_take_longer_than_the_deadline() -> None:
    """Words that keep coming do not extend the time there is."""
    clock = ManualClock(1)
    with serving(writes_until_left) as server:
        pieces = engine_of(server.url, clock=clock, deadline_s=3.0).generate(REQUEST)
        next(pieces)
        clock.advance_ns(4_000_000_000)
        with pytest.raises(TransportError, match="not complete after 3 s"):
            list(pieces)
        assert server.was_left.wait(5)


def test_closing_ends_the_request_at_the_server() -> None:
    """A newer request closes the connection of the older one, so that the server can stop."""
    with serving(writes_until_left) as server:
        with contextlib.closing(engine_of(server.url).generate(REQUEST)) as pieces:
            next(pieces)
        assert server.was_left.wait(5)


def test_pauses_grow_vary_and_stay_before_the_deadline() -> None:
    """Each pause is between half and all of twice the last; none ends after the deadline."""
    pauses = []
    for _ in range(50):
        clock = ManualClock(0)
        backoff, starts = Backoff(3, 1.0, clock), [0]
        while backoff.wait(10_000_000_000):
            starts.append(clock.now_ns())
        pauses.append([seconds_between(a, b) for a, b in pairwise(starts)])
    lengths = np.array(pauses)
    assert lengths.shape == (50, 3)
    assert ((lengths >= [0.5, 1, 2]) & (lengths <= [1, 2, 4])).all()
    assert lengths[:, 0].std() > 0
    assert not Backoff(3, 1.0, ManualClock(0)).wait(100_000_000)


def test_a_server_that_takes_no_schema_is_asked_without() -> None:
    """The refusal is noticed once; from then on the reply is only checked."""
    refusal = fails(400, "response_format json_schema is not supported")
    with serving(refusal, writes(PLAN)) as server:
        engine = engine_of(server.url)
        assert text_of(engine.generate(REQUEST)) == PLAN
        assert text_of(engine.generate(REQUEST)) == PLAN
        assert ["response_format" in each for each in server.asked] == [True, False, False]


@pytest.mark.parametrize(
    ("schema", "sent"), [("never", None), ("json_object", "json_object"), ("auto", "json_schema")]
)
def test_how_the_schema_is_sent_can_be_chosen(schema: str, sent: str | None) -> None:
    """Servers differ in what they take."""
    with serving(writes(PLAN)) as server:
        list(engine_of(server.url, schema=schema).generate(REQUEST))
        assert server.asked[0].get("response_format", {}).get("type") == sent


@pytest.mark.parametrize(
    ("trouble", "error", "words"),
    [
        (fails(400, "maximum context length is 512"), ContractError, "what the model can read"),
        (fails(401), TransportError, "api_key_variable"),
        (fails(404, "no such model"), TransportError, "answered 404: .*no such model"),
    ],
    ids=["too long", "wrong key", "wrong model"],
)
def test_what_no_second_try_can_mend_is_not_tried_again(
    trouble: Any, error: type[Exception], words: str
) -> None:
    """A prompt that is too long, a wrong key and a wrong address are told at once."""
    with serving(trouble) as server:
        with pytest.raises(error, match=words):
            list(engine_of(server.url).generate(REQUEST))
        assert len(server.asked) == 1


def test_the_key_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A preset holds the name of the key, never the key."""
    monkeypatch.setenv("TANDEM_TEST_KEY", "sesame")
    with serving(writes(PLAN)) as server:
        list(engine_of(server.url, api_key_variable="TANDEM_TEST_KEY").generate(REQUEST))
        assert server.asked[0]["key"] == "Bearer sesame"
        with pytest.raises(ConfigError, match="no such environment variable"):
            engine_of(server.url, api_key_variable="TANDEM_NO_KEY")


def test_a_server_that_is_not_there_is_refused_when_the_planner_is_made() -> None:
    """Before anything moves, a missing server is one sentence with what to do."""
    with serving(writes(PLAN)) as server:
        url = server.url
    with pytest.raises(ConfigError, match=r"No OpenAI-compatible server answers at .*vllm serve"):
        engine_of(url)


@pytest.mark.parametrize(
    ("models", "asked", "error"),
    [(["a", "b"], "", ConfigError), ([], "", ConfigError), (["large"], "lage", UnknownNameError)],
)
def test_which_model_is_meant_must_be_clear(
    models: list[str], asked: str, error: type[Exception]
) -> None:
    """Of several models one must be named, and it must be one of them."""
    with serving(writes(PLAN), models=models) as server, pytest.raises(error, match="model"):
        engine_of(server.url, model=asked)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"base_url": "127.0.0.1:8000"}, r"engine_options\.base_url is '127"),
        ({"deadline_s": 0.0}, r"engine_options\.deadline_s is 0"),
        ({"schema": "yes"}, r"engine_options\.schema is 'yes'"),
        ({"retries": -1}, r"engine_options\.retries is -1"),
    ],
)
def test_bad_settings_are_refused_by_name(options: dict[str, Any], words: str) -> None:
    """Each wrong setting is one sentence."""
    with pytest.raises(ConfigError, match=words):
        OpenAIEngine(**options)


def test_without_the_client_library_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A missing extra is named."""
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(ConfigError, match=r"pip install 'tandem-agent\[openai\]'"):
        OpenAIEngine()


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model to read along with."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("planner")
    tokenizer = checkpoint.train_tokenizer([planner_prompt("a goal", [], None), PLAN])
    checkpoint.save(folder, checkpoint.make_model(tokenizer), checkpoint.make_processor(tokenizer))
    return folder


def test_a_local_model_reads_along_for_the_latents(weights: Path) -> None:
    """The server writes, a model here gives hidden states, and the engine says so."""
    latents = {"source": "local", "weights": str(weights), "tap": {"perceptual_tokens": 4}}
    with serving(writes(PLAN)) as server:
        engine = engine_of(server.url, latents=latents)
        *_, states, finish = engine.generate(REQUEST)
    assert isinstance(states, HiddenStates)
    assert isinstance(finish, Finish)
    assert engine.info.latent is not None
    assert states.perceptual.shape == (4, engine.info.latent.width)
    assert engine.info.latent.origin == f"read along by {weights}"


def pooling(rows: Any) -> Any:
    """Answer a pooling request with these states."""
    return lambda answering: answering.reply({"data": [{"index": 0, "data": rows}]})


def test_a_pooling_endpoint_gives_the_latents() -> None:
    """The last token's state is cognitive, the others are averaged; chat and answer were sent."""
    rows = [[1.0, 0.0], [3.0, 0.0], [5.0, 2.0], [7.0, 2.0], [9.0, 9.0]]
    with serving(pooling(rows)) as pool, serving(writes(PLAN)) as server:
        engine = engine_of(server.url, latents=pooled_by(pool, answer_end="</s>"))
        *_, states, _ = engine.generate(REQUEST)
        checked, asked = pool.asked
    assert isinstance(states, HiddenStates)
    np.testing.assert_array_equal(states.perceptual, [[2, 0], [6, 2]])
    np.testing.assert_array_equal(states.cognitive, [[9, 9]])
    assert {checked["path"], asked["path"]} == {"/pooling"}
    assert asked["messages"][-1] == {"role": "assistant", "content": f"{PLAN}</s>"}
    assert (asked["task"], asked["use_activation"]) == ("token_embed", False)
    assert engine.info.latent is not None
    assert engine.info.latent.origin.startswith("pooled by tiny at http")
    assert engine.info.latent.fits(LatentSpec(perceptual_tokens=2, cognitive_tokens=1, width=2))
    assert not engine.info.latent.fits(LatentSpec(perceptual_tokens=2, cognitive_tokens=1, width=3))


POOLING_TROUBLES = {
    "wide": (pooling([[1.0, 2.0, 3.0]]), ContractError, "states of width 2 .*3.*, of which 3 are"),
    "text": (pooling("x"), ContractError, "a list of numbers"),
    "empty": (pooling([]), ContractError, "states of width 2"),
    "not a number": (pooling([[1.0, None]]), ContractError, "finite"),
    "500": (fails(500), TransportError, "no answer at .*/pooling"),
    "another task": (fails(400, "try another pooling_task"), TransportError, "pooling_task"),
}


@pytest.mark.parametrize(
    ("behaviour", "error", "words"), POOLING_TROUBLES.values(), ids=list(POOLING_TROUBLES)
)
def test_a_pooling_endpoint_in_trouble_is_an_error(
    behaviour: Any, error: type[Exception], words: str
) -> None:
    """States of another width, none, or no answer: the plan is not taken without its latent."""
    good = pooling([[1.0, 2.0]])
    with serving(good, behaviour) as pool, serving(writes(PLAN)) as server:
        engine = engine_of(server.url, latents=pooled_by(pool))
        with pytest.raises(error, match=words):
            list(engine.generate(REQUEST))


@pytest.mark.parametrize(
    ("behaviour", "error", "words"), POOLING_TROUBLES.values(), ids=list(POOLING_TROUBLES)
)
def test_a_pooling_endpoint_is_tried_before_anything_moves(
    behaviour: Any, error: type[Exception], words: str
) -> None:
    """What is wrong with it is one sentence when the planner is made, with how it is started."""
    with serving(behaviour) as pool, serving(writes(PLAN)) as server:
        with pytest.raises((ConfigError, ContractError), match=words) as caught:
            engine_of(server.url, latents=pooled_by(pool))
        assert isinstance(caught.value, ConfigError) == (error is TransportError)
        assert ("--runner pooling" in str(caught.value)) == (error is TransportError)


def pooled_by(pool: ChatServer, **more: Any) -> dict[str, Any]:
    """Settings of latents from this pooling endpoint."""
    url = pool.url.removesuffix("/v1")
    return {"source": "pooling", "base_url": url, "width": 2, "perceptual_tokens": 2, **more}


@pytest.mark.parametrize("latents", [{"source": "cloud"}, {"source": "pooling", "widht": 3}])
def test_an_unknown_source_of_latents_is_refused(latents: dict[str, Any]) -> None:
    """There are two, and their settings are checked."""
    with serving(writes(PLAN)) as server, pytest.raises(ConfigError, match="latents"):
        engine_of(server.url, latents=latents)


def test_a_planner_over_a_server_repairs_and_plans(weights: Path) -> None:
    """Thoughts, one repair, a plan and its latent, from a server that first answers prose."""
    plan = {"visible_objects": "a", "reasoning": "b", "current_subtask_done": False, "plan": ["c"]}
    with serving(writes("Sure!"), writes(json.dumps(plan))) as server:
        options = {
            "base_url": server.url,
            "latents": {"source": "local", "weights": str(weights)},
        }
        planner = VisionLanguagePlanner(
            engine="slow_brain.engines.openai_engine:OpenAIEngine",
            engine_options=options,
            prompt="json_plan",
        )
        results = [each for each in planner.plan(example_request()) if each is not None]
        planner.close()
    kinds = [type(each) for each in results]
    assert kinds == [Reply, *[Thought] * 5, Reply, Plan, Latent]
    assert isinstance(results[1], Thought)
    assert results[1].field == "REPAIR"
