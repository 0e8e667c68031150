"""What a reasoning model writes to itself before it answers, told line by line and kept apart."""

from slow_brain.engines.engine import TextPiece

_BEGIN, _END = "<think>", "</think>"


class ReasoningFilter:
    """Splits pieces into answer and lines of reasoning.

    Some engines mark reasoning themselves; with others it stands between tags before the answer.
    """

    def __init__(self) -> None:
        self._line = ""
        # Text that may still turn out to be the beginning of a tag.
        self._held = ""
        self._state = "before"

    def feed(self, piece: TextPiece) -> tuple[str, list[str]]:
        """Return the piece's share of the answer, and the lines of reasoning it completes."""
        if piece.is_reasoning:
            return "", self._reason(piece.text)
        self._held += piece.text
        if self._state == "before":
            self._look_for_beginning()
        if self._state == "inside":
            return self._look_for_end()
        if self._state == "before":
            return "", []
        text, self._held = self._held, ""
        return text, []

    def close(self) -> tuple[str, list[str]]:
        """Return what was held back, and the last line of reasoning."""
        text = self._held if self._state == "before" else ""
        rest = self._held if self._state == "inside" else ""
        lines = self._reason(f"{rest}\n")
        self._held = ""
        return text, lines

    def _look_for_beginning(self) -> None:
        begun = self._held.lstrip()
        if begun.startswith(_BEGIN):
            self._state, self._held = "inside", begun.removeprefix(_BEGIN)
        elif not _BEGIN.startswith(begun):
            self._state = "after"

    def _look_for_end(self) -> tuple[str, list[str]]:
        thought, end, answer = self._held.partition(_END)
        if not end:
            # Keep back as much as could be the beginning of the closing tag.
            cut = max(len(self._held) - len(_END), 0)
            thought, self._held = self._held[:cut], self._held[cut:]
            return "", self._reason(thought)
        self._state, self._held = "after", ""
        return answer, self._reason(f"{thought}\n")

    def _reason(self, text: str) -> list[str]:
        *whole, self._line = (self._line + text).split("\n")
        return [line.strip() for line in whole if line.strip()]
