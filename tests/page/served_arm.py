"""The point arm in virtual time, served with its pages: small, quick to start, and without Ray.

    python tests/page/served_arm.py FOLDER PORT TOKEN READ_ONLY_TOKEN

Time passes three times as fast as on the wall. SIGUSR1 hangs the planner; SIGTERM ends everything.
"""

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from agent.config import AgentConfig, load_config
from agent.graph import build_graph
from agent.graph_parts import Graph
from agent.logs import configure_logs
from agent.recording.folder import new_run_folder
from agent.recording.wiring import recorded
from agent.runtime_local import LocalRuntime
from agent.serve import serving
from agent.supervisor import Incident
from bridge.clock import ManualClock
from bridge.errors import RuntimeStopped
from bridge.messages import Goal, NodeHealth

SPEED = 3.0
_BEAT_S = 0.02
_SETTINGS = (
    "fast_brain.policy=straight_line",
    "slow_brain.planner_options.subtask_duration_s=3",
    # Between two plans there is time to read what was thought.
    "slow_brain.rate_hz=0.7",
)


class PacedRuntime:
    """A run in virtual time that goes on by itself; callable from any thread, one at a time."""

    def __init__(self, graph: Graph) -> None:
        self._run = LocalRuntime(graph)
        self._one_at_a_time = threading.Lock()
        self._is_over = threading.Event()
        self._pacer = threading.Thread(target=self._keep_pace, daemon=True)

    @property
    def clock(self) -> ManualClock:
        """Virtual time."""
        return self._run.clock

    @property
    def stopped_because(self) -> str:
        """Why the run has ended."""
        return self._run.stopped_because

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """What fell."""
        return self._run.incidents

    @property
    def specs(self) -> Mapping[str, object]:
        """What the nodes declare."""
        return self._run.specs

    def start(self) -> None:
        """Start the run, and let time pass."""
        self._run.start()
        self._pacer.start()

    def publish(self, name: str, message: Any) -> None:
        """Put a message into a mailbox."""
        with self._one_at_a_time:
            self._run.publish(name, message)

    def read(self, name: str) -> Any:
        """The newest message of a mailbox."""
        with self._one_at_a_time:
            return self._run.read(name)

    def health(self) -> Mapping[str, NodeHealth]:
        """The nodes' signs of life."""
        with self._one_at_a_time:
            return self._run.health()

    def run_until(self, predicate: Callable[[], bool], timeout_s: float) -> bool:
        """Not needed here: time passes by itself."""
        raise NotImplementedError

    def hang(self, node: str) -> None:
        """Let a node do nothing for an hour."""
        with self._one_at_a_time:
            self._run.freeze(node, 3600.0)

    def stop(self, timeout_s: float | None = None) -> None:
        """End everything."""
        self._is_over.set()
        self._pacer.join(timeout=10)
        with self._one_at_a_time:
            self._run.stop()

    def _keep_pace(self) -> None:
        with contextlib.suppress(RuntimeStopped):
            while not self._is_over.wait(timeout=_BEAT_S):
                with self._one_at_a_time:
                    self._run.run_for(_BEAT_S * SPEED)


def record_a_run(config: AgentConfig) -> None:
    """A run that was over before: the arm reaches one place, then the other."""
    folder = new_run_folder(config.recording.folder)
    run = LocalRuntime(recorded(build_graph(config), folder, config.recording))
    with _ended(run):
        run.start()
        stamp_ns = run.clock.now_ns()
        run.publish("goal", Goal(text="reach both", id="g1", source="test", stamp_ns=stamp_ns))
        run.run_for(20.0)


@contextlib.contextmanager
def _ended(run: LocalRuntime) -> Generator[None]:
    try:
        yield
    finally:
        run.stop()


def main() -> None:
    """Serve until SIGTERM."""
    folder, port, token, read_only = sys.argv[1:]
    config = load_config(
        "point_arm",
        [
            *_SETTINGS,
            f"serve.port={port}",
            f"serve.token={token}",
            f"serve.read_only_token={read_only}",
            f"recording.folder={folder}",
        ],
    )
    configure_logs(level="WARNING")
    over, runs = threading.Event(), list[PacedRuntime]()

    def end(number: int, frame: FrameType | None) -> None:
        over.set()

    def hang(number: int, frame: FrameType | None) -> None:
        # Not from here: this may have interrupted whoever holds the lock.
        threading.Thread(target=runs[0].hang, args=("planner",)).start()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGUSR1, hang)
    if not any(Path(folder).iterdir()):
        record_a_run(config)

    def make(graph: Graph) -> PacedRuntime:
        runs.append(PacedRuntime(graph))
        return runs[0]

    with serving(config, make_runtime=make) as served:
        sys.stdout.write(f"serving {served.address}\n")
        sys.stdout.flush()
        over.wait(timeout=600)


if __name__ == "__main__":
    main()
