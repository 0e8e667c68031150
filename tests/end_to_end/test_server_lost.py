"""The planner's server goes down in the middle of a run: down the ladder, and up again."""

import json

import pytest
from starting import make_runtime

from agent.runtime_local import LocalRuntime
from bridge.messages import Goal
from tests.slow_brain.engines.chat_server import fails, serving, writes

pytest.importorskip("openai")
RUNGS = ["fresh", "stale_latent", "text_only", "hold"]


def pooled(answering: object) -> None:
    """States of two tokens, eight wide."""
    row = {"index": 0, "data": [[0.0] * 8, [1.0] * 8]}
    answering.reply({"data": [row]})  # pyright: ignore[reportAttributeAccessIssue]


def run_with(chat: str, pool: str) -> LocalRuntime:
    """The point arm, planned for by a model behind a server; the policy asks for latents."""
    pooling = {"base_url": pool, "width": 8, "perceptual_tokens": 1}
    options = {
        "engine": "openai",
        "prompt": "plain_list",
        "engine_options": {
            "base_url": chat,
            "retries": 0,
            "latents": {"source": "pooling", **pooling},
        },
    }
    run = make_runtime(
        "local",
        "point_arm",
        "fast_brain.policy=listening:ListeningPolicy",
        "slow_brain.planner=vlm",
        f"slow_brain.planner_options={json.dumps(options)}",
        "slow_brain.rate_hz=2",
        "slow_brain.replan_budget=1000",
        "slow_brain.triggers.replans_per_subtask=1000",
        "slow_brain.subtask_timeout_s=600",
        "fast_brain.stale_after_s=2",
        "fast_brain.hold_after_s=5",
    )
    assert isinstance(run, LocalRuntime)
    return run


def test_a_lost_server_leads_down_the_ladder_and_back() -> None:
    """The old plan stays, the loop goes on, the robot is held, then it acts on fresh latents."""
    words = "done: no\n1. reach left"
    with serving(pooled) as pool, serving(writes(words), writes(words)) as chat:
        run = run_with(chat.url, pool.url.removesuffix("/v1"))
        run.start()
        seen: list[str] = []

        def has_come_to(rung: str) -> bool:
            status = run.read("loop_status")
            if status is not None and seen[-1:] != [status.rung]:
                seen.append(status.rung)
            return seen[-1:] == [rung]

        def has_plan() -> bool:
            status = run.read("planning")
            return status is not None and status.plans_made > 1 and has_come_to("fresh")

        try:
            goal = Goal(text="go left", id="g", source="test", stamp_ns=run.clock.now_ns())
            run.publish("goal", goal)
            assert run.run_until(has_plan, 10)
            chat.behaviours[:] = [fails(503)]
            ticks = run.read("loop_status").ticks
            assert run.run_until(lambda: has_come_to("hold"), 40)
            assert seen == RUNGS
            assert run.read("loop_status").ticks > ticks + 200
            assert "answered 503" in run.health()["planner"].last_error
            assert [each.text for each in run.read("planning").subtasks] == ["reach left"]
            chat.behaviours[:] = [writes(words)]
            assert run.run_until(lambda: has_come_to("fresh"), 40)
        finally:
            run.stop()
