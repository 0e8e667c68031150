"""The examples of docs/memory.md run as they stand."""

import re
import runpy
from pathlib import Path

import pytest

_PAGE = Path(__file__).parents[3] / "docs" / "memory.md"
_BLOCKS = re.findall(r"```python\n(.*?)```", _PAGE.read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize("block", _BLOCKS, ids=range(len(_BLOCKS)))
def test_examples_run(block: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each block of the page is a program that ends well and prints something."""
    example = tmp_path / "example.py"
    example.write_text(block, "utf-8")
    runpy.run_path(str(example))
    assert capsys.readouterr().out
