"""What is to go wrong inside a node, and where its parts look that up."""

import msgspec

# What is wrong now in this process, by node: a plug-in cannot be told in any other way without
# changing what it is called with.
_under_way: dict[str, "FaultOrder"] = {}


class FaultOrder(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A fault to act out until `until_ns` [ns]; a target of "" means every node.

    `extra_s` [s] is how much longer work is to take, where that is the fault.
    """

    kind: str
    target: str
    until_ns: int
    seed: int
    number: int
    extra_s: float = 0.0


def set_order(node: str, order: FaultOrder | None) -> None:
    """Let a node's parts know what is wrong with it now."""
    if order is None:
        _under_way.pop(node, None)
    else:
        _under_way[node] = order


def order_for(node: str) -> FaultOrder | None:
    """What is wrong with a node now."""
    return _under_way.get(node)


def is_wrong(node: str, kind: str) -> bool:
    """Whether this is what is wrong with a node now."""
    order = _under_way.get(node)
    return order is not None and order.kind == kind
