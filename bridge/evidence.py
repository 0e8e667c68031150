"""All that a subtask monitor may look at, gathered by whoever runs it."""

import msgspec

from bridge.messages import ActionChunk, LoopStatus, Observation, Plan, WorldReport


class Evidence(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The newest of each message while a subtask is under way; None for what has not come yet.

    `plan` is the newest plan for the goal, `chunk` the policy's newest, whichever subtask they
    speak for. `world` is what only a simulator knows: None outside an evaluation that asks for it.
    """

    observation: Observation
    plan: Plan | None = None
    chunk: ActionChunk | None = None
    loop_status: LoopStatus | None = None
    world: WorldReport | None = None
