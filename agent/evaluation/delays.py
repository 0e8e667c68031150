"""Delays that somebody types, as numbers separated by commas."""

from bridge.errors import ConfigError


def parse_delays(text: str, *, option: str, longest: float, unit: str, example: str) -> list[float]:
    """The delays in a text, in its order.

    Args:
        text: What was typed.
        option: Where, for the error.
        longest: Largest that makes sense [unit].
        unit: "s" or "ms".
        example: How to write it.

    Raises:
        ConfigError: One is no number from 0 to `longest`.
    """
    delays: list[float] = []
    for part in text.split(","):
        try:
            delay = float(part)
        except ValueError:
            delay = -1.0
        if not 0 <= delay <= longest:
            raise ConfigError(
                f"{option} takes numbers from 0 to {longest:g} {unit}, as {example}, "
                f"not {part.strip()!r}."
            )
        delays.append(delay)
    return delays
