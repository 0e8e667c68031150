"""Things made ahead of their use: none lost, none too many, nobody left behind."""

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from fast_brain.training.read_ahead import read_ahead


def test_all_come_in_their_order() -> None:
    """What is read ahead is what would have been read."""
    assert list(read_ahead(iter(range(50)))) == list(range(50))
    assert list(read_ahead(iter([None, None]))) == [None, None]


def test_the_next_is_made_while_one_is_used() -> None:
    """By the time one is used, another thread is at the next."""
    is_made = threading.Event()

    def things() -> Iterator[int]:
        yield 0
        is_made.set()
        yield 1

    with closing(read_ahead(things())) as ahead:
        assert next(ahead) == 0
        assert is_made.wait(10.0)


def test_at_its_end_no_thread_is_left() -> None:
    """Whoever stops early leaves nobody behind."""
    with closing(read_ahead(iter(range(50)))) as ahead:
        assert next(ahead) == 0
    assert not [each for each in threading.enumerate() if each.name.startswith("read-ahead")]


def test_what_goes_wrong_in_the_making_is_told() -> None:
    """An error reaches whoever waits for the thing, after all that came before it."""

    def things() -> Iterator[int]:
        yield 0
        raise ValueError("a broken picture")

    with closing(read_ahead(things())) as ahead:
        assert next(ahead) == 0
        with pytest.raises(ValueError, match="a broken picture"):
            next(ahead)
