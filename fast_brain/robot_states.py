"""Tells the trace the state of a simulated robot once a second, so that a run can be forked."""

import base64

from bridge.errors import ContractError, TandemError
from bridge.nodes import Mailboxes, blaming
from bridge.protocols import RestorableRobot
from bridge.trace import TRACE, emit

_PERIOD_NS = 1_000_000_000
# The ring of a node holds half a megabyte, in which its other events need room too.
LARGEST_STATE_BYTES = 128 * 1024


class RobotStates:
    """Asks for snapshots while somebody records; one that fails ends that, not the run.

    Args:
        robot: Whose state; anything that is no `RestorableRobot` is left alone.
        name: The robot's plug-in, to name it when it fails.
        outputs: Of the robot's node.
    """

    def __init__(self, robot: object, name: str, outputs: Mailboxes) -> None:
        self._robot: RestorableRobot | None = None
        if isinstance(robot, RestorableRobot) and TRACE in outputs:
            self._robot = robot
        self._name = name
        self._outputs = outputs
        self._due_ns = 0

    def note(self, now_ns: int) -> None:
        """Tell the state, if a second has passed since the last one."""
        if self._robot is None or now_ns < self._due_ns:
            return
        self._due_ns = now_ns + _PERIOD_NS
        try:
            state = self._take(self._robot)
        except TandemError as error:
            self._robot = None
            trouble = f"{error} This run cannot be forked from here on."
            emit(self._outputs, "robot.state_failed", now_ns, error=trouble)
        else:
            text = base64.b64encode(state).decode()
            emit(self._outputs, "robot.state", now_ns, robot=self._name, state=text)

    def _take(self, robot: RestorableRobot) -> bytes:
        with blaming(self._name, "snapshot"):
            state = bytes(robot.snapshot())
        if len(state) > LARGEST_STATE_BYTES:
            raise ContractError(
                leaf=f"robot {self._name!r} snapshot",
                expected=f"at most {LARGEST_STATE_BYTES} bytes",
                got=f"{len(state)} bytes",
            )
        return state
