"""Runs an agent in virtual time while people say what was said, and records that as well."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from agent.config import AgentConfig
from agent.graph import build_graph
from agent.recording.wiring import recorded
from agent.replaying.voices import Said
from agent.runtime_local import LocalRuntime
from agent.tracing.runs import Run
from bridge.clock import ManualClock
from bridge.errors import RuntimeStopped

_NS_PER_S = 1_000_000_000
# Virtual time to run on after all is over, so that what follows is in the trace [s].
SETTLE_S = 1.0


class VirtualRun:
    """An agent in virtual time that begins at a given stamp; use it once.

    Args:
        config: The agent.
        begin_ns: What its clock shows at the beginning [ns].
        folder: Where its trace goes; made when it starts.
        left: What stands in mailboxes when it begins, by mailbox.
    """

    def __init__(
        self,
        config: AgentConfig,
        begin_ns: int,
        folder: Path,
        left: Mapping[str, object] | None = None,
    ) -> None:
        self._folder = folder
        settings = config.model_dump_json(exclude={"serve": {"token"}})
        graph = recorded(build_graph(config), folder, config.recording, settings)
        self.runtime = LocalRuntime(graph, clock=ManualClock(begin_ns))
        for mailbox, message in (left or {}).items():
            self.runtime.leave(mailbox, message)

    def live(
        self,
        said: Iterable[Said],
        until_ns: int,
        *,
        prepare: Callable[[LocalRuntime], None] | None = None,
        is_over: Callable[[LocalRuntime], bool] | None = None,
    ) -> Run:
        """Run to the end, and return what was recorded of it.

        Args:
            said: What is told to it, in order of time; what is older than its beginning at once.
            until_ns: When it ends at the latest [ns].
            prepare: Called when all nodes are up and nothing has moved.
            is_over: Asked once all has been said; it ends a second after this has become true.

        Raises:
            TandemError: The agent could not be started.
        """
        runtime = self.runtime
        try:
            runtime.start()
            if prepare is not None:
                prepare(runtime)
            self._live(said, until_ns, is_over or _never)
        except RuntimeStopped:
            # Why it ended early is in its trace, which is what is asked for.
            pass
        finally:
            runtime.stop()
        return Run(self._folder)

    def _live(
        self, said: Iterable[Said], until_ns: int, is_over: Callable[[LocalRuntime], bool]
    ) -> None:
        for word in said:
            if word.stamp_ns > until_ns:
                break
            # What happens at this instant happens first: who spoke was not heard within no time.
            if word.stamp_ns > self.runtime.clock.now_ns():
                self.runtime.run_for(self._left_s(word.stamp_ns))
            self.runtime.publish(word.mailbox, word.message)
        if self.runtime.run_until(lambda: is_over(self.runtime), self._left_s(until_ns)):
            self.runtime.run_for(min(SETTLE_S, self._left_s(until_ns)))

    def _left_s(self, stamp_ns: int) -> float:
        return max(0, stamp_ns - self.runtime.clock.now_ns()) / _NS_PER_S


def _never(runtime: LocalRuntime) -> bool:
    del runtime
    return False
