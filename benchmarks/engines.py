"""What do the engines cost over the bare generate, and how soon do they say something?

For each engine at hand: seconds to start, seconds a plan, milliseconds to the first piece of text
and to the first thought, tokens a second, memory, and the planner's time over that of the engine
alone. The transformers engine is compared with transformers' own `generate` on the same pictures,
in turn; the vLLM engine with `AsyncLLM.generate` of the same prompts.

    python -m benchmarks.engines                     # transformers
    python -m benchmarks.engines --engine vllm       # where vLLM is installed: docs/engines.md

Each engine is measured in a process of its own: memory is that process's and its children's.
"""

import argparse
import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from bridge.messages import Goal, Observation, PlanRequest, Thought
from slow_brain.engines.chat_inputs import processor_inputs
from slow_brain.engines.engine import EngineRequest, Finish, TextPiece
from slow_brain.planners.vlm import VisionLanguagePlanner

_GOAL = "put the cube in the drawer, then close and lock it"
_MOST_TOKENS = 160
_MEBIBYTE = 1 << 20


def main() -> None:
    """Measure and print; write the figures where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=("transformers", "vllm"), default="transformers")
    parser.add_argument("--plans", type=int, default=30)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = measure(options.engine, options.plans)
    for name, value in figures.items():
        print(f"{options.engine:14}{name:36} {value:9.3f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


def measure(engine: str, plans: int) -> dict[str, float]:
    """Return the figures of one engine on the shipped weights."""
    started_s = time.perf_counter()
    planner = VisionLanguagePlanner(engine=engine, max_tokens=_MOST_TOKENS)
    figures = {"start_up_s": time.perf_counter() - started_s}
    with contextlib.closing(planner):
        bare = _bare_transformers if engine == "transformers" else _bare_vllm
        # The first plan warms what is lazy, in the engine and in the bare model.
        _measure_plans(planner, bare, 2)
        figures |= _measure_plans(planner, bare, plans)
        figures["memory_mib"] = _memory_bytes() / _MEBIBYTE
    return figures


def _measure_plans(
    planner: VisionLanguagePlanner,
    bare: Callable[[VisionLanguagePlanner, EngineRequest, int], float],
    plans: int,
) -> dict[str, float]:
    """Ask planner, engine and bare model in turn, about the same pictures."""
    plan_s, first_thought_s, engine_s, first_piece_s, bare_s, tokens = [], [], [], [], [], 0
    random = np.random.default_rng(0)
    for number in range(plans):
        request = _request(random.integers(0, 255, (96, 96, 3), np.uint8), number)
        whole_s, thought_s = _time_plan(planner, request)
        plan_s.append(whole_s)
        first_thought_s.append(thought_s)
        asked = EngineRequest(turns=planner._turns(request), max_tokens=_MOST_TOKENS)  # noqa: SLF001  # The same question, without the planner.
        alone_s, piece_s, written = _time_engine(planner, asked)
        engine_s.append(alone_s)
        first_piece_s.append(piece_s)
        tokens += written
        bare_s.append(bare(planner, asked, written))
    return {
        "plan_p50_s": float(np.median(plan_s)),
        "plan_p99_s": float(np.percentile(plan_s, 99)),
        "first_thought_p50_ms": float(np.median(first_thought_s)) * 1000,
        "first_piece_p50_ms": float(np.median(first_piece_s)) * 1000,
        "tokens_per_s": tokens / sum(engine_s),
        "engine_over_bare_generate": float(np.median(np.array(engine_s) / np.array(bare_s))),
        "planner_over_engine": float(np.median(np.array(plan_s) / np.array(engine_s))),
    }


def _request(image: np.ndarray, number: int) -> PlanRequest:
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


def _time_engine(
    planner: VisionLanguagePlanner, request: EngineRequest
) -> tuple[float, float, int]:
    """Return seconds for the answer and to its first piece, and how many tokens it had."""
    start, first_s, tokens = time.perf_counter(), 0.0, 0
    for piece in planner._engine.generate(request):  # noqa: SLF001  # The engine alone.
        if isinstance(piece, TextPiece) and not first_s:
            first_s = time.perf_counter() - start
        if isinstance(piece, Finish):
            tokens = piece.tokens
    return time.perf_counter() - start, first_s, tokens


def _bare_transformers(
    planner: VisionLanguagePlanner, request: EngineRequest, tokens: int
) -> float:
    """Return seconds that transformers' own `generate` takes for as many tokens."""
    engine: Any = planner._engine  # noqa: SLF001  # Its model, without the engine.
    start = time.perf_counter()
    inputs = processor_inputs(engine._processor, request.turns)  # noqa: SLF001  # As above.
    settings = {"max_new_tokens": tokens, "min_new_tokens": tokens, "do_sample": False}
    engine._model.generate(**inputs, **settings)  # noqa: SLF001  # As above.
    return time.perf_counter() - start


def _bare_vllm(planner: VisionLanguagePlanner, request: EngineRequest, tokens: int) -> float:
    """Return seconds that vLLM's own `AsyncLLM.generate` takes for as many tokens."""
    engine: Any = planner._engine  # noqa: SLF001  # Its model, without the engine.

    async def generate() -> None:
        settings = engine._sampling(request, max_tokens=tokens)  # noqa: SLF001  # As above.
        settings.min_tokens = tokens
        prompt = engine._prompt(request)  # noqa: SLF001  # As above.
        async for _ in engine._llm.generate(prompt, settings, f"bare{time.perf_counter_ns()}"):  # noqa: SLF001  # As above.
            pass

    start = time.perf_counter()
    asyncio.run_coroutine_threadsafe(generate(), engine._loop._loop).result(120)  # noqa: SLF001  # As above.
    return time.perf_counter() - start


def _memory_bytes() -> int:
    """Memory of this process and its children, shared pages counted once a process."""
    here = psutil.Process()
    return sum(each.memory_info().rss for each in (here, *here.children(recursive=True)))


if __name__ == "__main__":
    main()
