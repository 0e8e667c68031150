"""Where memories lie: fixed rows, read in place by other processes, and what a snapshot may be."""

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from bridge.arrays import FloatArray
from bridge.codec import decode, encode
from bridge.errors import ContractError, TransportError
from bridge.memories.contents import Streams
from bridge.memories.episode_memory import LONGEST_WORDS_BYTES, EpisodeMemory, EpisodeSnapshot
from bridge.memories.memory_vla import MemoryVlaMemory
from bridge.memories.rows import GRACE_WRITES, SPARE_ROWS
from bridge.memories.stores import SharedAddress, SharedMemoryReader
from bridge.memories.window import WindowMemory
from bridge.messages import Latent
from bridge.specs import LatentSpec
from bridge.testing import example_latent

SPEC = LatentSpec(perceptual_tokens=40, cognitive_tokens=2, width=64)
SECOND_NS = 1_000_000_000


def _run_id() -> str:
    return f"test{uuid.uuid4().hex[:12]}"


@pytest.fixture
def shared() -> Iterator[WindowMemory]:
    """A memory that others can read."""
    memory = WindowMemory(latent=SPEC, capacity=4, shared_name="memory", run_id=_run_id())
    yield memory
    memory.close()


def _reader(memory: EpisodeMemory) -> SharedMemoryReader:
    assert memory.address is not None
    return SharedMemoryReader(memory.address, SPEC)


def _uniform(number: int) -> Latent:
    """A latent that holds its own second everywhere."""
    return Latent(
        perceptual=np.full((40, 64), number, np.float32),
        cognitive=np.full((2, 64), number, np.float32),
        observation_stamp_ns=number * SECOND_NS,
        ready_stamp_ns=number * SECOND_NS,
        sequence=number,
    )


def test_memory_takes_the_same_bytes_for_ever() -> None:
    """From the first write to the two thousandth the rows are the same rows."""
    memory = MemoryVlaMemory(latent=SPEC, capacity=4)
    size, rows = memory.memory_bytes, memory.streams().perceptual.rows
    assert size == (4 + 1 + SPARE_ROWS) * 42 * 64 * 4
    for number in range(2000):
        memory.write(_uniform(number + 1))
    assert memory.memory_bytes == size
    assert np.shares_memory(memory.streams().perceptual.rows, rows)


def test_streams_are_read_in_place_and_stay_for_some_writes() -> None:
    """Nothing is copied, nothing can be written through it, and the grace is kept."""
    memory = MemoryVlaMemory(latent=SPEC, capacity=4)
    memory.reset(episode_id="", start_ns=0)
    for number in range(1, 20):
        memory.write(_uniform(number))
    entries = memory.streams().perceptual
    before = entries.copy()
    assert not entries.rows.flags.writeable
    for number in range(20, 20 + GRACE_WRITES):
        memory.write(_uniform(number))
    np.testing.assert_array_equal(entries.copy(), before)


class _Shift:
    """Stands in for a network: what is stored is not what came."""

    def fuse_newest(self, streams: Streams) -> tuple[FloatArray, FloatArray]:
        """One more than the newest."""
        return streams.perceptual.copy()[-1] + 1, streams.cognitive.copy()[-1] + 1


def test_storing_fused_latents_keeps_the_grace() -> None:
    """The rule that takes the most rows a write leaves every row alone as long as promised."""
    memory = MemoryVlaMemory(latent=SPEC, capacity=3, store_fused=True, fuser=_Shift())
    memory.reset(episode_id="", start_ns=0)
    for number in range(1, 40):
        memory.write(_uniform(number))
        entries = memory.streams().perceptual
        before = entries.copy()
        saved = memory.snapshot()
        for later in range(number + 1, number + 1 + GRACE_WRITES):
            memory.write(_uniform(later))
        np.testing.assert_array_equal(entries.copy(), before)
        memory.restore(saved)


def test_a_reset_touches_no_tokens() -> None:
    """Forgetting is a matter of the table: the rows keep their bytes, and nothing is allocated."""
    memory = MemoryVlaMemory(latent=SPEC, capacity=4)
    for number in range(1, 9):
        memory.write(_uniform(number))
    rows = memory.streams().perceptual.rows
    before = rows.copy()
    memory.reset(episode_id="next", start_ns=0)
    assert memory.read(0).is_empty
    np.testing.assert_array_equal(rows, before)


def test_an_id_names_one_content_for_ever() -> None:
    """Over merges, resets and restores, an id is never seen with other tokens or another time."""
    memory = MemoryVlaMemory(latent=SPEC, capacity=3, merged_time="mean")
    seen: dict[int, tuple[bytes, float]] = {}
    for episode in range(3):
        memory.reset(episode_id=str(episode), start_ns=0)
        for number in range(12):
            memory.write(
                example_latent(
                    SPEC,
                    stamp_ns=number * SECOND_NS,
                    sequence=number,
                    seed=episode * 100 + number,
                    episode_id=str(episode),
                )
            )
            if number == 6:
                memory.restore(memory.snapshot())
            entries = memory.streams().perceptual
            for place, name in enumerate(entries.ids.tolist()):
                content = entries.copy()[place].tobytes(), float(entries.time_s[place])
                assert seen.setdefault(name, content) == content


def test_another_process_reads_every_entry_whole(shared: WindowMemory) -> None:
    """While one process writes as fast as it can, no entry another reads is ever half of two."""
    assert shared.address is not None
    last = 3000
    told = json.dumps([*shared.address, msgspec.structs.asdict(SPEC), last])
    shared.reset(episode_id="", start_ns=0)
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "reader_process.py"), told],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for number in range(1, last + 1):
            shared.write(_uniform(number))
        found = json.loads(process.stdout.readline())
        assert process.wait(timeout=50) == 0
    assert found["sequence"] == last
    assert found["reads"] > 0


def test_a_reader_sees_what_the_writer_sees(shared: WindowMemory) -> None:
    """Same entries, same times, same age, from the same bytes."""
    reader = _reader(shared)
    assert reader.read(0).is_empty
    shared.reset(episode_id="one", start_ns=0)
    for number in range(9):
        shared.write(msgspec.structs.replace(_uniform(number), episode_id="one"))
        mine, theirs = shared.read(10 * SECOND_NS), reader.read(10 * SECOND_NS)
        np.testing.assert_array_equal(mine.perceptual, theirs.perceptual)
        np.testing.assert_array_equal(mine.time_s, theirs.time_s)
        assert (mine.newest_age_s, mine.now_s) == (theirs.newest_age_s, theirs.now_s)
    assert reader.read(0).perceptual is reader.read(1).perceptual
    contents, streams = reader.streams()
    assert contents.latent_sequence == 8
    assert streams.perceptual.ids.size == 5
    assert not streams.perceptual.rows.flags.writeable
    reader.close()


def test_a_reader_notices_that_it_was_overtaken(
    shared: WindowMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that is faster than each try is told about; it is never waited for."""
    reader = _reader(shared)
    shared.write(_uniform(1))
    numbers = iter(range(2, 1000))
    read = reader.streams

    def overtaken() -> Any:
        contents = read()
        for _ in range(GRACE_WRITES + 1):
            shared.write(_uniform(next(numbers)))
        return contents

    monkeypatch.setattr(reader, "streams", overtaken)
    with pytest.raises(TransportError, match=f"more than {GRACE_WRITES} times"):
        reader.read(0)
    monkeypatch.undo()
    assert reader.read(0).latent_sequence == next(numbers) - 1
    reader.close()


def test_a_reader_of_other_latents_is_refused_with_the_numbers(shared: WindowMemory) -> None:
    """A memory of another width, and a file that is none, are told."""
    assert shared.address is not None
    other = LatentSpec(perceptual_tokens=40, cognitive_tokens=2, width=32)
    with pytest.raises(TransportError, match=r"width 32: its header says \[1, 17, 40, 2, 64\]"):
        SharedMemoryReader(shared.address, other)
    with pytest.raises(TransportError, match="no mailbox"):
        SharedMemoryReader(SharedAddress("/nowhere", "/nowhere"), SPEC)


def test_a_reader_notices_a_restore() -> None:
    """A restore takes many rows at once: a table from before it is no longer to be relied on."""
    memory = WindowMemory(latent=SPEC, capacity=30, shared_name="memory", run_id=_run_id())
    try:
        for number in range(1, 40):
            memory.write(_uniform(number))
        reader = _reader(memory)
        before, _ = reader.streams()
        view = memory.read(0)
        memory.restore(memory.snapshot())
        assert not reader.is_intact(before)
        np.testing.assert_array_equal(reader.read(0).perceptual, view.perceptual)
        reader.close()
    finally:
        memory.close()


def test_words_that_do_not_fit_are_refused_and_change_nothing(shared: WindowMemory) -> None:
    """A subtask of thousands of letters has no place in the table."""
    shared.write(_uniform(1))
    before = shared.snapshot()
    with pytest.raises(ContractError, match=f"at most {LONGEST_WORDS_BYTES} bytes"):
        shared.write(msgspec.structs.replace(_uniform(2), subtask_text="x" * 5000))
    assert shared.snapshot() == before
    shared.write(msgspec.structs.replace(_uniform(2), subtask_text="ß" * 1500))


def test_closing_takes_the_names_away(shared: WindowMemory) -> None:
    """After its end nobody can attach, and closing again is harmless."""
    assert shared.address is not None
    shared.close()
    shared.close()
    assert not Path(shared.address.rows).exists()
    assert not Path(shared.address.table).exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version 1 of .*version 2 of"),
        ({"spec": LatentSpec(perceptual_tokens=40, cognitive_tokens=2, width=9)}, "width=9"),
        ({"kind": "window(5)"}, r"window\(4\).*window\(5\)"),
        ({"start_ns": None}, "start_ns"),
    ],
    ids=["version", "spec", "kind", "start"],
)
def test_a_snapshot_of_something_else_is_refused(change: dict[str, Any], message: str) -> None:
    """The message says what was expected and what came; the memory stays as it was."""
    memory = _filled()
    before = memory.snapshot()
    changed = msgspec.structs.replace(decode(before, EpisodeSnapshot), **change)
    with pytest.raises(ContractError, match=message):
        memory.restore(encode(changed))
    assert memory.snapshot() == before


@pytest.mark.parametrize(
    "change",
    [
        {"time_s": np.zeros(3)},
        {"time_s": np.array([2.0, 1.0])},
        {"time_s": np.array([0.0, np.nan])},
        {"marks": np.zeros((2, 2))},
        {"tokens": np.zeros((2, 40, 63), np.float32)},
        {"tokens": np.full((2, 40, 64), np.inf, np.float32)},
        {"tokens": np.zeros((2, 40, 64), np.int32)},
        {"time_s": np.arange(9.0), "marks": np.zeros(9), "tokens": np.zeros((9, 40, 64), "f4")},
    ],
    ids=[
        "too many times",
        "backwards",
        "no number",
        "marks",
        "width",
        "infinite",
        "integers",
        "too many",
    ],
)
def test_each_leaf_of_a_snapshot_is_checked_first(change: dict[str, Any]) -> None:
    """Wrong counts, shapes, orders and values are refused before anything changes."""
    memory = _filled()
    before = memory.snapshot()
    saved = decode(before, EpisodeSnapshot)
    bad = msgspec.structs.replace(saved.perceptual, **change)
    with pytest.raises(ContractError, match=r"snapshot\.perceptual|snapshot\.cognitive"):
        memory.restore(encode(msgspec.structs.replace(saved, perceptual=bad)))
    assert memory.snapshot() == before


def _filled() -> WindowMemory:
    memory = WindowMemory(latent=SPEC, capacity=4)
    memory.reset(episode_id="", start_ns=0)
    for number in range(2):
        memory.write(_uniform(number))
    return memory
