"""What became of a fault: the same questions in both worlds."""

import msgspec

from agent.faults.cases import FaultCase
from agent.faults.kinds import KINDS
from agent.faults.witness import Witness


class CaseResult(msgspec.Struct, frozen=True, kw_only=True):
    """The answers; each is "" when it is as it should be, or says what is not.

    `limits`: no command outside them. `hold`: none later than two control periods after what it
    came from had expired. `back`: at work again, or ended, as the rule says, and nothing that was
    done begun again. `told`: somebody said what happened. `left`: a run of processes that ended
    left nothing behind.

    `after_expiry_s` [s] is how long after the end of its chunk, latent or observation the latest
    command of the run came (negative: in time); `back_after_s` [s] when the goal was met, counted
    from the fault.
    """

    case: FaultCase
    limits: str = ""
    hold: str = ""
    back: str = ""
    told: str = ""
    left: str = ""
    said: tuple[str, ...] = ()
    after_expiry_s: float = 0.0
    back_after_s: float | None = None

    @property
    def troubles(self) -> dict[str, str]:
        """The questions whose answer is not as it should be."""
        questions = ("limits", "hold", "back", "told", "left")
        return {name: text for name in questions if (text := getattr(self, name))}

    @property
    def is_passed(self) -> bool:
        """Whether all is as it should be."""
        return not self.troubles


def judge(
    case: FaultCase, witness: Witness, ended_because: str, back_after_s: float | None
) -> CaseResult:
    """Judge a case when it is over.

    Args:
        case: What was injected.
        witness: Who watched.
        ended_because: Why the run ended by itself; empty if it did not.
        back_after_s: When the goal was met, from the fault on [s]; None if it was not.
    """
    limits, late = witness.new_violations()
    return CaseResult(
        case=case,
        limits="; ".join(limits),
        hold="; ".join(late),
        back=_judge_return(case, witness, ended_because, back_after_s),
        told=_judge_telling(case, witness),
        said=tuple(witness.everything_said()),
        after_expiry_s=witness.inspection().latest_after_expiry_s,
        back_after_s=back_after_s,
    )


def _judge_return(
    case: FaultCase, witness: Witness, ended_because: str, back_after_s: float | None
) -> str:
    if KINDS[case.kind].outcome == "ends":
        return "" if ended_because else "the run did not end, although it must"
    if witness.repeated:
        return witness.repeated
    if ended_because:
        return f"the run ended: {ended_because}"
    if back_after_s is None:
        return "the goal was given up" if witness.has_given_up else "the goal was not met in time"
    return ""


def _judge_telling(case: FaultCase, witness: Witness) -> str:
    wanted = KINDS[case.kind].told
    return "" if witness.has_heard(wanted) else f"nothing said {wanted!r}"
