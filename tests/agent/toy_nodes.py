"""Small nodes to run a graph with: no robot, no brain, importable from every process."""

import threading
from collections.abc import Mapping
from typing import Any

from bridge.messages import Goal
from bridge.protocols import Clock, LatestValue
from bridge.specs import ActionSpec, LatentSpec, PlannerSpec, PolicySpec
from bridge.trace import emit


class Counter:
    """Publishes how many steps it has made; keeps when each was made [ns]."""

    def __init__(
        self,
        *,
        config: Any,
        inputs: Mapping[str, LatestValue[Any]],
        outputs: Mapping[str, LatestValue[Any]],
        clock: Clock,
    ) -> None:
        self.config: dict[str, Any] = dict(config or {})
        self.inputs = inputs
        self.outputs = outputs
        self.clock = clock
        self.stepped_ns: list[int] = []
        self.is_closed = False

    def start(self) -> None:
        """Nothing to load."""

    def step(self, now_ns: int) -> None:
        """Count."""
        self.stepped_ns.append(now_ns)
        self.say(str(len(self.stepped_ns)), now_ns)

    def say(self, text: str, now_ns: int) -> None:
        """Publish a text in every output."""
        for output in self.outputs.values():
            output.publish(Goal(text=text, id="", source="toy", stamp_ns=now_ns))

    def close(self) -> None:
        """Remember that it happened."""
        self.is_closed = True


class Echo(Counter):
    """Publishes what it hears; keeps every new text with the time it was heard [ns]."""

    def start(self) -> None:
        """Begin with nothing heard."""
        self.heard: list[tuple[str, int]] = []

    def step(self, now_ns: int) -> None:
        """Listen, and say it again."""
        self.stepped_ns.append(now_ns)
        for mailbox in self.inputs.values():
            message = mailbox.read()
            if message is not None and message.text not in [text for text, _ in self.heard]:
                self.heard.append((message.text, now_ns))
                self.say(message.text, now_ns)


class Raising(Counter):
    """Raises at its third step."""

    def step(self, now_ns: int) -> None:
        """Count up to two."""
        if len(self.stepped_ns) == 2:
            raise RuntimeError("the third step")
        super().step(now_ns)


class NotStarting(Counter):
    """Raises when it is started."""

    def start(self) -> None:
        """Fail."""
        raise RuntimeError("no such camera")


class Hanging(Counter):
    """Never comes back from its second step, within any test's patience."""

    def step(self, now_ns: int) -> None:
        """Count once, then hang."""
        if self.stepped_ns:
            threading.Event().wait(600)
        super().step(now_ns)


class WidePlanner(Counter):
    """Declares latents of 32."""

    spec = PlannerSpec(latent=LatentSpec(perceptual_tokens=4, cognitive_tokens=1, width=32))


class NarrowPolicy(Counter):
    """Declares that it needs latents of 16."""

    spec = PolicySpec(
        action=ActionSpec(
            names=("x_m",),
            low=(-1.0,),
            high=(1.0,),
            units=("m",),
            max_speed=(1.0,),
            control_rate_hz=100.0,
        ),
        horizon=4,
        step_s=0.05,
        latent=LatentSpec(perceptual_tokens=4, cognitive_tokens=1, width=16),
    )


class Telling(Counter):
    """Tells the trace when it closes how far it came."""

    def say(self, text: str, now_ns: int) -> None:
        """Publish a text, but not in the ring."""
        self.outputs["out"].publish(Goal(text=text, id="", source="toy", stamp_ns=now_ns))

    def close(self) -> None:
        """Tell."""
        super().close()
        emit(self.outputs, "toy.closed", self.clock.now_ns(), steps=len(self.stepped_ns))
