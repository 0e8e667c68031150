"""One call of a planner: its results one by one, its refusals, and who is to blame."""

from collections.abc import Iterator
from typing import cast

from bridge.errors import PlanRefusedError
from bridge.messages import PlanRequest, Thinking
from bridge.nodes import blaming
from bridge.protocols import Planner

# A planner that will not learn ends like any other that has no plan.
_MOST_REFUSALS = 3
_End = object()


class PlannerCall:
    """Iterates over what a planner yields; what it raises that is not ours is a `PluginError`.

    Use with `contextlib.closing`: closing runs the planner's own clean-up, whatever ended the loop.

    Args:
        planner: Who is asked.
        request: What about.
        name: What it is called, for blame.
    """

    def __init__(self, planner: Planner, request: PlanRequest, name: str) -> None:
        self._name = name
        self._refusal: PlanRefusedError | None = None
        self._refusals = 0
        with blaming(name, "plan"):
            # Not every planner is a generator: one may do all its work in the call.
            self._results = iter(planner.plan(request))

    def __iter__(self) -> Iterator[Thinking]:
        return self

    def __next__(self) -> Thinking:
        """The next result; after a refusal, what the planner has to say to that.

        Raises:
            PlanRefusedError: The plan was refused, and the planner has no other.
            PluginError: It raised.
        """
        refusal, self._refusal = self._refusal, None
        with blaming(self._name, "plan"):
            result = next(self._results, _End) if refusal is None else self._answer_to(refusal)
        if result is _End:
            raise StopIteration
        return cast("Thinking", result)

    def refuse(self, error: PlanRefusedError) -> None:
        """The plan that came last is refused: the planner hears why, and may yield another.

        Raises:
            PlanRefusedError: It has been refused too often.
        """
        self._refusals += 1
        if self._refusals > _MOST_REFUSALS:
            raise error
        self._refusal = error

    def _answer_to(self, refusal: PlanRefusedError) -> object:
        throw = getattr(self._results, "throw", None)
        if throw is None:
            raise refusal
        try:
            return throw(refusal)
        except StopIteration:
            # It took note and has nothing else to say.
            raise refusal from None

    def close(self) -> None:
        """End the planner's work.

        Raises:
            PluginError: Its clean-up raised.
        """
        close = getattr(self._results, "close", None)
        if close is not None:
            with blaming(self._name, "plan"):
                close()
