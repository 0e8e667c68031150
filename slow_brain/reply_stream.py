"""From an engine's pieces to thoughts, and to a decision at the end."""

from bridge.messages import Thought
from slow_brain.engines.engine import Finish, TextPiece
from slow_brain.prompts.reasoning import ReasoningFilter
from slow_brain.prompts.reply import Decision, NotAPlanError, ReplyReader, ReplyRules


class ReplyStream:
    """Reads one reply while it is written.

    Args:
        reader: Of the form of reply that was asked for.
        rules: What it is read with.
    """

    def __init__(self, reader: ReplyReader, rules: ReplyRules) -> None:
        self._reader, self._rules = reader, rules
        self._reasoning = ReasoningFilter()
        self._finish: Finish | None = None
        self.text = ""
        self.is_empty = True

    def feed(self, piece: TextPiece) -> list[Thought]:
        """Return the thoughts that the piece completes.

        Raises:
            NotAPlanError: The text grows beyond any plan.
        """
        self.is_empty = False
        return self._take(*self._reasoning.feed(piece))

    def close(self, finish: Finish) -> list[Thought]:
        """Note how the answer ended; return the thoughts that only its end completes."""
        self._finish = finish
        return [*self._take(*self._reasoning.close()), *self._reader.close()]

    def finish(self) -> Decision:
        """Return the checked whole.

        Raises:
            NotAPlanError: The text is no plan, or was cut off: a shorter plan is another plan.
        """
        if self._finish is None or not self._finish.is_complete:
            count = self._finish.tokens if self._finish else 0
            raise NotAPlanError(
                expected="an answer that ends", got=f"one cut off at {count} tokens", text=self.text
            )
        return self._reader.finish()

    def _take(self, answer: str, reasoning: list[str]) -> list[Thought]:
        self.text += answer
        now_ns, plan_id = self._rules.clock.now_ns(), self._rules.plan_id
        thoughts = [
            Thought(field="THINKING", text=f"{line}\n", plan_id=plan_id, stamp_ns=now_ns)
            for line in reasoning
        ]
        return thoughts + (self._reader.feed(answer) if answer else [])
