"""The safety filter: the last word before the robot, on every single command.

A chain of small filters, one file each; `chain.py` runs them, docs/safety.md tells the whole.
"""

from fast_brain.safety.chain import FilteredAction, SafetyFilter
from fast_brain.safety.emergency_stop import EmergencyStop

__all__ = ["EmergencyStop", "FilteredAction", "SafetyFilter"]
