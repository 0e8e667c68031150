"""What every subtask monitor keeps."""

from msgspec.structs import replace

from bridge.evidence import Evidence
from bridge.messages import Subtask, SubtaskReport, SubtaskState
from bridge.protocols import SubtaskMonitor
from bridge.testing.examples import SECOND_NS, example_observation, example_subtask


class SubtaskMonitorContract:
    """For a `SubtaskMonitor`. Override `make`, and `evidence` to show what it looks at.

    `evidence` is shown for a minute, ten times a second; a monitor need not report on it.
    """

    def make(self) -> SubtaskMonitor:
        """A new monitor, watching nothing."""
        raise NotImplementedError

    def evidence(self, now_ns: int) -> Evidence:
        """What it is shown at a time; override for its own readings, plans or chunks."""
        return Evidence(observation=example_observation(stamp_ns=now_ns))

    def test_meets_the_protocol(self) -> None:
        """It has every verb of `SubtaskMonitor`."""
        assert isinstance(self.make(), SubtaskMonitor)

    def test_reports_only_on_the_subtask_it_watches(self) -> None:
        """A report names the subtask under way, an allowed state, a reason, and the time."""
        monitor = self.make()
        for number in (1, 2):
            subtask = _active(number)
            start_ns = number * 100 * SECOND_NS
            for stamp_ns, report in self._minute(monitor, subtask, start_ns):
                assert report.subtask_id == subtask.id
                assert report.state in _ALLOWED
                assert report.reason
                assert report.stamp_ns == stamp_ns

    def test_a_new_subtask_begins_from_nothing(self) -> None:
        """What was seen of one subtask does not count for the next: both take equally long."""
        monitor = self.make()
        waits = [
            next((stamp_ns - start_ns for stamp_ns, _ in reports), None)
            for start_ns, reports in (
                (start_ns, self._minute(monitor, _active(number), start_ns))
                for number, start_ns in ((1, 100 * SECOND_NS), (2, 200 * SECOND_NS))
            )
        ]
        assert waits[0] == waits[1]

    def _minute(
        self, monitor: SubtaskMonitor, subtask: Subtask, start_ns: int
    ) -> list[tuple[int, SubtaskReport]]:
        """What it reports within a minute, and when."""
        monitor.begin(subtask, start_ns)
        found: list[tuple[int, SubtaskReport]] = []
        for tenth in range(600):
            now_ns = start_ns + tenth * SECOND_NS // 10
            report = monitor.check(self.evidence(now_ns), now_ns)
            if report is not None:
                found.append((now_ns, report))
        return found


_ALLOWED = (SubtaskState.DONE, SubtaskState.FAILED, SubtaskState.ACTIVE)


def _active(number: int) -> Subtask:
    return replace(example_subtask(number=number), state=SubtaskState.ACTIVE)
