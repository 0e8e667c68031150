"""What a run can be turned into; light, as every command line reads it."""

import enum


class Target(enum.StrEnum):
    """What a run can be turned into."""

    HTML = "html"
    VIDEO = "video"
    LEROBOT = "lerobot"
    LEROBOT_04 = "lerobot-0.4"
    HDF5 = "hdf5"
    RRD = "rrd"
    THOUGHTS = "thoughts"
