"""Fills docs/performance.md from the figures of the benchmarks, so that none is typed by hand.

Between `<!-- figures: NAME -->` and `<!-- end -->` the page gets what NAME.json in the folder says;
a picture NAME.png beside it is copied to docs/figures and shown. What the folder lacks stays as it
is: each section says on which machine and at which commit it was measured.

    python -m benchmarks.report --from runs/bench
"""

import argparse
import json
import re
import shutil
from pathlib import Path
from typing import Any

from benchmarks.support.comparison import comparison_of
from benchmarks.support.markdown import figures_of, machine_line

_DOCS = Path(__file__).parent.parent / "docs"
_PAGE = "performance.md"
_SECTION = re.compile(
    r"(<!-- figures: (?P<name>[\w-]+) -->\n)(?P<old>.*?)(<!-- end -->)", re.DOTALL
)


def main() -> None:
    """Fill the page in, and say which figures it has."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--from", dest="folder", type=Path, default=Path("runs/bench"))
    parser.add_argument("--docs", type=Path, default=_DOCS, help="the folder of the page")
    arguments = parser.parse_args()
    for name, is_there in fill_page(arguments.folder, arguments.docs).items():
        print(f"{name:20} {'filled in' if is_there else 'left as it is'}")


def fill_page(folder: Path, docs: Path) -> dict[str, bool]:
    """Write the figures of a folder into the page; say for each section whether there were any."""
    page, found = docs / _PAGE, dict[str, bool]()

    def fill(match: re.Match[str]) -> str:
        name = match["name"]
        figures = folder / f"{name}.json"
        found[name] = figures.is_file()
        text = _section(figures, docs) if found[name] else match["old"].strip()
        return f"{match[1]}\n{text or _not_measured(name)}\n\n{match[4]}"

    page.write_text(_SECTION.sub(fill, page.read_text(encoding="utf-8")), encoding="utf-8")
    return found


def _section(figures: Path, docs: Path) -> str:
    report: dict[str, Any] = json.loads(figures.read_text(encoding="utf-8"))
    if "comparisons" not in report:
        return _with_picture(figures.with_suffix(".png"), docs, figures_of(report))
    parts = [
        _with_picture(figures.with_name(one["picture"]), docs, comparison_of(one))
        for one in report["comparisons"]
    ]
    return "\n\n".join((*parts, machine_line(report["machine"])))


def _with_picture(picture: Path, docs: Path, text: str) -> str:
    if not picture.is_file():
        return text
    (docs / "figures").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(picture, docs / "figures" / picture.name)
    return f"![{picture.stem}](figures/{picture.name})\n\n{text}"


def _not_measured(name: str) -> str:
    return f"Not measured yet: there was no `{name}.json` when this page was filled in."


if __name__ == "__main__":
    main()
