"""The rival's way to have two brains, for comparison: the arm is frozen while the planner thinks.

Shipped runners of hierarchical policies ask the planner and wait for it: from each question to its
answer the robot holds (LeRobot's rollout: "robot holds while text is generated"). With
`runtime.coupling: synchronous` the virtual runtime does the same with the same nodes: from the
instant at which the planner begins to think until its answer the policy is not stepped and the
control loop holds. To be fair to the rival, the policy acts at the very instant of the answer.
"""

from typing import Any

from agent.virtual_node import VirtualNode
from bridge.messages import StopRequest
from bridge.protocols import LatestValue

_SOURCE = "synchronous coupling"


def waiting_rate_hz(delay_s: float, act_for_s: float) -> float:
    """How often a planner may be asked [Hz] that is waited for, and then let act for a while.

    Rates count from question to question, so asked as often as one that nobody waits for, a slow
    planner would leave the arm no time to act at all.

    Args:
        delay_s: From a question to its answer [s].
        act_for_s: From the answer to the next question [s].
    """
    return 1.0 / (delay_s + act_for_s)


class SynchronousCoupling:
    """Holds the policy and the arm back while the planner is busy.

    Args:
        planner: Who is waited for.
        policy: Who waits.
        stop: What the control loop is to read instead of the `stop` from outside.
    """

    def __init__(self, planner: VirtualNode, policy: VirtualNode, stop: "PausableStop") -> None:
        self._planner = planner
        self._policy = policy
        self._stop = stop
        self._frozen_until_ns = 0

    def follow(self, now_ns: int) -> None:
        """Freeze the arm if the planner has begun to think; called after each step of its."""
        answer_ns = self._planner.busy_until_ns
        if answer_ns <= max(now_ns, self._frozen_until_ns):
            return
        self._frozen_until_ns = answer_ns
        self._policy.hold_back_until(answer_ns)
        self._stop.pause(now_ns)


class PausableStop:
    """What the control loop reads as `stop`: a person's request, or the pause if that is newer.

    A pause is a stop that nobody has to release: what was under way is dropped, and chunks made
    from what is seen after it move the robot again. A latched stop is never hidden by it.
    """

    def __init__(self, outside: LatestValue[Any]) -> None:
        self._outside = outside
        self._pause: StopRequest | None = None

    def pause(self, now_ns: int) -> None:
        """Hold from now on until there is a chunk made from something newer."""
        self._pause = StopRequest(
            reason="the planner thinks", source=_SOURCE, latched=False, stamp_ns=now_ns
        )

    def read(self) -> StopRequest | None:
        """The request that counts now."""
        asked: StopRequest | None = self._outside.read()
        if asked is None or self._pause is None:
            return asked or self._pause
        return asked if asked.latched or asked.stamp_ns > self._pause.stamp_ns else self._pause

    @property
    def version(self) -> int:
        """How many requests came from outside so far."""
        return self._outside.version
