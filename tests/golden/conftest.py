"""Lets the golden tests use the fakes of the agent's tests, and the plug-ins beside this file."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "agent"))
sys.path.insert(0, str(Path(__file__).parent))
