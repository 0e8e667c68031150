"""Any node of the graph with something that may go wrong in it: wraps the node and its outputs."""

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec.structs import replace

from agent.faults.kinds import KINDS
from agent.faults.orders import FaultOrder, is_wrong, set_order
from agent.faults.surroundings import fill_disk, shift_wall_clock
from agent.node_host import load_node_class
from bridge.messages import ActionChunk
from bridge.nodes import Mailboxes, read_input
from bridge.protocols import Clock, LatestValue

FAULT_INPUT = "fault"
_HOUR_S = 3600.0


@dataclass(frozen=True)
class FaultyNodeConfig:
    """Which node it really is, and that node's own settings."""

    name: str
    node_class: str
    config: object


class FaultyNode:
    """Does what the node does, and what the orders of its input `fault` say goes wrong.

    Everything else that a runtime looks for, such as `spec` and `last_error`, is the node's own.
    """

    def __init__(
        self, *, config: FaultyNodeConfig, inputs: Mailboxes, outputs: Mailboxes, clock: Clock
    ) -> None:
        self._name = config.name
        self._orders = inputs
        self._clock = clock
        self._order: FaultOrder | None = None
        self._outlived = 0
        wrapped = {role: _FaultyOutput(config.name, role, box) for role, box in outputs.items()}
        own = {role: box for role, box in inputs.items() if role != FAULT_INPUT}
        self.node: Any = load_node_class(config.node_class)(
            config=config.config, inputs=own, outputs=wrapped, clock=clock
        )

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # Whatever the node has.
        return getattr(self.node, name)

    def start(self) -> None:
        """Start the node; a fault that its last life died of is over."""
        set_order(self._name, None)
        order: FaultOrder | None = read_input(self._orders, FAULT_INPUT)
        if order is not None and KINDS[order.kind].is_one_shot:
            self._outlived = order.number
        self.node.start()

    def step(self, now_ns: int) -> None:
        """One beat of the node, with whatever is wrong now."""
        self._obey(now_ns)
        self.node.step(now_ns)

    def close(self) -> None:
        """Close the node."""
        set_order(self._name, None)
        self.node.close()

    def _obey(self, now_ns: int) -> None:
        order: FaultOrder | None = read_input(self._orders, FAULT_INPUT)
        if order is not None and not self._concerns_me(order, now_ns):
            order = None
        set_order(self._name, order)
        if order != self._order:
            self._order = order
            shift_wall_clock(_wall_clock_shift_s(order))
            fill_disk(is_full=order is not None and order.kind == "disk_full")

    def _concerns_me(self, order: FaultOrder, now_ns: int) -> bool:
        is_mine = order.target in ("", self._name)
        return is_mine and order.number > self._outlived and now_ns < order.until_ns


def _wall_clock_shift_s(order: FaultOrder | None) -> float:
    if order is None:
        return 0.0
    return {"clock_forward": _HOUR_S, "clock_back": -_HOUR_S}.get(order.kind, 0.0)


class _FaultyOutput:
    """A mailbox that spoils or loses what its writer publishes, while it is told to."""

    def __init__(self, node: str, role: str, mailbox: LatestValue[Any]) -> None:
        self._node = node
        self._role = role
        self._mailbox = mailbox

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # Whatever the mailbox has.
        return getattr(self._mailbox, name)

    def publish(self, message: Any) -> None:  # noqa: ANN401  # The mailbox's own type.
        """Publish what becomes of the message, if anything."""
        if is_wrong(self._node, f"{self._role}_lost"):
            return
        if self._role == "chunk":
            message = _spoilt(self._node, message)
        self._mailbox.publish(message)


def _spoilt(node: str, chunk: ActionChunk) -> ActionChunk:
    """The chunk as it arrives."""
    for kind in ("nan", "inf", "huge", "wrong_shape"):
        if is_wrong(node, f"chunk_{kind}"):
            return replace(chunk, actions=spoil_actions(kind, chunk.actions, chunk.sequence))
    return chunk


def spoil_actions(kind: str, actions: Any, seed: int) -> Any:  # noqa: ANN401  # A float array.
    """Actions [H, A] with one kind of rubbish in them; where, is drawn from the seed."""
    drawing = random.Random(seed)  # noqa: S311  # Rubbish, not secrets.
    spoilt = np.array(actions)
    if kind == "wrong_shape":
        return drawing.choice([spoilt[:, :-1], spoilt[:0], spoilt.ravel(), spoilt[None]])
    value = {"nan": np.nan, "inf": drawing.choice([np.inf, -np.inf])}.get(kind)
    if value is None:
        value = drawing.choice([1e3, -1e3, 3e38, -3e38])
    row = drawing.randrange(spoilt.shape[0]) if kind != "huge" else slice(None)
    spoilt[row, drawing.randrange(spoilt.shape[1])] = value
    return spoilt
