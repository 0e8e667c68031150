"""How a contract suite checks that something is refused."""

from collections.abc import Callable


def must_raise(kind: type[Exception], call: Callable[[], object]) -> None:
    """Fail unless the call raises an error of this kind; any other error passes through."""
    # pytest.raises without pytest, so that `bridge.testing` imports where only `bridge` is there.
    try:
        call()
    except kind:
        return
    raise AssertionError(f"expected {kind.__name__}, but nothing was raised")
