"""A program that runs presets in virtual time, one after the other, and says how each went."""

import json
import sys

from starting import make_runtime

from agent.logs import configure_logs
from bridge.messages import Goal

_SECONDS = 3.0


def run(preset: str, *overrides: str) -> dict[str, object]:
    """What the loop decided, what was planned, and what the nodes complained of."""
    runtime = make_runtime("local", preset, *overrides)
    runtime.start()
    try:
        goal = Goal(text="reach left", id="g", source="test", stamp_ns=runtime.clock.now_ns())
        runtime.publish("goal", goal)
        runtime.run_until(lambda: False, _SECONDS)
        chunk = runtime.read("chunk")
        return {
            "decision": runtime.read("loop_status").last_decision,
            "plans": runtime.read("planning").plans_made,
            "subtasks": [f"{each.text} {each.state}" for each in runtime.read("planning").subtasks],
            "latent_age_s": chunk.latent_age_s if chunk else None,
            "errors": [sign.last_error for sign in runtime.health().values() if sign.last_error],
        }
    finally:
        runtime.stop()


if __name__ == "__main__":
    configure_logs()
    # Each argument is a preset and its overrides, as a JSON list.
    sys.stdout.write(json.dumps([run(*json.loads(words)) for words in sys.argv[1:]]))
