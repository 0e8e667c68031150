"""Lets every process of a run import the toy nodes beside this file."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
