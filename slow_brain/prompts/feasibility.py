"""Whether the robot could do a step now: a filter over what the planner says (SayCan).

SayCan (arXiv 2204.01691) multiplies how useful the language model finds a skill with how likely the
skill is to succeed here. Here the planner has chosen already, so the second factor is a filter: a
first step that is unlikely to succeed is refused, and the planner asked once more.
"""

import math
from typing import Protocol

from bridge.errors import ContractError, PlanRefusedError
from bridge.messages import PlanRequest
from bridge.nodes import blaming
from bridge.plugins import load_plugin


class Feasibility(Protocol):
    """A plug-in, a function or a class: how likely a step is to succeed now."""

    def __call__(self, subtask: str, request: PlanRequest) -> float:
        """Return a score in [0, 1]; called once a plan, for its first step."""
        ...


class FeasibilityFilter:
    """Refuses a plan whose first step scores below `least`.

    Args:
        name: Of the plug-in; "" lets everything pass.
        least: Lowest score to let pass, in [0, 1].
    """

    def __init__(self, name: str, least: float) -> None:
        self._name, self._least = name, least
        self._score: Feasibility | None = load_plugin("feasibility", name) if name else None

    def check(self, first_step: str, request: PlanRequest) -> None:
        """Let a plan pass or not, by its first step.

        Raises:
            PlanRefusedError: The step is not feasible now.
            ContractError: The score is no number in [0, 1].
            PluginError: The plug-in raised.
        """
        if self._score is None:
            return
        with blaming(self._name, "score"):
            score = float(self._score(first_step, request))
        if not (math.isfinite(score) and 0.0 <= score <= 1.0):
            raise ContractError(
                leaf=f"feasibility {self._name!r}", expected="a score in [0, 1]", got=score
            )
        if score < self._least:
            raise PlanRefusedError(
                leaf="plan",
                expected=f"a first step that can succeed now (score at least {self._least:g})",
                got=f"{first_step!r} with {score:g}",
            )
