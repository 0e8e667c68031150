"""A camera that costs nothing: these tests are about order and files, not about pictures."""

from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from agent.demos.record import DemoRecorder


class FlatCamera:
    """Shows one grey level, which grows with the simulation's time."""

    kind = "flat"

    def __init__(self, model: object) -> None:
        self._model = model

    def take(self, data: object, name: str) -> np.ndarray:
        """A picture that is quick to make and to store."""
        level = int(getattr(data, "time", 0.0) * 10) % 256
        return np.full((96, 96, 3), level, np.uint8)

    def close(self) -> None:
        """Nothing to free."""


@pytest.fixture
def flat_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorders made in this test draw nothing."""
    pytest.importorskip("ogbench")
    monkeypatch.setattr("agent.demos.record.GlCamera", FlatCamera)
    monkeypatch.setattr("agent.demos.record._LONGEST_EPISODE_FRAMES", 60)
    monkeypatch.setattr("agent.demos.record._LONGEST_SEGMENT_FRAMES", 40)


@pytest.fixture(scope="session")
def shared_recorder(tmp_path_factory: pytest.TempPathFactory) -> "DemoRecorder":
    """One compiled scene for all tests here."""
    pytest.importorskip("ogbench")
    from agent.demos import record

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record, "GlCamera", FlatCamera)
        return record.DemoRecorder(tmp_path_factory.mktemp("unused"))


@pytest.fixture
def quick_recorders(
    monkeypatch: pytest.MonkeyPatch, flat_pictures: None, shared_recorder: "DemoRecorder"
) -> None:
    """Recorders made in this test share the compiled scene, and play short episodes."""
    from agent.demos import record

    def begin(recorder: "DemoRecorder", root: object) -> None:
        recorder.__dict__ = shared_recorder.__dict__ | {"_root": root}

    monkeypatch.setattr(record.DemoRecorder, "__init__", begin)
