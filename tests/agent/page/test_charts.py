import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.page.charts import (
    change_to,
    cursor_change,
    curves_options,
    memory_options,
    timeline_options,
)
from agent.page.over_time import in_words
from agent.tracing.lanes import (
    LANES,
    Bar,
    Chronicle,
    MemoryEntry,
    MemorySample,
    every,
    memory_sample,
    stretches,
    thinned,
)

POINTS = st.lists(st.tuples(st.floats(0, 100), st.floats(-9, 9)), max_size=200).map(sorted)
CHRONICLE = Chronicle(
    first_s=0.0,
    last_s=4.0,
    bars=(
        Bar("subtask", 0.5, 2.0, "done", "open <b>it</b>: done, as seen"),
        Bar("faults", 3.0, 3.0, "faults", "the policy fell"),
    ),
    latent_age_s=[(1.0, 0.25)],
    gate=[(1.0, 0.75)],
)


def series(options: dict[str, object], name: str) -> dict[str, object]:
    """One series of a chart."""
    found: list[dict[str, object]] = options["series"]  # pyright: ignore[reportAssignmentType]
    return next(each for each in found if each["id"] == name)


def test_a_timeline_has_a_row_a_lane_and_all_axes_zoom_together() -> None:
    """Bars know their lane, times and words; the words of a subtask stand in its bar."""
    options = timeline_options(CHRONICLE, None)
    subtask, fault = series(options, "bars")["data"]  # pyright: ignore[reportGeneralTypeIssues]
    assert subtask["value"] == [LANES.index("subtask"), 0.5, 2.0, "open <b>it</b>"]
    assert fault["name"] == "the policy fell"
    assert series(options, "age")["data"] == [[1.0, 0.25]]
    assert all(zoom["xAxisIndex"] == [0, 1, 2] for zoom in options["dataZoom"])
    json.dumps(options, allow_nan=False)


def test_words_of_others_are_never_markup() -> None:
    """What is pointed at is told as plain text, whoever wrote it."""
    for options in (timeline_options(CHRONICLE, None), memory_options(()), curves_options({}, "")):
        assert options["tooltip"]["renderMode"] == "richText"


def test_a_change_leaves_zoom_and_cursor_to_the_visitor() -> None:
    """What is sent at each beat is data; what a visitor has chosen, and code, is not in it."""
    change = change_to(timeline_options(CHRONICLE, 1.5))
    assert {each["id"] for each in change["series"]} == {"bars", "age", "gate"}
    assert not {"dataZoom", "tooltip"} & set(change)
    assert ":renderItem" not in series(change, "bars")
    assert series(change, "age")["data"] == [[1.0, 0.25]]
    for each in cursor_change(1.5)["series"]:
        assert each["markLine"]["data"] == [{"xAxis": 1.5}]


def test_a_timeline_can_be_told_in_words() -> None:
    """Who cannot see it hears what is in it."""
    assert in_words(CHRONICLE) == "From 0.0 s to 4.0 s: 1 in lane subtask, 1 in lane faults."
    assert in_words(Chronicle(first_s=0, last_s=1)) == "From 0.0 s to 1.0 s: nothing happened."


def test_memory_is_a_row_an_entry_with_its_share_of_attention() -> None:
    """An entry that was let go ends its row; what is unknown is no attention, not an error."""
    first = MemorySample(1.0, (MemoryEntry(0.0, "anchor", 0.4), MemoryEntry(0.5, "window", 0.6)))
    second = MemorySample(2.0, (MemoryEntry(0.0, "anchor", None),))
    options = memory_options((first, second))
    assert options["yAxis"]["data"] == ["0.0", "0.5"]
    assert [cell["value"] for cell in series(options, "memory")["data"]] == [  # pyright: ignore[reportGeneralTypeIssues]
        [0, 0, 0.4],
        [0, 1, 0.6],
        [1, 0, 0.0],
    ]
    assert memory_options(())["visualMap"]["max"] == 1.0


def test_a_stream_that_remembers_other_times_has_no_say() -> None:
    """Weights are averaged over the streams that have the same entries."""
    sample = memory_sample(1.0, [0.0, 1.0], ["", ""], [[0.2, 0.8], [0.4, 0.6], [1.0]])
    assert [entry.weight for entry in sample.entries] == pytest.approx([0.3, 0.7])
    assert [entry.weight for entry in memory_sample(1.0, [0.0], [""], []).entries] == [None]


def test_moves_become_stretches_until_the_end() -> None:
    """A move ends what was before; one without a look begins nothing."""
    moves = [(1.0, "held", "a"), (2.0, "held", "b"), (3.0, "", ""), (5.0, "held", "c")]
    assert list(stretches("held", moves, 6.0)) == [
        Bar("held", 1.0, 2.0, "held", "a"),
        Bar("held", 2.0, 3.0, "held", "b"),
        Bar("held", 5.0, 6.0, "held", "c"),
    ]


@given(POINTS, st.integers(1, 50))
def test_fewer_points_keep_the_peak_and_the_order(
    points: list[tuple[float, float]], most: int
) -> None:
    """However much is drawn, no peak is lost, and nothing is drawn that was not."""
    fewer = thinned(points, most)
    assert len(fewer) <= most
    assert set(fewer) <= set(points)
    if points:
        assert max(value for _, value in fewer) == max(value for _, value in points)
    assert [at_s for at_s, _ in fewer] == sorted(at_s for at_s, _ in fewer)
    assert len(every(points, most)) <= most
