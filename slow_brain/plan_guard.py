"""What every plan must pass before it takes effect, whoever made it."""

from collections.abc import Sequence

from msgspec.structs import replace

from bridge.errors import PlanRefusedError
from bridge.messages import Plan, PlanRequest
from slow_brain.prompts.feasibility import FeasibilityFilter
from slow_brain.prompts.reply import plain_step

# What a status has room for.
MOST_STEPS = 200
LONGEST_STEP = 500
_NAMED_AT_MOST = 5


class PlanGuard:
    """Lets a plan pass whose steps the robot can do, and whose first one can succeed now.

    Args:
        feasibility: Scores the first step (SayCan).
    """

    def __init__(self, feasibility: FeasibilityFilter) -> None:
        self._feasibility = feasibility

    def checked(self, plan: Plan, request: PlanRequest) -> Plan:
        """Return the plan with its steps in the robot's own words.

        Raises:
            PlanRefusedError: It has too many steps or too long ones, one is no skill of the
                robot's, or the first is not feasible now.
            PluginError: The feasibility plug-in raised.
        """
        _check_size(plan)
        if request.skills:
            plan = _in_the_robots_words(plan, request.skills)
        if plan.subtasks and not plan.goal_done:
            self._feasibility.check(plan.subtasks[0].text, request)
        return plan


def _check_size(plan: Plan) -> None:
    if len(plan.subtasks) > MOST_STEPS:
        raise PlanRefusedError(
            leaf="plan", expected=f"at most {MOST_STEPS} steps", got=len(plan.subtasks)
        )
    longest = max((len(step.text) for step in plan.subtasks), default=0)
    if longest > LONGEST_STEP:
        raise PlanRefusedError(
            leaf="plan", expected=f"steps of at most {LONGEST_STEP} characters", got=longest
        )


def _in_the_robots_words(plan: Plan, skills: Sequence[str]) -> Plan:
    known = {plain_step(skill): skill for skill in skills}
    unknown = [step.text for step in plan.subtasks if plain_step(step.text) not in known]
    if unknown:
        raise PlanRefusedError(
            leaf="plan",
            expected=f"steps that the robot knows ({', '.join(skills)})",
            got=", ".join(unknown[:_NAMED_AT_MOST]),
        )
    steps = tuple(replace(step, text=known[plain_step(step.text)]) for step in plan.subtasks)
    return replace(plan, subtasks=steps)
