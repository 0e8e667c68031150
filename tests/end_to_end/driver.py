"""A program that runs an agent until it is interrupted; tests interrupt or kill it."""

import signal
import sys
from types import FrameType

from agent.config import load_config
from agent.graph import build_graph
from agent.runtime_ray import RayRuntime


def _end(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Run the preset, say when it runs, and end it whatever happens."""
    signal.signal(signal.SIGTERM, _end)
    run = RayRuntime(build_graph(load_config(sys.argv[1], sys.argv[2:])))
    try:
        run.start()
        run.run_until(lambda: run.read("loop_status") is not None, 20)
        sys.stdout.write("running\n")
        sys.stdout.flush()
        run.run_until(lambda: False, 60)
    except KeyboardInterrupt:
        sys.stdout.write("interrupted\n")
    finally:
        run.stop()
    sys.stdout.write(f"ended: {run.stopped_because}\n")


if __name__ == "__main__":
    main()
