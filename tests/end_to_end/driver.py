"""A program that runs and records an agent until it is interrupted; tests interrupt or kill it."""

import signal
import sys
from pathlib import Path
from types import FrameType

from agent.config import load_config
from agent.graph import build_graph
from agent.recording.config import RecordingConfig
from agent.recording.wiring import recorded
from agent.runtime_ray import RayRuntime


def _end(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Run the preset, say when it runs, and end it whatever happens."""
    signal.signal(signal.SIGTERM, _end)
    folder, preset, *overrides = sys.argv[1:]
    graph = build_graph(load_config(preset, overrides))
    run = RayRuntime(recorded(graph, Path(folder), RecordingConfig()))
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
