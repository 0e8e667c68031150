"""What the control loop tells of safety: news only, when something is not as it was a tick ago.

The verdict of every single tick is in its command, and in the loop's own record of ticks.
"""

import json

import structlog

from bridge.messages import Decision, Hold
from bridge.nodes import Mailboxes
from bridge.specs import ActionSpec
from bridge.trace import emit
from fast_brain.control_loop import ControlLoop
from fast_brain.ladder import Rung

_log = structlog.get_logger(__name__)


class SafetyNews:
    """Emits `ladder.moved`, `safety.verdict` and `robot.held` when they change."""

    def __init__(self, outputs: Mailboxes) -> None:
        self._outputs = outputs
        self._rung = Rung.FRESH
        self._verdict = ("passed", "")
        self._held = ""

    def limits(self, spec: ActionSpec, stopping_ticks: tuple[float, int], now_ns: int) -> None:
        """Tell once which limits are kept, and which were waived for which reason."""
        if spec.waived:
            _log.info("safety.waived", **spec.waived)
        emit(
            self._outputs,
            "safety.limits",
            now_ns,
            names=list(spec.names),
            low=list(spec.low),
            high=list(spec.high),
            max_speed=list(spec.max_speed),
            max_acceleration=list(spec.max_acceleration),
            max_jerk=list(spec.max_jerk),
            waived=json.dumps(spec.waived),
            stop_ticks=stopping_ticks[0],
            planned_ticks=stopping_ticks[1],
        )

    def note(self, loop: ControlLoop, decision: Decision, now_ns: int) -> None:
        """Look at what the tick has decided."""
        rung, verdict = loop.ladder.rung, loop.verdict
        if rung is not self._rung:
            self._tell_move(loop, rung, now_ns)
        if (verdict.kind, verdict.reason) != self._verdict:
            self._verdict = (verdict.kind, verdict.reason)
            facts = {f"{name}_by": change for name, change in verdict.changes.items()}
            emit(
                self._outputs,
                "safety.verdict",
                now_ns,
                verdict=verdict.kind,
                reason=verdict.reason,
                clipped_by=verdict.clipped_by,
                **facts,
            )
        held = str(decision.reason) if isinstance(decision, Hold) else ""
        if held != self._held:
            self._held = held
            age_s = decision.age_s if isinstance(decision, Hold) else 0.0
            kind = "robot.held" if held else "robot.released"
            emit(self._outputs, kind, now_ns, reason=held, age_s=age_s)

    def _tell_move(self, loop: ControlLoop, rung: Rung, now_ns: int) -> None:
        emit(
            self._outputs,
            "ladder.moved",
            now_ns,
            before=str(self._rung),
            rung=str(rung),
            cause=loop.ladder.cause,
            latent_age_s=loop.latent_age_s(now_ns),
        )
        self._rung = rung
