"""For plug-in authors: contract suites to run your class through, fakes, and example messages.

from bridge.testing import PolicyContract

class TestMyPolicy(PolicyContract):
    def make(self) -> MyPolicy:
        return MyPolicy(gain=2.0)
"""

from bridge.testing.examples import (
    EXAMPLE_ACTION,
    EXAMPLE_LATENT,
    EXAMPLE_OBSERVATION,
    EXAMPLE_POLICY,
    example_chunk,
    example_latent,
    example_memory,
    example_observation,
    example_request,
    example_subtask,
)
from bridge.testing.fake_flow import FakeFlowPolicy
from bridge.testing.fakes import FakePlanner, FakePolicy, FakeRobot, Fault
from bridge.testing.fusion_contract import FusionContract
from bridge.testing.mailbox_contract import LatestValueContract
from bridge.testing.memory_contract import MemoryContract
from bridge.testing.monitor_contract import SubtaskMonitorContract
from bridge.testing.planner_contract import PlannerContract
from bridge.testing.policy_contract import PolicyContract
from bridge.testing.robot_contract import RobotContract
from bridge.testing.stitcher_contract import ChunkStitcherContract

__all__ = [
    "EXAMPLE_ACTION",
    "EXAMPLE_LATENT",
    "EXAMPLE_OBSERVATION",
    "EXAMPLE_POLICY",
    "ChunkStitcherContract",
    "FakeFlowPolicy",
    "FakePlanner",
    "FakePolicy",
    "FakeRobot",
    "Fault",
    "FusionContract",
    "LatestValueContract",
    "MemoryContract",
    "PlannerContract",
    "PolicyContract",
    "RobotContract",
    "SubtaskMonitorContract",
    "example_chunk",
    "example_latent",
    "example_memory",
    "example_observation",
    "example_request",
    "example_subtask",
]
