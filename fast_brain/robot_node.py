"""The robot as a node: carries out the newest command, and shows what it senses, each beat.

Between commands the robot stays by its last target. A hold may carry the next target on the way to
rest; a stop, from a person or from the watchdog, brings it to rest by its own means.
"""

from collections.abc import Mapping

from bridge.clock import seconds_between
from bridge.errors import ConfigError
from bridge.messages import Command, Decision, Hold, Observation, Skills, Verdict
from bridge.nodes import Mailboxes, blaming, publish_output, read_input
from bridge.protocols import Clock, Robot, SimulatedRobot
from bridge.specs import RobotSpec
from bridge.trace import emit
from fast_brain.config import FastBrainNodeConfig
from fast_brain.observation_watch import ObservationWatch
from fast_brain.robot_choice import make_robot
from fast_brain.robot_states import RobotStates
from fast_brain.safety.emergency_stop import EmergencyStop

_NS_PER_S = 1_000_000_000
_OF_NO_CHUNK = -1


class RobotNode:
    """Reads `command`, `stop`, `watchdog_stop`; writes `observation`, and `world` of a simulator.

    What the robot can be asked for stands in `skills` from its start on.

    Of the two stop mailboxes the newest request counts. One that is latched stops the robot, and
    no command is passed on until a person releases it with a newer one that is not latched; some
    robots want a `reset` besides. One that is not latched only drops older commands.
    """

    def __init__(
        self,
        *,
        config: FastBrainNodeConfig,
        inputs: Mailboxes,
        outputs: Mailboxes,
        clock: Clock,
    ) -> None:
        self._config = config
        self._inputs = inputs
        self._outputs = outputs
        self._clock = clock
        self._robot: Robot | None = None
        self._simulator: SimulatedRobot | None = None
        self._command: Decision | None = None
        self._stop = EmergencyStop()
        self._shown: Observation | None = None
        self._report_due_ns = 0
        self._watch: ObservationWatch | None = None
        self._states: RobotStates | None = None
        self._trouble = ""

    @property
    def last_error(self) -> str:
        """What is wrong with what the robot shows; empty while nothing seems to be."""
        return self._trouble or ("" if self._watch is None else self._watch.suspicion)

    @property
    def robot(self) -> Robot:
        """The robot itself, for evaluation; made in `start`."""
        if self._robot is None:
            raise ConfigError("The robot has not been started: call start() first.")
        return self._robot

    @property
    def spec(self) -> RobotSpec | None:
        """What the robot declares; None before `start`."""
        return None if self._robot is None else self._robot.spec

    def start(self) -> None:
        """Make the robot, take hold of it, and begin a simulator's first episode.

        Raises:
            RobotBusyError: Another process drives it.
            RobotFault: It does not answer.
            TandemError: It cannot be made.
        """
        self._robot = make_robot(self._config.robot)
        with blaming(self._config.robot.kind, "connect"):
            self._robot.connect()
        self._watch = ObservationWatch(self._robot.spec.observation)
        self._states = RobotStates(self._robot, self._config.robot.kind, self._outputs)
        skills = Skills(names=self._robot.spec.skills, stamp_ns=self._clock.now_ns())
        publish_output(self._outputs, "skills", skills)
        if isinstance(self._robot, SimulatedRobot):
            self._simulator = self._robot
            seed, options = self._config.robot.seed, self._config.robot.reset_options
            if seed is not None or options:
                self.reset(seed or 0, options)

    def reset(self, seed: int, options: Mapping[str, object] | None = None) -> None:
        """Begin a new episode of a simulated robot.

        Raises:
            ConfigError: An option it does not know, or the robot is real or not started.
        """
        kind = self._config.robot.kind
        if self._simulator is None:
            raise ConfigError(f"Robot {kind!r} is no simulator that runs, so it has no episodes.")
        with blaming(kind, "reset"):
            self._simulator.reset(seed, options or {})
        # What was commanded before belongs to the old episode.
        self._command = read_input(self._inputs, "command")
        self._report_due_ns = 0

    def step(self, now_ns: int) -> None:
        """One beat: obey, let the world move on, look.

        Raises:
            RobotFault: The robot reports trouble; it has been told to stop by then.
            PluginError: Its code raised; as above.
        """
        try:
            self._obey(now_ns)
            self._look(now_ns)
        except Exception as error:
            self.robot.stop(f"{type(error).__name__}: {error}")
            raise

    def close(self) -> None:
        """Bring the robot to rest and let go of it."""
        if self._robot is None:
            return
        self._robot.stop("the run ends")
        with blaming(self._config.robot.kind, "close"):
            self._robot.close()

    def _obey(self, now_ns: int) -> None:
        self._notice_stop()
        command = read_input(self._inputs, "command")
        if command is self._command:
            return
        self._command = command
        order = _as_command(command)
        if order is not None and self._may_move(order, now_ns):
            with blaming(self._config.robot.kind, "command"):
                self.robot.command(order)

    def _notice_stop(self) -> None:
        requests = (read_input(self._inputs, name) for name in ("stop", "watchdog_stop"))
        stop = self._stop
        if stop.notice(requests) and stop.is_latched and stop.request is not None:
            self.robot.stop(stop.request.reason)

    def _may_move(self, command: Command, now_ns: int) -> bool:
        """Not while stopped, not by a command from before the stop, and not by one long overdue."""
        stop = self._stop.request
        if stop is not None and (stop.latched or command.stamp_ns < stop.stamp_ns):
            return False
        return seconds_between(command.stamp_ns, now_ns) <= self._config.fast_brain.dead_man_s

    def _look(self, now_ns: int) -> None:
        robot, simulator, kind = self.robot, self._simulator, self._config.robot.kind
        if simulator is not None:
            with blaming(kind, "advance"):
                simulator.advance(now_ns)
        with blaming(kind, "observe"):
            observation = robot.observe(now_ns)
        # Cameras are slower than the beat: the same pictures need not be written again.
        if observation is not self._shown:
            self._shown = observation
            self._show(observation, now_ns)
        if simulator is not None and now_ns >= self._report_due_ns:
            self._report_due_ns = now_ns + round(_NS_PER_S / self._config.robot.report_rate_hz)
            with blaming(kind, "report"):
                publish_output(self._outputs, "world", simulator.report())
        if self._states is not None:
            self._states.note(now_ns)

    def _show(self, observation: Observation, now_ns: int) -> None:
        """Publish what can be acted on; the rest is told, and the loop holds when it is missed."""
        watch, told = self._watch, self.last_error
        if watch is not None:
            self._trouble = watch.trouble_with(observation)
            if not self._trouble:
                watch.look(observation, now_ns)
        if not self._trouble:
            publish_output(self._outputs, "observation", observation)
        if self.last_error != told:
            emit(self._outputs, "observation.trouble", now_ns, trouble=self.last_error)


def _as_command(decision: Decision | None) -> Command | None:
    """What the robot is to be sent: of a hold, the action on its way to rest, if there is one."""
    if not isinstance(decision, Hold):
        return decision
    if decision.action is None:
        return None
    return Command(
        action=decision.action,
        stamp_ns=decision.stamp_ns,
        sequence=_OF_NO_CHUNK,
        verdict=Verdict(kind="passed", reason=f"hold: {decision.reason}"),
        chunk_sequence=_OF_NO_CHUNK,
        chunk_index=_OF_NO_CHUNK,
    )
