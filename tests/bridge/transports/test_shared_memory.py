import json
import os
import pickle  # noqa: TID251  # What Ray does to a mailbox is what is tested.
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ConfigError, ContractError, TransportError
from bridge.messages import Goal, Latent, Observation
from bridge.testing import example_latent
from bridge.transports import shared_memory
from bridge.transports.segments import (
    create_segment,
    list_segments,
    process_started,
    segment_folder,
    sweep_stale_segments,
)
from bridge.transports.shared_memory import SharedLatestValue

ROOT = Path(__file__).parents[3]


@pytest.fixture
def mailbox() -> Iterator[SharedLatestValue[Latent]]:
    """A mailbox for example latents, gone after the test."""
    with SharedLatestValue.create(
        "latent", Latent, run_id=f"test{os.getpid()}", capacity_bytes=4096
    ) as box:
        yield box
    box.unlink()


@given(versions=st.integers(1, 20), reads=st.sets(st.integers(1, 20)))
def test_newest_wins_whenever_it_is_read(versions: int, reads: set[int]) -> None:
    """A reader that looks at any subset of versions always finds the newest."""
    with SharedLatestValue.create("law", Latent, run_id="test", capacity_bytes=4096) as box:
        for version in range(1, versions + 1):
            box.publish(example_latent(sequence=version))
            box.unlink()  # Its writer is known from the first message on.
            if version in reads:
                latent = box.read()
                assert latent is not None
                assert latent.sequence == version
        assert box.version == versions


def test_another_reader_sees_the_same_values(mailbox: SharedLatestValue[Latent]) -> None:
    """What is attached by address reads what was published, read-only."""
    sent = example_latent(sequence=5)
    mailbox.publish(sent)
    with SharedLatestValue(mailbox.address, Latent) as reader:
        got = reader.read()
    assert got is not None
    np.testing.assert_array_equal(got.perceptual, sent.perceptual)
    assert not got.perceptual.flags.writeable


def test_a_message_outlives_the_mailbox(mailbox: SharedLatestValue[Latent]) -> None:
    """What was read is a copy: it does not change, and stays when the mailbox closes."""
    mailbox.publish(example_latent(sequence=1))
    with SharedLatestValue(mailbox.address, Latent) as reader:
        first = reader.read()
        mailbox.publish(example_latent(sequence=2))
        mailbox.publish(example_latent(sequence=3))
    assert first is not None
    np.testing.assert_array_equal(first.perceptual, example_latent(sequence=1).perceptual)


def test_reading_the_same_version_again_costs_nothing(mailbox: SharedLatestValue[Latent]) -> None:
    """Without a new message a reader gets the same object, not another copy."""
    mailbox.publish(example_latent())
    assert mailbox.read() is mailbox.read()


def test_only_one_writer(mailbox: SharedLatestValue[Latent]) -> None:
    """A second writer is refused while the first lives, and welcome after it has closed."""
    with SharedLatestValue(mailbox.address, Latent) as first:
        first.publish(example_latent(sequence=1))
        with pytest.raises(TransportError, match="has a writer already"):
            mailbox.publish(example_latent(sequence=2))
    mailbox.publish(example_latent(sequence=2))
    assert mailbox.version == 2


def test_a_message_that_does_not_fit_is_refused(mailbox: SharedLatestValue[Latent]) -> None:
    """The value before it stays, and the error says both sizes."""
    mailbox.publish(example_latent(sequence=1))
    huge = Latent(
        perceptual=np.zeros((100, 100), np.float32),
        cognitive=np.zeros((1, 100), np.float32),
        observation_stamp_ns=0,
        ready_stamp_ns=0,
        sequence=2,
    )
    with pytest.raises(TransportError, match="limit here is 4096 bytes"):
        mailbox.publish(huge)
    assert mailbox.version == 1


def test_a_message_of_another_type_is_refused(mailbox: SharedLatestValue[Latent]) -> None:
    """A reader that was wired to the wrong mailbox is told so."""
    mailbox.publish(example_latent())
    with (
        SharedLatestValue(mailbox.address, Goal) as reader,
        pytest.raises(ContractError, match="Latent"),
    ):
        reader.read()


@pytest.mark.parametrize(("is_ordered", "damaged"), [(True, -1), (False, -1), (False, 100)])
def test_a_half_written_message_is_never_read(
    mailbox: SharedLatestValue[Latent],
    monkeypatch: pytest.MonkeyPatch,
    is_ordered: bool,  # noqa: FBT001  # A parameter of the test.
    damaged: int,
) -> None:
    """If the newest slot is damaged, the reader keeps the last complete message.

    Where stores become visible in their order, an array can not be torn and is not looked at.
    """
    monkeypatch.setattr(shared_memory, "_STORES_ARE_ORDERED", is_ordered)
    mailbox.publish(example_latent(sequence=1))
    with SharedLatestValue(mailbox.address, Latent) as reader:
        first = reader.read()
        mailbox.publish(example_latent(sequence=2))
        slot = mailbox._slot(2)
        length = mailbox._words[slot + 1]
        mailbox._bytes[(slot + 4) * 8 + damaged % length] ^= 0xFF
        assert reader.read() is first
        assert reader.statistics().overtaken > 0


@given(
    seed=st.integers(0, 3000), flipped=st.integers(0, 7), share=st.floats(0, 1, exclude_max=True)
)
def test_one_flipped_bit_anywhere_is_noticed(seed: int, flipped: int, share: float) -> None:
    """Whatever the length of a message, no single bit of it can change unnoticed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared_memory, "_STORES_ARE_ORDERED", False)
        _check_noticed(seed, flipped, share)


def _check_noticed(seed: int, flipped: int, share: float) -> None:
    sent = np.random.default_rng(seed).bytes(seed * 7 + 1)
    checksum = shared_memory._checksum(memoryview(sent), 3, 0)
    damaged = bytearray(sent)
    damaged[int(share * len(sent))] ^= 1 << flipped
    assert shared_memory._checksum(memoryview(bytes(damaged)), 3, 0) != checksum
    assert shared_memory._checksum(memoryview(sent), 4, 0) != checksum


def test_a_large_array_is_copied_once_on_each_side() -> None:
    """Publishing allocates next to nothing; reading allocates the message once, and views it."""
    box = SharedLatestValue.create(
        "large", Observation, run_id=f"t{os.getpid()}", capacity_bytes=2**20
    )
    image = np.zeros((224, 224, 3), np.uint8)
    image.flags.writeable = False
    sent = Observation(stamp_ns=1, sequence=1, images={"front": image}, proprioception={})
    with box, SharedLatestValue(box.address, Observation) as reader:
        box.publish(sent)
        box.unlink()
        reader.read()
        writing = _allocated_bytes(lambda: box.publish(sent))
        reading = _allocated_bytes(reader.read)
    assert writing < image.nbytes // 10
    assert image.nbytes <= reading < image.nbytes * 1.1


def _allocated_bytes(call: Callable[[], object]) -> int:
    """The most that was allocated at once during a call [bytes]."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_length_beyond_the_mailbox_is_never_followed(
    mailbox: SharedLatestValue[Latent],
) -> None:
    """A damaged length does not make a reader read somebody else's memory."""
    mailbox.publish(example_latent(sequence=1))
    mailbox._words[mailbox._slot(1) + 1] = 2**63
    with SharedLatestValue(mailbox.address, Latent) as reader:
        assert reader.read() is None


def test_pickling_hands_over_the_address(mailbox: SharedLatestValue[Latent]) -> None:
    """A mailbox given to another process attaches there."""
    mailbox.publish(example_latent(sequence=4))
    with pickle.loads(pickle.dumps(mailbox)) as arrived:  # noqa: S301  # Our own bytes.
        assert arrived.read().sequence == 4


def test_a_closed_mailbox_says_so(mailbox: SharedLatestValue[Latent]) -> None:
    """Using it after closing is an error with its name; closing twice is not."""
    reader = SharedLatestValue(mailbox.address, Latent)
    reader.close()
    reader.close()
    with pytest.raises(TransportError, match="closed"):
        reader.read()
    with pytest.raises(TransportError, match="closed"):
        reader.publish(example_latent())


def test_an_unlinked_mailbox_cannot_be_attached(mailbox: SharedLatestValue[Latent]) -> None:
    """Attaching too late, or becoming its writer, says that the owner has ended."""
    mailbox.unlink()
    with pytest.raises(TransportError, match="has ended"):
        SharedLatestValue(mailbox.address, Latent)
    with pytest.raises(TransportError, match="is gone"):
        mailbox.publish(example_latent())


@pytest.mark.parametrize("content", [b"\0" * 200, b"short", b"TANDEM" * 50])
def test_a_file_that_is_no_mailbox_is_refused(tmp_path: Path, content: bytes) -> None:
    """Whatever lies at the address, only this layout is attached to."""
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(TransportError, match="is not a mailbox"):
        SharedLatestValue(path, Latent)


def test_a_writer_killed_mid_write_never_tears_a_read() -> None:
    """Through many kills no reader sees a mixture, and versions never go back."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(Path(__file__).parent / "mailbox_processes.py"), "70"],
        capture_output=True,
        check=False,
        text=True,
        timeout=50,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    seen = json.loads(done.stdout)
    assert (seen["torn"], seen["backwards"]) == (0, 0)
    # Of each ten writers at least seven die between the void mark and the new version.
    assert seen["void_slots"] >= seen["rounds"] * 7 // 10
    assert seen["reads"] > seen["rounds"]


def test_segments_of_the_dead_are_swept(tmp_path: Path) -> None:
    """A crash leaks nothing: the next start removes what the dead owned, and only that."""
    mine = create_segment("mine", "run1", 64, tmp_path)
    program = (
        "import sys, pathlib; from bridge.transports.segments import create_segment;"
        "print(create_segment('theirs', 'run2', 64, pathlib.Path(sys.argv[1])))"
    )
    output = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        check=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ).stdout
    theirs = Path(output.strip())
    assert list_segments(folder=tmp_path) == tuple(sorted((mine, theirs)))
    assert list_segments("run2", folder=tmp_path) == (theirs,)
    assert sweep_stale_segments(tmp_path) == (theirs,)
    assert list_segments(folder=tmp_path) == (mine,)


def test_a_used_again_pid_does_not_keep_a_segment(tmp_path: Path) -> None:
    """A segment of an earlier process with our pid is stale: start times differ."""
    stale = tmp_path / f"tandem-run1-{os.getpid()}-{process_started(os.getpid()) + 1}-latent"
    stale.write_bytes(b"\0" * 64)
    other = tmp_path / "tandem-notes.txt"
    other.touch()
    assert sweep_stale_segments(tmp_path) == (stale,)
    assert other.exists()


def test_without_start_times_the_pid_decides(tmp_path: Path) -> None:
    """Where the system does not tell start times, a living pid keeps its segment."""
    kept = tmp_path / f"tandem-run1-{os.getpid()}-0-latent"
    stale = tmp_path / f"tandem-run1-{2**22 + 1}-0-latent"
    for path in (kept, stale):
        path.write_bytes(b"\0" * 64)
    assert sweep_stale_segments(tmp_path) == (stale,)


def test_names_are_checked_and_taken_once(tmp_path: Path) -> None:
    """A name with a slash never reaches the file system, and no name is given twice."""
    with pytest.raises(ConfigError, match=r"\.\./escape"):
        create_segment("../escape", "run1", 64, tmp_path)
    create_segment("latent", "run1", 64, tmp_path)
    with pytest.raises(TransportError, match="exists already"):
        create_segment("latent", "run1", 64, tmp_path)


def test_too_little_memory_is_said_beforehand() -> None:
    """A mailbox that does not fit is refused when made, not when written, and leaves no file."""
    before = list_segments()
    with pytest.raises(TransportError, match="No room for mailbox"):
        create_segment("huge", "test", 2**50, segment_folder())
    assert list_segments() == before
