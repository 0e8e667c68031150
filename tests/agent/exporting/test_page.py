from html.parser import HTMLParser
from pathlib import Path

from written_traces import story, told, write_run

from agent.exporting.stretch import stretch_of
from agent.exporting.target import Target
from agent.exporting.targets import export
from agent.tracing.runs import Run


class Reader(HTMLParser):
    """Collects what a page shows, and what it would fetch from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.fetched: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember what is open, and links out."""
        self.fetched += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Everything is closed in order."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """What is shown."""
        self.words.append(data)


def test_a_page_tells_the_story_and_needs_nothing_else(tmp_path: Path) -> None:
    """It is well formed, fetches nothing, and what people typed is text, never markup."""
    goal = told(1.9, "mailbox", "goal", text="<script>alert(1)</script>", id="h", source="test")
    fell = told(1.0, "supervisor", "node.down", node="policy", how="died", reason="a & b")
    target = tmp_path / "run.html"
    run = Run(write_run(tmp_path / "a", [*story(), fell, goal]))
    export(stretch_of(run), Target.HTML, target)
    page = Reader()
    page.feed(target.read_text("utf-8"))
    assert page.open == []
    assert page.fetched == []
    shown = " ".join(page.words)
    for wanted in ("reach left: done", "PLAN: left first", "policy fell: died, a & b"):
        assert wanted in shown
    assert "<script>alert(1)</script> (test)" in shown
    assert "<script>" not in target.read_text("utf-8")
