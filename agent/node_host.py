"""One node in its process: made from its spec, stepped, counted, and heard of."""

import importlib
import os
from collections.abc import Mapping
from typing import Any

from agent.graph_parts import NodeSpec
from agent.memory_limit import MemoryLimit
from agent.process_cost import ProcessCost
from bridge.errors import PluginError
from bridge.messages import NodeHealth
from bridge.protocols import Clock, LatestValue

# How often a node gives a sign of life [s]; far below any limit for hanging.
_HEALTH_PERIOD_NS = 200_000_000


class NodeHost:
    """Holds a node and reports its health. Belongs to one thread, like the node itself."""

    def __init__(
        self,
        spec: NodeSpec,
        *,
        inputs: Mapping[str, LatestValue[Any]],
        outputs: Mapping[str, LatestValue[Any]],
        health: LatestValue[NodeHealth],
        clock: Clock,
        cost: ProcessCost | None = None,
    ) -> None:
        """Make the node.

        Args:
            spec: What to make.
            inputs: Its inputs, by role.
            outputs: Its outputs, by role.
            health: Where its signs of life go.
            clock: For stamps.
            cost: What measures its process, if it has one of its own.
        """
        self._spec = spec
        self._cost = cost
        self._health = health
        self._clock = clock
        self._memory = MemoryLimit(spec.memory_limit_mb, spec.plugin)
        self._steps = 0
        # What the kernel granted, or whatever else is worth showing beside the health.
        self.detail = ""
        # What a person should be told once.
        self.notice = ""
        self._reported_ns: int | None = None
        self._told_error = ""
        self.node = load_node_class(spec.node_class)(
            config=spec.config, inputs=inputs, outputs=outputs, clock=clock
        )

    def start(self) -> None:
        """Let the node load what it needs."""
        self.node.start()

    def step(self, now_ns: int) -> None:
        """One beat, and now and then a sign of life."""
        self.node.step(now_ns)
        self._steps += 1
        is_due = self._reported_ns is None or now_ns - self._reported_ns >= _HEALTH_PERIOD_NS
        if is_due and self._cost is not None:
            # Without a process of its own, a node's memory is not told from the others'.
            self._memory.check()
        # New trouble is heard of at once: by the next sign of life it may be over.
        if is_due or self._own("last_error") != self._told_error:
            self.report(ready=True)

    def close(self) -> None:
        """Let the node free what it holds."""
        self.node.close()

    @property
    def declared_spec(self) -> object:
        """What the node declares about its plug-in once started, or None."""
        return getattr(self.node, "spec", None)

    def report(self, *, ready: bool, error: str = "") -> None:
        """Publish the node's health now."""
        self._reported_ns = now_ns = self._clock.now_ns()
        self._told_error = self._own("last_error")
        share = self._cost.share(now_ns) if self._cost else 0.0
        notices = (self.notice, self._cost.notice if self._cost else "", self._own("notice"))
        self._health.publish(
            NodeHealth(
                node=self._spec.name,
                pid=os.getpid(),
                steps=self._steps,
                stamp_ns=now_ns,
                ready=ready,
                last_error=error or self._told_error,
                detail=self.detail,
                cpu_share=share,
                notice="; ".join(filter(None, notices)),
            )
        )

    def _own(self, name: str) -> str:
        """What the node says itself, if it does."""
        return str(getattr(self.node, name, ""))


def load_node_class(path: str) -> Any:  # noqa: ANN401  # A class that meets the Node protocol.
    """Import the class of a node.

    Raises:
        PluginError: The module or the class is not there, or the import raised.
    """
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:
        # An import runs other people's code, which may raise anything at all.
        raise PluginError(plugin=path, verb="import", cause=error) from error
