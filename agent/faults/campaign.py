"""A whole campaign: all its cases in turn, what is missing only, each result kept at once."""

from collections.abc import Callable, Iterator, Sequence

from agent.faults.book import CampaignBook
from agent.faults.cases import FaultCase
from agent.faults.judge import CaseResult
from agent.faults.virtual_run import play_all_virtual


def run_campaign(
    cases: Sequence[FaultCase],
    book: CampaignBook,
    *,
    resume: bool,
    on_result: Callable[[CaseResult], None] = lambda _: None,
) -> list[CaseResult]:
    """Play what the book does not hold yet; virtual time first, because it is fast.

    Args:
        cases: All of them.
        book: Where results are kept.
        resume: Whether the book may hold some already.
        on_result: Told each new result.

    Raises:
        ConfigError: The book holds results and is not to be resumed, or others.
    """
    results = book.open(resume=resume)
    for result in play([case for case in cases if case.name not in results]):
        results[result.case.name] = result
        book.append(result)
        on_result(result)
    return [results[case.name] for case in cases]


def play(cases: Sequence[FaultCase]) -> Iterator[CaseResult]:
    """Play each case, as it is asked for; those among processes share runs where they can."""
    yield from play_all_virtual(case for case in cases if case.world == "virtual")
    among_processes = [case for case in cases if case.world == "processes"]
    if among_processes:
        from agent.faults.process_run import play_all_processes

        yield from play_all_processes(among_processes)
