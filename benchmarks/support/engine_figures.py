"""Figures of one engine, measured in this process: `python -m benchmarks.support.engine_figures`.

A program of its own, because vLLM lives in an environment of its own, and because the memory is
that of a process and its children. Plans and the bare model's own `generate` take turns, and every
picture is shown once, so that neither profits from another's cache.
"""

import argparse
import asyncio
import contextlib
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.support.latencies import write_json
from benchmarks.support.quiet import be_quiet
from bridge.messages import Goal, Observation, PlanRequest, Thought
from slow_brain.engines.chat_inputs import processor_inputs
from slow_brain.engines.engine import Engine, EngineOutput, EngineRequest, Finish, TextPiece
from slow_brain.planners.vlm import VisionLanguagePlanner

_GOAL = "put the cube in the drawer, then close and lock it"
_MOST_TOKENS = 160
_MEBIBYTE = 1 << 20
_Bare = Callable[[VisionLanguagePlanner, EngineRequest], tuple[float, int]]


def main() -> None:
    """Measure one engine, and write its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=("transformers", "vllm"), required=True)
    parser.add_argument("--plans", type=int, default=30)
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    be_quiet()
    write_json(measure(options.engine, options.plans), options.json)


def measure(engine: str, plans: int) -> dict[str, float]:
    """Return the figures of one engine on the shipped weights."""
    started_s = time.perf_counter()
    planner = VisionLanguagePlanner(engine=engine, max_tokens=_MOST_TOKENS)
    figures = {"start_up_s": time.perf_counter() - started_s}
    with contextlib.closing(planner):
        bare = _bare_transformers if engine == "transformers" else _bare_vllm
        random = np.random.default_rng(0)
        # The first plans warm what is lazy, in the engine and in the bare model.
        _measure_plans(planner, bare, 3, random)
        figures |= _measure_plans(planner, bare, plans, random)
        figures["memory_mib"] = _memory_bytes() / _MEBIBYTE
    return figures


class _TimedEngine:
    """Notes how long an engine is at work while it is asked through a planner."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.busy_s = self.first_piece_s = 0.0
        self.tokens = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # Whatever the engine has.
        return getattr(self._engine, name)

    def generate(self, request: EngineRequest) -> Generator[EngineOutput]:
        self.busy_s = self.first_piece_s = 0.0
        pieces = self._engine.generate(request)
        while True:
            start = time.perf_counter()
            piece = next(pieces, None)
            self.busy_s += time.perf_counter() - start
            if piece is None:
                return
            if isinstance(piece, TextPiece) and not self.first_piece_s:
                self.first_piece_s = self.busy_s
            if isinstance(piece, Finish):
                self.tokens = piece.tokens
            yield piece


def _measure_plans(
    planner: VisionLanguagePlanner, bare: _Bare, plans: int, random: np.random.Generator
) -> dict[str, float]:
    """Ask the planner and the bare model in turn."""
    whole: Engine = planner._engine  # noqa: SLF001  # What it asks is timed.
    timed = _TimedEngine(whole)
    rows: list[tuple[float, ...]] = []
    for number in range(plans):
        planner._engine = timed  # noqa: SLF001  # pyright: ignore[reportAttributeAccessIssue]  # As above.
        plan_s, thought_s = _time_plan(planner, _request(random, number))
        planner._engine = whole  # noqa: SLF001  # As above.
        asked = EngineRequest(
            turns=planner._turns(_request(random, number)),  # noqa: SLF001  # The same question.
            max_tokens=_MOST_TOKENS,
        )
        bare_s, bare_tokens = bare(planner, asked)
        ours = (plan_s, thought_s, timed.busy_s, timed.first_piece_s, timed.tokens)
        rows.append((*ours, bare_s, bare_tokens))
    plan, thought, busy, piece, tokens, bare_s, bare_tokens = np.array(rows).T
    # Answers differ in length: compared is the time of a token, whose median no hiccup moves.
    bare_token_s = np.median(bare_s / bare_tokens)
    return {
        "plans": plans,
        "first_thought_p50_ms": float(np.median(thought)) * 1000,
        "first_piece_p50_ms": float(np.median(piece)) * 1000,
        "tokens_per_s": float(tokens.sum() / busy.sum()),
        "plan_p50_s": float(np.median(plan)),
        "plan_p99_s": float(np.percentile(plan, 99)),
        "engine_over_bare_generate": float(np.median(busy / tokens) / bare_token_s),
        "plan_over_bare_generate": float(np.median(plan / tokens) / bare_token_s),
    }


def _request(random: np.random.Generator, number: int) -> PlanRequest:
    """A request about a picture that nobody has seen."""
    image = random.integers(0, 255, (96, 96, 3), np.uint8)
    seen = Observation(stamp_ns=1, sequence=number, images={"front": image}, proprioception={})
    goal = Goal(text=_GOAL, id="goal", source="benchmark", stamp_ns=1)
    return PlanRequest(observation=seen, goal=goal, trigger="period", plan_id=f"plan{number}")


def _time_plan(planner: VisionLanguagePlanner, request: PlanRequest) -> tuple[float, float]:
    """Return seconds for the whole plan, and to its first thought."""
    start, first_s = time.perf_counter(), 0.0
    for result in planner.plan(request):
        if isinstance(result, Thought) and not first_s:
            first_s = time.perf_counter() - start
    return time.perf_counter() - start, first_s


def _bare_transformers(planner: VisionLanguagePlanner, request: EngineRequest) -> tuple[float, int]:
    """Return seconds that transformers' own `generate` takes, and the tokens it wrote."""
    engine: Any = planner._engine  # noqa: SLF001  # Its model, without the engine.
    start = time.perf_counter()
    inputs = processor_inputs(engine._processor, request.turns)  # noqa: SLF001  # As above.
    ids = engine._model.generate(**inputs, max_new_tokens=request.max_tokens, do_sample=False)  # noqa: SLF001  # As above.
    # The token that ends the answer is written, but is no part of it.
    tokens = ids.shape[-1] - inputs["input_ids"].shape[-1] - 1
    return time.perf_counter() - start, tokens


def _bare_vllm(planner: VisionLanguagePlanner, request: EngineRequest) -> tuple[float, int]:
    """Return seconds that vLLM's own `AsyncLLM.generate` takes, and the tokens it wrote."""
    engine: Any = planner._engine  # noqa: SLF001  # Its model, without the engine.

    async def generate() -> int:
        settings = engine._sampling(request, max_tokens=request.max_tokens)  # noqa: SLF001  # As above.
        prompt, tokens = engine._prompt(request), -1  # noqa: SLF001  # As above.
        stream = engine._llm.generate(prompt, settings, f"bare{time.perf_counter_ns()}")  # noqa: SLF001  # As above.
        async for output in stream:
            tokens += len(output.outputs[0].token_ids)
        return tokens

    start = time.perf_counter()
    tokens = asyncio.run_coroutine_threadsafe(generate(), engine._loop._loop).result(120)  # noqa: SLF001  # As above.
    return time.perf_counter() - start, tokens


def _memory_bytes() -> int:
    """Memory of this process and its children, shared pages counted once a process."""
    here = psutil.Process()
    return sum(each.memory_info().rss for each in (here, *here.children(recursive=True)))


if __name__ == "__main__":
    main()
