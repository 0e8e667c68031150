"""Real-time chunking by training: the rows that are taken already are given to the network, clean.

Source: Black et al., "Training-Time Action Conditioning for Efficient Real-Time Chunking"
(arXiv 2512.05964), Algorithm 1. Each Euler step overwrites the first d rows with what is under way
and gives them flow time 1, data; the rest is denoised as ever. No gradient, no mask to choose. Its
eq. 2 has the sign of the target wrong against Algorithm 1, which is followed in training.
"""

from bridge.errors import ConfigError
from bridge.messages import ActionChunk, MemoryView, Observation
from bridge.protocols import Policy
from fast_brain.stitchers.conditioning import (
    Conditioner,
    FlowPolicyLike,
    denoise,
    leftover,
    require,
)
from fast_brain.stitchers.latest import LatestStitcher


class TrainedRtcStitcher(LatestStitcher):
    """Trained RTC: the newest chunk plays, and begins with the rows of the one before it.

    As many rows as will have passed when the chunk arrives are known; the delay is measured. A
    delay beyond what the policy was trained for binds as many rows as it was, and the rest of the
    join is that of `latest`; `prefix_rows` beside `delay_estimate_rows` in the trace tells.

    Args:
        delay_window: How many measurements of the delay count; the largest is taken.
    """

    def __init__(self, *, delay_window: int = 10) -> None:
        super().__init__()
        self._delay_window = delay_window

    def conditioner(self, policy: Policy) -> "PrefixConditioner":
        """The policy's half.

        Raises:
            ConfigError: The policy is no flow policy, or was not trained for a known prefix.
        """
        flow = require(policy, FlowPolicyLike, "trained_rtc", offers="FlowSampler")
        if flow.longest_prefix_rows < 1:
            raise ConfigError(
                "Stitcher 'trained_rtc' needs a policy that was trained with known first rows, and "
                "these weights were not: train them (agent train policy), or choose stitcher 'rtc'."
            )
        return PrefixConditioner(flow, self._delay_window)


class PrefixConditioner(Conditioner):
    """Makes chunks whose first rows are what is under way."""

    def __init__(self, policy: FlowPolicyLike, delay_window: int) -> None:
        super().__init__(policy, delay_window)
        self._flow = policy

    def act(self, observation: Observation, memory: MemoryView, now_ns: int) -> ActionChunk:
        """A chunk that begins with the rows under way.

        Raises:
            ContractError: The observation lacks what the policy needs.
        """
        del now_ns
        seen = self._flow.look(observation, memory)
        target, known = leftover(self._committed, self._flow, seen)
        delay = self._delay.rows
        prefix_rows = min(delay, known, self._flow.longest_prefix_rows)
        rows = denoise(self._flow, seen, prefix=target[:prefix_rows])
        self._note(delay_rows=delay, leftover_rows=known, prefix_rows=prefix_rows)
        return self._flow.finish(rows[0], seen)
