"""Real vLLM on the shipped weights: the words and the states of transformers, and more besides.

Runs where vLLM is installed (`make test-vllm`); it is skipped elsewhere.
"""

import contextlib
import gc
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
import torch

from bridge.errors import ContractError, TransportError
from slow_brain.decoding import pooled
from slow_brain.engines.engine import (
    EngineOutput,
    EngineRequest,
    Finish,
    HiddenStates,
    TextPiece,
)
from slow_brain.engines.latent_source import PoolingReader, PoolingSettings
from slow_brain.engines.model_files import SHIPPED_WEIGHTS
from slow_brain.engines.openai_engine import OpenAIEngine
from slow_brain.engines.openai_settings import ServerSettings
from slow_brain.engines.transformers_engine import TransformersEngine
from slow_brain.engines.vllm_engine import VllmEngine
from slow_brain.engines.vllm_settings import prepare_environment
from slow_brain.prompt import SHIPPED_PROMPT
from slow_brain.prompts.json_plan import JsonPlan, JsonPlanForm
from slow_brain.prompts.prompt_file import PromptValues, load_prompt

HAS_VLLM = importlib.util.find_spec("vllm") is not None
START_LIMIT_S = 900.0
pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(2 * START_LIMIT_S),
    # vLLM and what it imports warn of their own future.
    pytest.mark.filterwarnings("ignore"),
]
needs_vllm = pytest.mark.skipif(not HAS_VLLM, reason="vLLM is not installed: make test-vllm")
SKILLS = ("open the drawer", "store the cube")
# Long ones, two at a time: words come well before the last of them is written.
MANY_ANSWERS = {"ignore_eos": True, "n": 64, "temperature": 1.0}
POOLING = ("--runner", "pooling", "--pooler-config", '{"task": "token_embed"}')
GOALS = ("put the cube in the drawer, then close and lock it", "open the window", "tidy up")


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """What vLLM leaves unclosed warns where warnings are let pass, not at the end of all tests."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def vllm() -> Iterator[VllmEngine]:
    """The shipped planner on vLLM, one request at a time."""
    engine = VllmEngine(start_limit_s=START_LIMIT_S, silence_s=120.0, most_requests=1)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def transformers() -> TransformersEngine:
    """The same weights on transformers."""
    return TransformersEngine()


def picture(seed: int) -> np.ndarray:
    """A noisy picture of the model's size."""
    return np.random.default_rng(seed).integers(0, 256, (96, 96, 3), np.uint8)


def question(
    seed: int, goal: str = GOALS[0], *, count: int = 1, max_tokens: int = 160, **more: Any
) -> EngineRequest:
    """The shipped prompt about one or more pictures."""
    pictures = tuple(picture(seed + number) for number in range(count))
    turns = load_prompt(SHIPPED_PROMPT).turns(PromptValues(goal=goal, pictures=pictures))
    return EngineRequest(turns=turns, max_tokens=max_tokens, **more)


def text_of(results: list[EngineOutput]) -> str:
    """What was written."""
    return "".join(each.text for each in results if isinstance(each, TextPiece))


def states_of(results: list[EngineOutput]) -> HiddenStates:
    """What was handed over."""
    (found,) = (each for each in results if isinstance(each, HiddenStates))
    return found


def assert_same(ours: list[EngineOutput], theirs: list[EngineOutput]) -> None:
    """Same words, same length, and states that differ by no more than 1e-5."""
    assert isinstance(ours[-1], Finish)
    assert isinstance(theirs[-1], Finish)
    assert ours[-1].tokens == theirs[-1].tokens
    assert ours[-1].is_complete == theirs[-1].is_complete
    assert_same_words_and_states(ours, theirs)


def assert_same_words_and_states(ours: list[EngineOutput], theirs: list[EngineOutput]) -> None:
    """The same, but a server counts the token that ends an answer too."""
    assert text_of(ours) == text_of(theirs)
    a, b = states_of(ours), states_of(theirs)
    np.testing.assert_allclose(a.perceptual, b.perceptual, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(a.cognitive, b.cognitive, atol=1e-5, rtol=1e-5)


@needs_vllm
@pytest.mark.parametrize("seed", range(3))
def test_words_and_states_are_those_of_transformers(
    vllm: VllmEngine, transformers: TransformersEngine, seed: int
) -> None:
    """The shipped planner plans the same on either engine, and hands over the same latents."""
    request = question(10 * seed, GOALS[seed])
    assert vllm.info.latent == transformers.info.latent
    assert_same(list(vllm.generate(request)), list(transformers.generate(request)))


@needs_vllm
def test_a_picture_seen_before_comes_from_the_cache_with_its_states(vllm: VllmEngine) -> None:
    """What the prefix cache had is not read again, and the latents are whole all the same."""
    first, again = (list(vllm.generate(question(77))) for _ in range(2))
    assert_same(again, first)
    finish = again[-1]
    assert isinstance(finish, Finish)
    assert finish.reused_tokens


@needs_vllm
def test_several_pictures_in_one_request(
    vllm: VllmEngine, transformers: TransformersEngine
) -> None:
    """Two pictures give the tokens of two pictures."""
    request = question(5, count=2)
    assert_same(list(vllm.generate(request)), list(transformers.generate(request)))


@needs_vllm
def test_a_schema_is_kept_by_a_model_that_never_learned_it(vllm: VllmEngine) -> None:
    """Held to the schema, even the small planner writes JSON, and names nothing but skills."""
    schema = json.loads(json.dumps(JsonPlanForm().schema(SKILLS)).replace("1000", "20"))
    schema["properties"]["plan"]["maxItems"] = 2
    results = list(vllm.generate(question(1, max_tokens=600, schema=schema)))
    plan = JsonPlan.model_validate_json(text_of(results).strip())
    assert set(plan.plan) <= set(SKILLS)


@needs_vllm
def test_an_outdated_request_is_aborted(vllm: VllmEngine) -> None:
    """Closing the older request frees its place at once: nothing of it is left in vLLM."""
    with contextlib.closing(vllm.generate(question(2))) as pieces:
        next(pieces)
        assert vllm._llm.output_processor.request_states
    assert not vllm._llm.output_processor.request_states
    assert isinstance(list(vllm.generate(question(3)))[-1], Finish)


@needs_vllm
def test_the_more_urgent_request_goes_first(vllm: VllmEngine) -> None:
    """Of two requests that wait, the one with the lower number is answered first."""
    order: list[int] = []

    def ask(priority: int) -> None:
        list(vllm.generate(question(20 + priority, max_tokens=20, priority=priority)))
        order.append(priority)

    threads = [threading.Thread(target=ask, args=(priority,)) for priority in (5, 1)]
    with contextlib.closing(vllm.generate(question(4))) as running:
        next(running)
        for number, thread in enumerate(threads, 2):
            thread.start()
            until(lambda n=number: len(vllm._llm.output_processor.request_states) == n)
    for thread in threads:
        thread.join(120)
    assert order == [1, 5]


@needs_vllm
def test_a_prompt_longer_than_the_model_reads_is_refused(vllm: VllmEngine) -> None:
    """The limit is named, and the engine goes on."""
    with pytest.raises(ContractError, match="at most 1024 tokens"):
        list(vllm.generate(question(1, "word " * 3000)))
    assert isinstance(list(vllm.generate(question(1)))[-1], Finish)


@needs_vllm
def test_another_layer_before_the_first_word_also_after_the_process_died() -> None:
    """States of an inner layer come with the prompt; a process that dies is replaced."""
    others = set(cores_of(psutil.Process()))
    tap = {"layer": 1, "cognitive": "prompt", "perceptual_tokens": 4}
    engine = VllmEngine(tap=tap, start_limit_s=START_LIMIT_S, silence_s=120.0)
    try:
        ours = list(engine.generate(question(8, max_tokens=8)))
        theirs = list(TransformersEngine(tap=tap).generate(question(8, max_tokens=8)))
        assert isinstance(ours[0], HiddenStates)
        assert_same(ours, theirs)
        (core,) = set(cores_of(psutil.Process())) - others
        core.suspend()
        with ThreadPoolExecutor() as pool:
            asked = pool.submit(list, engine.generate(question(9)))
            until(lambda: engine._llm.output_processor.request_states)
            core.kill()
            with pytest.raises(TransportError, match="is started anew for the next plan"):
                asked.result(60)
        assert_same(list(engine.generate(question(8, max_tokens=8))), ours)
    finally:
        engine.close()


@needs_vllm
def test_a_server_killed_in_the_middle_is_used_again_when_it_is_back(tmp_path: Path) -> None:
    """`vllm serve` dies while it writes: one error. Started anew, the same engine goes on."""
    port = free_port()
    with vllm_server(port, tmp_path / "first.log") as server:
        options: dict[str, Any] = {
            "base_url": f"http://127.0.0.1:{port}/v1",
            "picture_format": "png",
            "deadline_s": 300.0,
            "silence_s": 120.0,
        }
        engine = OpenAIEngine(**options, latents={"source": "local"})
        talker = OpenAIEngine(**options, extra_body=MANY_ANSWERS)
        whole = list(engine.generate(question(30)))
        pieces = talker.generate(question(31, max_tokens=900))
        next(pieces)
        kill(server)
        with pytest.raises(TransportError):
            list(pieces)
        with pytest.raises(TransportError):
            list(engine.generate(question(30)))
    assert_same_words_and_states(whole, list(TransformersEngine().generate(question(30))))
    with vllm_server(port, tmp_path / "second.log"):
        assert text_of(list(engine.generate(question(30)))) == text_of(whole)


@needs_vllm
def test_a_pooling_endpoint_hands_over_the_states_of_the_answer(
    transformers: TransformersEngine, tmp_path: Path
) -> None:
    """`--runner pooling` gives, for a text that somebody else wrote, the states of transformers."""
    request, answer = question(40), "TASK: tidy up\nPLAN: open the drawer"
    inputs = transformers._inputs(request.turns, f"{answer}<act>")
    with torch.inference_mode():
        states = transformers._model.model(**inputs).last_hidden_state[0]
    port = free_port()
    with vllm_server(port, tmp_path / "pooling.log", *POOLING):
        options = {"base_url": f"http://127.0.0.1:{port}", "width": 192, "perceptual_tokens": 16}
        settings = PoolingSettings(**options, answer_end="<act>")
        server = ServerSettings(base_url=f"{settings.base_url}/v1", picture_format="png")
        with contextlib.closing(PoolingReader(settings, server)) as reader:
            found = reader.encode(request.turns, answer, 60.0)
    np.testing.assert_allclose(found.cognitive, states[-1:], atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(found.perceptual, pooled(states[:-1], 16), atol=1e-5, rtol=1e-5)


def cores_of(process: psutil.Process) -> list[psutil.Process]:
    """The processes of vLLM's models below this one."""
    children = process.children(recursive=True)
    return [each for each in children if "EngineCore" in " ".join((each.name(), *each.cmdline()))]


def until(is_so: Any, limit_s: float = 60.0) -> None:
    """Wait for something that vLLM's thread does."""
    waiting, step_s = threading.Event(), 0.01
    for _ in range(round(limit_s / step_s)):
        if is_so():
            return
        waiting.wait(step_s)
    pytest.fail(f"it was not so within {limit_s:g} s")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def vllm_server(port: int, log: Path, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    """A real `vllm serve` on the shipped weights, up and healthy."""
    prepare_environment(threads=1)
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    command += ["--model", str(SHIPPED_WEIGHTS), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--dtype", "float32", "--enforce-eager", "--max-model-len", "1024"]
    command += ["--max-num-seqs", "2", "--block-size", "32"]
    command += ["--kv-cache-memory-bytes", str(64 << 20), "--limit-mm-per-prompt", '{"image": 2}']
    command += more
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        until(lambda: is_healthy(server, port, log), START_LIMIT_S)
        yield server
    finally:
        kill(server)


def is_healthy(server: subprocess.Popen[bytes], port: int, log: Path) -> bool:
    """Whether it answers; a server that has ended never will."""
    if server.poll() is not None:
        pytest.fail(f"vllm serve ended with {server.returncode}: {log.read_text()[-2000:]}")
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", timeout=5.0).status_code == 200
    except httpx.TransportError:
        return False


def kill(server: subprocess.Popen[bytes]) -> None:
    """End the server and every process it started, at once."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait(30)
