"""Every fault that is injected, as data: what breaks, for how long, and what has to follow."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

World = Literal["virtual", "processes"]
# How a fault is done; `agent/faults/hands.py` and `process_hands.py` know how in their world.
How = Literal["kill", "pause", "slow", "hang", "order", "clock", "segment", "disk", "ray"]
# recovers: the goal is met without help. released: the same once a person has released the stop.
# ends: the run ends by itself and says why, the robot told to stop first if it can be told.
Outcome = Literal["recovers", "released", "ends"]
BOTH: tuple[World, ...] = ("virtual", "processes")
# How long the nodes of the drill may be silent [s].
HUNG_AFTER_S, PLANNER_HUNG_AFTER_S = 1.5, 12.0
# Longer than anything else in a drill [s].
FOR_GOOD_S = 600.0


@dataclass(frozen=True, kw_only=True)
class FaultKind:
    """One way in which something breaks.

    `target` is the node that it happens to. It lasts between the two of `duration_s` [s]. `told` is
    what health, plan, holds, incidents or trace must say, as a regular expression; "" where there
    is nothing to notice. `is_one_shot`: the process that comes after a restart is well again.
    `why` says what a person should know: why it cannot be survived, or not be noticed.
    """

    how: How
    target: str
    duration_s: tuple[float, float] = (0.0, 0.0)
    outcome: Outcome = "recovers"
    told: str
    worlds: tuple[World, ...] = BOTH
    is_one_shot: bool = False
    why: str = ""


def _order(target: str, told: str, low_s: float = 0.5, high_s: float = 3.0) -> FaultKind:
    """Something that goes wrong inside a node for a while."""
    return FaultKind(how="order", target=target, duration_s=(low_s, high_s), told=told)


_ROBOT_GONE = (
    "nobody can command the robot any more: its own controller keeps the last target, and the run "
    "ends, because an arm that comes back without its history must be looked at by a person"
)
_LOOP_GONE = (
    "the loop is the part that commands: the robot is stopped and the run ends, because a new loop "
    "would not know what the old one had promised"
)

KINDS: Mapping[str, FaultKind] = {
    # --- processes die -----------------------------------------------------------------------
    "kill_planner": FaultKind(how="kill", target="planner", told="planner died"),
    "kill_policy": FaultKind(how="kill", target="policy", told="policy died"),
    "kill_watchdog": FaultKind(how="kill", target="watchdog", told="watchdog died"),
    "kill_control": FaultKind(
        how="kill", target="control", outcome="ends", told="control died", why=_LOOP_GONE
    ),
    "kill_robot": FaultKind(
        how="kill", target="robot", outcome="ends", told="robot died", why=_ROBOT_GONE
    ),
    # --- processes are stopped for a moment (SIGSTOP, SIGCONT) -------------------------------
    "pause_planner": FaultKind(how="pause", target="planner", duration_s=(0.2, 2.0), told=""),
    "pause_policy": FaultKind(
        how="pause", target="policy", duration_s=(1.1, 1.4), told="chunk_expired|no_chunk"
    ),
    "pause_watchdog": FaultKind(how="pause", target="watchdog", duration_s=(0.2, 1.2), told=""),
    "pause_robot": FaultKind(
        how="pause", target="robot", duration_s=(0.8, 1.2), told="no_observation"
    ),
    "pause_control": FaultKind(
        how="pause",
        target="control",
        duration_s=(0.7, 1.2),
        outcome="released",
        told="control loop has been silent",
        why="a loop that was silent too long leaves the robot stopped until a person releases it",
    ),
    # --- processes are stopped for good ------------------------------------------------------
    "stop_planner": FaultKind(
        how="pause", target="planner", duration_s=(FOR_GOOD_S, FOR_GOOD_S), told="planner hung"
    ),
    "stop_policy": FaultKind(
        how="pause", target="policy", duration_s=(FOR_GOOD_S, FOR_GOOD_S), told="policy hung"
    ),
    "stop_watchdog": FaultKind(
        how="pause", target="watchdog", duration_s=(FOR_GOOD_S, FOR_GOOD_S), told="watchdog hung"
    ),
    "stop_control": FaultKind(
        how="pause",
        target="control",
        duration_s=(FOR_GOOD_S, FOR_GOOD_S),
        outcome="ends",
        told="control hung",
        why=_LOOP_GONE,
    ),
    "stop_robot": FaultKind(
        how="pause",
        target="robot",
        duration_s=(FOR_GOOD_S, FOR_GOOD_S),
        outcome="ends",
        told="robot hung",
        why=_ROBOT_GONE,
    ),
    # --- the planner -------------------------------------------------------------------------
    "planner_slow": FaultKind(
        how="slow", target="planner", duration_s=(10.0, 10.0), told="latent_stale|chunk_expired"
    ),
    "planner_hung_in_native_code": FaultKind(
        how="hang", target="planner", told="planner hung", is_one_shot=True
    ),
    "planner_out_of_memory": _order("planner", "MemoryError"),
    "planner_raises": _order("planner", "RuntimeError: drill"),
    "planner_rubbish": _order("planner", "ContractError", 1.0, 3.0),
    # --- the policy --------------------------------------------------------------------------
    "policy_slow": FaultKind(
        how="slow", target="policy", duration_s=(1.0, 1.3), told="chunk_expired|no_chunk"
    ),
    "policy_endless": FaultKind(how="hang", target="policy", told="policy hung", is_one_shot=True),
    "policy_nan": _order("policy", "not finite"),
    "policy_inf": _order("policy", "not finite"),
    "policy_huge": _order("policy", "clipped: (workspace|bounds)|vetoed"),
    "policy_wrong_shape": _order("policy", "its spec says"),
    "policy_raises": _order("policy", "RuntimeError: drill"),
    # --- chunks and latents on their way, past the policy node's own check -------------------
    "chunk_nan": _order("policy", "not finite"),
    "chunk_inf": _order("policy", "not finite"),
    "chunk_huge": _order("policy", "clipped: (workspace|bounds)|vetoed"),
    "chunk_wrong_shape": _order("policy", "chunk of shape"),
    "chunk_lost": _order("policy", "chunk_expired|no_chunk", 1.2, 3.0),
    "latent_lost": _order("planner", "latent_stale", 4.0, 6.0),
    # --- the camera --------------------------------------------------------------------------
    "camera_frozen": _order("robot", "no_observation", 0.8, 3.0),
    "camera_late": _order("robot", "no_observation", 0.8, 3.0),
    "camera_dropped": _order("robot", "no_observation", 0.8, 3.0),
    "camera_wrong_shape": _order("robot", "observation.images", 0.8, 3.0),
    "camera_black": _order("robot", "shows one colour", 0.8, 3.0),
    "camera_still": _order("robot", "shows the same picture", 1.8, 3.0),
    # --- the recorder ------------------------------------------------------------------------
    "kill_recorder": FaultKind(
        how="kill", target="recorder", told="recorder died", worlds=("processes",)
    ),
    "stop_recorder": FaultKind(
        how="pause",
        target="recorder",
        duration_s=(FOR_GOOD_S, FOR_GOOD_S),
        told="recorder hung",
        worlds=("processes",),
    ),
    "disk_full": FaultKind(
        how="disk",
        target="recorder",
        duration_s=(2.0, 4.0),
        told="recording stopped",
        worlds=("processes",),
        why="the robot goes on, but the rest of the run is not recorded: the recorder says so once "
        "and stays away, because a disk that is full seldom gets room by itself",
    ),
    # --- the machine -------------------------------------------------------------------------
    "robot_fault": FaultKind(
        how="order",
        target="robot",
        duration_s=(0.5, 1.0),
        outcome="ends",
        told="robot raised: RobotFault",
        why="a robot that reports trouble is stopped, and a person is called",
    ),
    "clock_forward": FaultKind(how="clock", target="", duration_s=(1.0, 4.0), told=""),
    "clock_back": FaultKind(how="clock", target="", duration_s=(1.0, 4.0), told=""),
    "segment_removed": FaultKind(how="segment", target="", told="", worlds=("processes",)),
    "segment_removed_and_policy_killed": FaultKind(
        how="segment",
        target="policy",
        outcome="ends",
        told="There is no mailbox",
        worlds=("processes",),
        why="processes that are attached go on, but one that starts cannot find the mailbox by its "
        "name any more; the others hold the only copy, so the run ends, robot first, and says so",
    ),
    "ray_node_killed": FaultKind(
        how="ray",
        target="raylet",
        outcome="ends",
        told="died|failed",
        worlds=("processes",),
        why="Ray's node process is the parent of all node processes, and they end with it: "
        + _ROBOT_GONE,
    ),
    "ray_head_killed": FaultKind(
        how="ray",
        target="gcs_server",
        outcome="ends",
        told="died|failed",
        worlds=("processes",),
        why="without Ray's head nothing can be restarted; the robot is stopped and the run ends",
    ),
}
