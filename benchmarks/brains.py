"""How long do the shipped brains think, on one core?

The policy: milliseconds a chunk from two pictures, with memory full. The planner: seconds a plan,
milliseconds to the first word, tokens a second; beside it, the same model through transformers'
own `generate`, in turn on the same pictures.

    python -m benchmarks.brains --json brains.json
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from bridge.messages import MemoryView, Observation
from fast_brain.policies.flow import FlowPolicy
from slow_brain.checkpoint import load
from slow_brain.decoding import TextDecoder, TextPiece
from slow_brain.engines.model_files import SHIPPED_WEIGHTS
from slow_brain.prompt import planner_prompt

_PROMPT = planner_prompt("put the cube in the drawer, then close and lock it", [], None)
_MEMORY_LENGTH = 8
_MOST_TOKENS = 160


def main() -> None:
    """Measure and print; write the figures where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--chunks", type=int, default=100)
    parser.add_argument("--plans", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    figures = policy_figures(options.chunks) | planner_figures(options.plans)
    for name, value in figures.items():
        print(f"{name:36} {value:9.3f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


def _timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def policy_figures(chunks: int) -> dict[str, float]:
    """Return milliseconds a chunk at the median and the 99th percentile."""
    policy, random = FlowPolicy(), np.random.default_rng(0)
    image = random.integers(0, 255, (96, 96, 3), np.uint8)
    pose = np.array([0.32, 0.0, 0.3, 0.4, 0.0], np.float32)
    observation = Observation(
        stamp_ns=0,
        sequence=0,
        images={"front": image, "wrist": image},
        proprioception={"gripper_pose_in_base": pose, "gripper_contact": np.zeros(1, np.float32)},
    )
    spec = policy.spec.latent
    if spec is None:
        return {}
    shape = (_MEMORY_LENGTH, spec.perceptual_tokens, spec.width)
    memory = MemoryView(
        perceptual=random.normal(size=shape).astype(np.float32),
        cognitive=random.normal(size=(_MEMORY_LENGTH, 1, spec.width)).astype(np.float32),
        time_s=np.arange(_MEMORY_LENGTH, dtype=np.float32),
        newest_age_s=0.5,
        latent_sequence=1,
        now_s=float(_MEMORY_LENGTH),
    )
    times = [_timed(lambda: policy.act(observation, memory, 0)) for _ in range(chunks)]
    p50, p99 = np.percentile(times[3:], [50, 99]) * 1000
    return {"policy_chunk_p50_ms": float(p50), "policy_chunk_p99_ms": float(p99)}


def planner_figures(plans: int) -> dict[str, float]:
    """Return seconds a plan, tokens a second, and the ratio to transformers' `generate`."""
    model, processor = load(SHIPPED_WEIGHTS)
    decoder, random = TextDecoder(model, processor), np.random.default_rng(0)
    plan_s, first_s, generate_s, tokens = [], [], [], 0
    for _ in range(plans):
        image = random.integers(0, 255, (96, 96, 3), np.uint8)
        start, text = time.perf_counter(), ""
        for piece in decoder.decode(_PROMPT, image, _MOST_TOKENS):
            if isinstance(piece, TextPiece):
                if not text:
                    first_s.append(time.perf_counter() - start)
                text += piece.text
        plan_s.append(time.perf_counter() - start)
        count = len(processor.tokenizer(text)["input_ids"]) + 1
        tokens += count
        inputs = processor(text=[_PROMPT], images=[[image]], return_tensors="pt")
        settings = {"max_new_tokens": count, "min_new_tokens": count, "do_sample": False}
        generate_s.append(_timed(lambda i=inputs, s=settings: model.generate(**i, **s)))
    return {
        "plan_p50_s": float(np.median(plan_s)),
        "first_word_p50_ms": float(np.median(first_s)) * 1000,
        "tokens_per_s": tokens / sum(plan_s),
        "plan_time_ratio_to_generate": sum(plan_s) / sum(generate_s),
    }


if __name__ == "__main__":
    main()
