"""The control loop as a node: newest observation and chunk in, a command or a hold out, each beat.

It reads shared memory and writes shared memory; nothing in `step` can block.
"""

from bridge.errors import ConfigError
from bridge.messages import Hold, LoopStatus, PauseRequest
from bridge.nodes import Mailboxes, publish_output, read_input
from bridge.plugins import make_plugin
from bridge.protocols import Clock
from fast_brain.config import FastBrainNodeConfig
from fast_brain.control_loop import ControlLoop
from fast_brain.rate_checks import check_control_rate
from fast_brain.rate_keeper import RateKeeper
from fast_brain.realtime import read_realtime
from fast_brain.robot_choice import read_robot_spec
from fast_brain.safety import SafetyFilter
from fast_brain.safety_news import SafetyNews
from fast_brain.section_timer import SectionTimer
from fast_brain.tick_book import TickBook

_NS_PER_S = 1_000_000_000


class ControlNode:
    """Reads `observation`, `chunk`, `pause` and the stops; writes `command` and `loop_status`.

    Its cadence record is its own, made from the times at which it was stepped, so it says the same
    under every driver; in virtual time the lateness is zero.
    """

    def __init__(
        self,
        *,
        config: FastBrainNodeConfig,
        inputs: Mailboxes,
        outputs: Mailboxes,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._config = config
        self._settings = config.fast_brain
        self._inputs = inputs
        self._outputs = outputs
        self._loop: ControlLoop | None = None
        self._news = SafetyNews(outputs)
        self._cadence = RateKeeper(self._settings.control_rate_hz)
        self._sections = SectionTimer()
        self._book = TickBook(self._sections, outputs)
        self._priority = ""
        self._starved = 0
        self._status_due_ns = 0

    @property
    def last_error(self) -> str:
        """Why the last action was vetoed; empty while none is."""
        if self._loop is None or self._loop.verdict.kind != "vetoed":
            return ""
        return f"vetoed: {self._loop.verdict.reason}"

    def start(self) -> None:
        """Learn the robot's limits and make the stitcher; opens no connection to the robot.

        Raises:
            TandemError: The robot or the stitcher cannot be made.
        """
        settings = self._settings
        robot = read_robot_spec(self._config.robot)
        safety = SafetyFilter(robot.action, settings.control_rate_hz)
        check_control_rate(robot, settings.control_rate_hz)
        self._loop = ControlLoop(
            make_plugin("stitcher", settings.stitcher, settings.stitcher_options),
            safety,
            rules=settings.ladder_rules(),
            rest_action=robot.rest_action,
            target_name=settings.target_proprioception,
            sections=self._sections,
        )
        self._news.limits(robot.action, safety.stopping_ticks, self._clock.now_ns())

    def step(self, now_ns: int) -> None:
        """One tick: decide, publish, and now and then tell how the cadence is kept.

        Raises:
            ConfigError: It was not started.
        """
        loop = self._loop
        if loop is None:
            raise ConfigError("The control loop has not been started: call start() first.")
        sections = self._sections
        sections.begin()
        skipped = self._cadence.beat(now_ns)
        observation = read_input(self._inputs, "observation")
        chunk = read_input(self._inputs, "chunk")
        stops = (read_input(self._inputs, name) for name in ("stop", "watchdog_stop"))
        sections.done("observe")
        pause: PauseRequest | None = read_input(self._inputs, "pause")
        decision = loop.tick(now_ns, observation, chunk, *stops, pause=pause)
        sections.done("command")
        publish_output(self._outputs, "command", decision)
        sections.done("publish")
        # The robot has its command; what follows only tells of it.
        self._book.note(now_ns, self._cadence.late_ns, skipped, decision)
        self._news.note(loop, decision, now_ns)
        is_hold = isinstance(decision, Hold)
        self._starved += is_hold
        if now_ns >= self._status_due_ns:
            self._status_due_ns = now_ns + round(_NS_PER_S / self._settings.status_rate_hz)
            last = str(decision.reason) if isinstance(decision, Hold) else "command"
            publish_output(self._outputs, "loop_status", self._status(last, loop, now_ns))

    def close(self) -> None:
        """Tell what was not told yet; the robot is the robot node's."""
        self._book.tell()

    def _status(self, last_decision: str, loop: ControlLoop, now_ns: int) -> LoopStatus:
        cadence, lateness = self._cadence, self._cadence.lateness
        p50_ms, p99_ms, p999_ms = lateness.percentiles_ms((0.5, 0.99, 0.999))
        if not self._priority:
            # Once, in the thread that keeps the beat: it has been granted by now, or never.
            self._priority = str(read_realtime())
        return LoopStatus(
            ticks=cadence.beats,
            target_rate_hz=cadence.rate_hz,
            effective_rate_hz=cadence.effective_rate_hz,
            missed_ticks=cadence.missed,
            starved_ticks=self._starved,
            lateness_p50_ms=p50_ms,
            lateness_p99_ms=p99_ms,
            lateness_p999_ms=p999_ms,
            lateness_max_ms=lateness.max_ms,
            last_decision=last_decision,
            latent_age_s=loop.latent_age_s(now_ns),
            stamp_ns=now_ns,
            sections=self._book.figures(),
            priority=self._priority,
            rung=str(loop.ladder.rung),
        )
