"""One hit may be noise: a verdict counts when it has come several times in a row."""


class ConsecutiveHits:
    """Counts hits in a row, each piece of evidence once.

    Args:
        wanted: How many in a row make a verdict, ≥ 1.
    """

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._count = 0
        self._newest: object = None

    def note(self, evidence_id: object, *, is_hit: bool) -> bool:
        """Take in one piece of evidence; say whether there are enough hits in a row by now.

        Args:
            evidence_id: Tells pieces apart; the same one again changes nothing.
            is_hit: A miss begins the count anew.
        """
        if evidence_id != self._newest:
            self._newest = evidence_id
            self._count = self._count + 1 if is_hit else 0
        return self._count >= self._wanted

    def forget(self) -> None:
        """Begin the count anew; what was counted last is still not counted twice."""
        self._count = 0
