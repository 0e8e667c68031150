import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from eval_examples import example_record

from agent.evaluation.records import RecordBook, SubtaskRecord
from bridge.errors import ConfigError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the book lies; the folder is not there yet."""
    return tmp_path / "results" / "book.jsonl"


class Books(contextlib.ExitStack):
    """Opens books, and closes them at the end."""

    def __call__(self, path: Path, settings_id: str) -> RecordBook:
        """Return a book that is not opened yet."""
        return self.enter_context(contextlib.closing(RecordBook(path, settings_id)))


@pytest.fixture
def books() -> Iterator[Books]:
    """Makes books."""
    with Books() as made:
        yield made


def test_what_was_kept_is_there_when_the_book_is_opened_again(path: Path, books: Books) -> None:
    """Every episode that ended survives the program."""
    book = books(path, "abc")
    assert book.open(resume=False) == {}
    episodes = {
        index: example_record(index=index, subtasks=(SubtaskRecord(text="open", took_s=1.5),))
        for index in (2, 0)
    }
    for episode in episodes.values():
        book.append(episode)
    book.close()
    assert books(path, "abc").open(resume=True) == episodes


def test_a_line_that_was_cut_off_is_dropped(path: Path, books: Books) -> None:
    """A kill in the middle of a write costs that episode and no other."""
    book = books(path, "abc")
    book.open(resume=False)
    book.append(example_record(index=0))
    whole = path.read_bytes()
    book.append(example_record(index=1))
    path.write_bytes(path.read_bytes()[: len(whole) + 30])
    book.close()
    again = books(path, "abc")
    assert list(again.open(resume=True)) == [0]
    assert path.read_bytes() == whole


def test_a_book_is_not_overwritten_by_mistake(path: Path, books: Books) -> None:
    """Episodes that took hours are gone on with or removed on purpose, never lost in passing."""
    book = books(path, "abc")
    book.open(resume=False)
    book.append(example_record())
    book.close()
    with pytest.raises(ConfigError, match=r"holds 1 episodes already\. Go on with --resume"):
        books(path, "abc").open(resume=False)


def test_episodes_of_other_settings_are_not_mixed_in(path: Path, books: Books) -> None:
    """A book made with other settings is refused, and left as it is."""
    book = books(path, "abc")
    book.open(resume=False)
    book.append(example_record())
    book.close()
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"other settings \(abc, now xyz\)"):
        books(path, "xyz").open(resume=True)
    assert path.read_bytes() == before


def test_two_programs_do_not_write_one_book(path: Path, books: Books) -> None:
    """A second evaluation on the same file is refused, and loses nothing of the first one's."""
    book = books(path, "abc")
    book.open(resume=False)
    book.append(example_record(index=0))
    with pytest.raises(ConfigError, match="being written by another evaluation"):
        books(path, "abc").open(resume=True)
    book.append(example_record(index=1))
    book.close()
    assert list(books(path, "abc").open(resume=True)) == [0, 1]


def test_a_line_that_is_no_episode_is_refused_by_its_number(path: Path, books: Books) -> None:
    """Rubbish in the middle of a book is said, with its place, and not skipped."""
    path.parent.mkdir()
    path.write_text('{"index": 1}\n')
    with pytest.raises(ConfigError, match=r"book\.jsonl:1 is not an episode"):
        books(path, "abc").open(resume=True)
