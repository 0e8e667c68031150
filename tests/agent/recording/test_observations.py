import errno
from io import FileIO
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from mcap.reader import make_reader

from agent.recording.config import RecordingConfig
from agent.recording.observation_facts import facts_of, observation_from
from agent.recording.pictures import decode_picture, encode_picture
from agent.recording.recorder import RecorderConfig, RecorderNode
from agent.tracing.index import index_path
from agent.tracing.observations import recorded_observations
from agent.tracing.pictures import camera_frames, cameras, newest_frame, picture, picture_bytes
from agent.tracing.runs import Run
from bridge.arrays import AnyArray, ImageArray, picture_hash
from bridge.clock import ManualClock
from bridge.errors import ConfigError
from bridge.messages import Observation
from bridge.transports.in_process import InProcessLatestValue

SECOND_NS = 1_000_000_000


def shot(seed: int, height: int = 24) -> ImageArray:
    """Some picture."""
    return np.random.default_rng(seed).integers(0, 255, (height, 16, 3), dtype=np.uint8)


def sensed(number: int, **images: ImageArray) -> Observation:
    """An observation a tenth of a second after the one before."""
    return Observation(
        stamp_ns=SECOND_NS + number * SECOND_NS // 10,
        sequence=number,
        episode_id="episode",
        images=images,
        proprioception={"gripper_pose_in_base": np.array([0.1, 0.2, number, 0.5, 1], np.float32)},
        extra={"touch": np.array([[number, 2]], np.int64)},
    )


class Rig:
    """A recorder of a robot's observations, and of what a planner was shown, in virtual time."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.clock = ManualClock(SECOND_NS)
        self.boxes = {name: InProcessLatestValue[Any]() for name in ("observation", "shown")}
        config = RecorderConfig(folder=folder, recording=RecordingConfig(**settings))
        self.node = RecorderNode(config=config, inputs=self.boxes, outputs={}, clock=self.clock)
        self.node.start()

    def beat(self, **published: Observation) -> None:
        """Publish, and let the recorder look a tenth of a second later."""
        for name, observation in published.items():
            self.boxes[name].publish(observation)
        self.clock.advance_ns(SECOND_NS // 10)
        self.node.step(self.clock.now_ns())

    def end(self) -> Run:
        """Close the file and open it to look at."""
        self.node.close()
        return Run(self.folder)


def same(one: Observation, other: Observation) -> bool:
    """Whether two observations are equal in all that they hold."""
    arrays = [
        (a | b | c) for a, b, c in ((o.images, o.proprioception, o.extra) for o in (one, other))
    ]
    ids = [(o.stamp_ns, o.sequence, o.episode_id) for o in (one, other)]
    return (
        ids[0] == ids[1]
        and arrays[0].keys() == arrays[1].keys()
        and all(
            array.dtype == arrays[1][name].dtype and np.array_equal(array, arrays[1][name])
            for name, array in arrays[0].items()
        )
    )


def test_what_was_sensed_comes_back_as_it_was(tmp_path: Path) -> None:
    """Numbers, pictures, stamps and ids of each recorded observation are those of the robot."""
    rig = Rig(tmp_path / "run")
    given_ = [sensed(n, front=shot(n), wrist=shot(9)) for n in range(5)]
    for each in given_:
        rig.beat(observation=each)
    run = rig.end()
    found = list(recorded_observations(run))
    assert all(same(a, b) for a, b in zip(found, given_, strict=True))
    assert cameras(run) == ["front", "wrist"]
    names = [picture_hash(each.images["front"]) for each in given_]
    assert list(camera_frames(run, "front")) == [
        (each.stamp_ns, name) for each, name in zip(given_, names, strict=True)
    ]
    assert newest_frame(run, "front", given_[2].stamp_ns + 1) == names[2]
    assert newest_frame(run, "front", given_[0].stamp_ns - 1) is None
    assert np.array_equal(picture(run, names[3]), given_[3].images["front"])
    assert picture_bytes(run, names[3])[1] == "png"


def test_a_picture_is_written_once_a_part(tmp_path: Path) -> None:
    """A scene that stands still costs one picture, whatever else is told of it."""
    rig = Rig(tmp_path / "run")
    still = shot(1)
    for number in range(20):
        rig.beat(observation=sensed(number, front=still))
    run = rig.end()
    with run.parts[0].file.open("rb") as stream:
        reader = make_reader(stream)
        pictures = [message for *_, message in reader.iter_messages(topics=["/camera/front"])]
    assert len(pictures) == 1
    assert len(list(camera_frames(run, "front"))) == 20


def test_what_the_planner_was_shown_is_there_whenever_the_robot_was_looked_at(
    tmp_path: Path,
) -> None:
    """A picture that a planner thinks about is recorded though no sample fell on it."""
    rig = Rig(tmp_path / "run", observation_rate_hz=1.0)
    rig.beat(observation=sensed(0, front=shot(0)))
    rig.beat(observation=sensed(3, front=shot(3)), shown=sensed(2, front=shot(2)))
    for number in range(4, 14):
        rig.beat(observation=sensed(number, front=shot(number)))
    run = rig.end()
    assert [each.sequence for each in recorded_observations(run)] == [0, 2, 12]
    assert np.array_equal(picture(run, picture_hash(shot(2))), shot(2))


def test_a_rate_of_zero_leaves_out_what_was_sensed(tmp_path: Path) -> None:
    """Whoever wants no pictures on the disk gets none."""
    rig = Rig(tmp_path / "run", observation_rate_hz=0.0)
    rig.beat(observation=sensed(1, front=shot(1)), shown=sensed(1, front=shot(1)))
    run = rig.end()
    assert not list(recorded_observations(run))
    assert not cameras(run)


def test_a_picture_that_is_not_there_is_asked_for_in_vain(tmp_path: Path) -> None:
    """A name of no picture, and a camera that never was, are each answered with what there is."""
    rig = Rig(tmp_path / "run")
    rig.beat(observation=sensed(1, front=shot(1)))
    run = rig.end()
    with pytest.raises(ConfigError, match="no picture 'abc', but 1 others"):
        picture(run, "abc")
    with pytest.raises(ConfigError, match=r"'fron'.*front"):
        list(camera_frames(run, "fron"))


def test_a_large_picture_is_kept_small(tmp_path: Path) -> None:
    """Above the height that is kept as it is, a picture is JPEG under the name of its pixels."""
    rig = Rig(tmp_path / "run")
    large = np.full((200, 300, 3), 90, np.uint8)
    rig.beat(observation=sensed(1, front=large))
    run = rig.end()
    assert picture_bytes(run, picture_hash(large))[1] == "jpeg"
    assert np.abs(picture(run, picture_hash(large)).astype(int) - 90).max() <= 2


class SmallDisk(FileIO):
    """A file on a disk with room for 60,000 bytes."""

    def write(self, data: Any) -> int:
        """Take what there is room for."""
        room = max(0, 60_000 - self.tell())
        if data and not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data[:room])


def test_a_disk_that_pictures_fill_stops_the_recording_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said once, the recorder lives on, and what was flushed is read with its pictures."""
    monkeypatch.setattr("agent.recording.trace_file.FileIO", SmallDisk)
    rig = Rig(tmp_path / "run")
    for number in range(60):
        rig.beat(observation=sensed(number, front=shot(number, height=64)))
    run = rig.end()
    assert rig.node.last_error.startswith("recording stopped: No space left on device")
    assert capsys.readouterr().out.count("recording_stopped") == 1
    found = list(recorded_observations(run))
    assert [each.sequence for each in found] == list(range(len(found)))
    assert len(found) >= 5


def test_what_is_no_picture_is_missed_when_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture written in another form spoils neither the list of runs nor the other events."""
    monkeypatch.setattr("agent.recording.trace_file.compressed_image", lambda *_: b'{"data": ""}')
    rig = Rig(tmp_path / "run")
    shown = sensed(1, front=shot(1))
    rig.beat(observation=shown)
    run = rig.end()
    assert [event.facts["sequence"] for event in run.walk("observation")] == [1]
    with pytest.raises(ConfigError, match="has no picture"):
        picture(run, picture_hash(shown.images["front"]))


def test_damaged_pictures_are_missed_and_nothing_else_is(tmp_path: Path) -> None:
    """Of a chunk of pictures that cannot be read the pictures are told to be gone, no others."""
    rig = Rig(tmp_path / "run")
    given_ = [sensed(n, front=shot(n)) for n in range(20)]
    for each in given_:
        rig.beat(observation=each)
    run = rig.end()
    names = [picture_hash(each.images["front"]) for each in given_]
    file = run.parts[0].file
    offset, end = run.parts[0].index.pictures[names[8]]
    spoilt = bytearray(file.read_bytes())
    spoilt[(offset + end) // 2] ^= 0xFF
    file.write_bytes(spoilt)
    index_path(file).unlink()
    run = Run(file.parent)
    assert "1 of its chunks are damaged and left out." in run.notes
    with pytest.raises(ConfigError, match="its part of the file is damaged"):
        picture(run, names[8])
    assert np.array_equal(picture(run, names[0]), given_[0].images["front"])
    assert len(list(camera_frames(run, "front"))) == len(given_)
    assert file.read_bytes() == spoilt


@given(
    image=hnp.arrays(
        np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3, 4]))
    )
)
def test_small_pictures_lose_nothing(image: ImageArray) -> None:
    """PNG gives back every pixel in the same shape."""
    encoded = encode_picture(image, lossless_up_to_px=128, jpeg_quality=90)
    assert encoded is not None
    assert np.array_equal(decode_picture(encoded[0]), image)


@given(
    array=st.sampled_from(["float32", "float64", "int32", "bool", "uint8"]).flatmap(
        lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0, max_side=4))
    )
)
def test_numbers_lose_nothing_on_their_way_through_json(array: AnyArray) -> None:
    """Every finite number comes back bit by bit; what is not finite comes back as nan."""
    seen = Observation(stamp_ns=1, sequence=2, images={}, proprioception={"a": array})
    facts = msgspec.json.decode(msgspec.json.encode(facts_of(seen)))
    back = observation_from(1, facts, lambda *_: shot(1)).proprioception["a"]
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    is_finite = np.isfinite(array)
    assert np.array_equal(back[is_finite], array[is_finite])
