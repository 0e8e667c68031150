"""Everything that bridge ships keeps the contracts that bridge asks of plug-ins."""

import os
from collections.abc import Iterator

import pytest

from bridge.memories.bank import BankMemory
from bridge.messages import Goal
from bridge.testing import (
    EXAMPLE_LATENT,
    FakeFlowPolicy,
    FakePlanner,
    FakePolicy,
    FakeRobot,
    LatestValueContract,
    MemoryContract,
    PlannerContract,
    PolicyContract,
    RobotContract,
)
from bridge.transports.in_process import InProcessLatestValue
from bridge.transports.shared_memory import SharedLatestValue


class TestMergingBank(MemoryContract):
    def make(self) -> BankMemory:
        """As configured by default."""
        return BankMemory(latent=EXAMPLE_LATENT)


class TestFirstInFirstOutBank(MemoryContract):
    def make(self) -> BankMemory:
        """The window."""
        return BankMemory(latent=EXAMPLE_LATENT, capacity=4, consolidation="fifo")


class TestBankOfOne(MemoryContract):
    def make(self) -> BankMemory:
        """The smallest there is."""
        return BankMemory(latent=EXAMPLE_LATENT, capacity=1)


class TestInProcessLatestValue(LatestValueContract):
    def make(self) -> InProcessLatestValue[Goal]:
        """A mailbox between threads."""
        return InProcessLatestValue()


class TestSharedLatestValue(LatestValueContract):
    _boxes: list[SharedLatestValue[Goal]]

    @pytest.fixture(autouse=True)
    def clean_up(self) -> Iterator[None]:
        """Close and unlink what the test made."""
        self._boxes = []
        yield
        for box in self._boxes:
            box.close()
            box.unlink()

    def make(self) -> SharedLatestValue[Goal]:
        """A mailbox between processes."""
        box = SharedLatestValue.create(
            f"goal{len(self._boxes)}", Goal, run_id=f"contract{os.getpid()}", capacity_bytes=1024
        )
        self._boxes.append(box)
        return box


class TestFakePlanner(PlannerContract):
    def make(self) -> FakePlanner:
        """Without a fault."""
        return FakePlanner()


class TestFakeFlowPolicy(PolicyContract):
    def make(self) -> FakeFlowPolicy:
        """The toy field."""
        return FakeFlowPolicy()


class TestFakePolicy(PolicyContract):
    def make(self) -> FakePolicy:
        """Without a fault."""
        return FakePolicy()


class TestFakeRobot(RobotContract):
    def make(self) -> FakeRobot:
        """Without a fault."""
        return FakeRobot()
