"""Which OpenGL MuJoCo draws with, and whether it works; imports no MuJoCo.

MuJoCo reads `MUJOCO_GL` once, when it is imported. Without it MuJoCo takes GLFW, which needs a
screen and complains where there is none; with "egl" the import itself fails where EGL is missing.
"""

import ctypes
import os
import subprocess
import sys

HOW_TO_GET_OPENGL = (
    "Install a software OpenGL (Debian: apt-get install libegl1 libgl1-mesa-dri), "
    "or go on with camera: raycast."
)
# Starting Python, MuJoCo and a driver takes 1-2 s; a driver that hangs is as good as none [s].
_PROBE_LIMIT_S = 60.0
_PROBE = "from fast_brain.robots.scene_camera import draw_nothing; draw_nothing()"


def choose_gl_backend() -> None:
    """Ask MuJoCo for EGL on a Linux without a screen, unless the operator chose.

    Where the EGL library is missing, OpenGL is switched off: physics then still runs.
    """
    if sys.platform != "linux" or os.environ.get("MUJOCO_GL") or os.environ.get("DISPLAY"):
        return
    os.environ["MUJOCO_GL"] = "egl" if _has_egl_library() else "disabled"


def opengl_trouble() -> str:
    """Draw in a process of its own and return what went wrong, "" if nothing did.

    Some drivers end the process they fail in: that must not be the robot's. Takes 1-2 s.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    try:
        probe = subprocess.run(  # noqa: S603  # Our own interpreter and our own words.
            [sys.executable, "-c", _PROBE],
            env=environment,
            capture_output=True,
            text=True,
            timeout=_PROBE_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"OpenGL did not answer within {_PROBE_LIMIT_S:.0f} s"
    if probe.returncode == 0:
        return ""
    lines = probe.stderr.strip().splitlines()
    return lines[-1] if lines else f"the driver ended its process with {probe.returncode}"


def _has_egl_library() -> bool:
    try:
        ctypes.CDLL("libEGL.so.1")
    except OSError:
        return False
    return True
