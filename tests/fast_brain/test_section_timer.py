from hypothesis import given
from hypothesis import strategies as st

from fast_brain.section_timer import NO_SECTIONS, SECTIONS, SectionTimer


@given(ended=st.lists(st.sampled_from(SECTIONS), max_size=20))
def test_time_belongs_to_the_section_that_ended(ended: list[str]) -> None:
    """Only sections that were ended have taken time, and a new tick forgets the old one."""
    timer = SectionTimer()
    timer.begin()
    for section in ended:
        timer.done(section)  # pyright: ignore[reportArgumentType]
    assert all((timer.took_ns(section) > 0) <= (section in ended) for section in SECTIONS)
    timer.begin()
    assert [timer.took_ns(section) for section in SECTIONS] == [0] * len(SECTIONS)


def test_nobody_needs_to_listen() -> None:
    """A loop without a timer marks its sections all the same."""
    for section in SECTIONS:
        NO_SECTIONS.done(section)
