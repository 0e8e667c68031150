"""How long a camera picture takes: our scene against the published one as it is.

Run with `python -m benchmarks.rendering [--json FILE]`. The published scene is drawn with its full
meshes and shadows; ours with decimated visual meshes and no shadows. Both draw the same front view
at 96 px with the same OpenGL, in one run; ours draws the wrist view too. Read the ratio: the times
are this machine's.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("MUJOCO_GL", "egl")

SIZE_PX = 96
PICTURES = 20
WARM_UP = 3


def median_ms(draw: Callable[[], object], pictures: int = PICTURES) -> float:
    """Median time of a picture [ms], after a few that compile and fill caches."""
    times_ms: list[float] = []
    for _ in range(WARM_UP + pictures):
        start_ns = time.perf_counter_ns()
        draw()
        times_ms.append((time.perf_counter_ns() - start_ns) * 1e-6)
    return statistics.median(times_ms[WARM_UP:])


def measure_published() -> dict[str, float]:
    """The scene as OGBench publishes it: full meshes, shadows, multisampling."""
    import mujoco
    from ogbench.manipspace.envs.scene_env import SceneEnv

    environment = SceneEnv("scene", mode="data_collection", visualize_info=False)
    environment.reset(seed=0)
    # It has no public handle, and its annotations start from None.
    model: Any = environment._model  # noqa: SLF001
    data: Any = environment._data  # noqa: SLF001
    renderer = mujoco.Renderer(model, SIZE_PX, SIZE_PX)

    def draw() -> None:
        renderer.update_scene(data, camera="front_pixels")
        renderer.render()

    found = {"front_ms": median_ms(draw), "faces": float(model.nmeshface)}
    renderer.close()
    return found


def measure_ours() -> dict[str, float]:
    """The scene as the robot draws it, by OpenGL and by rays."""
    from fast_brain.robots.scene_camera import GlCamera
    from fast_brain.robots.scene_physics import ScenePhysics
    from fast_brain.robots.scene_ray_camera import RayCamera

    physics = ScenePhysics()
    physics.reset(0, arm_at_home=True)
    found: dict[str, float] = {}
    for camera in (GlCamera(physics.model, SIZE_PX), RayCamera(physics.model, SIZE_PX)):
        prefix = "" if camera.kind == "opengl" else "raycast_"
        for name in ("front", "wrist"):
            found[f"{prefix}{name}_ms"] = median_ms(lambda: camera.take(physics.data, name))  # noqa: B023  # Drawn before the loop goes on.
        camera.close()
    return found


def measure() -> dict[str, Any]:
    """Both scenes and the ratio of their front views."""
    ours, published = measure_ours(), measure_published()
    return {
        "benchmark": "rendering",
        "size_px": SIZE_PX,
        "pictures": PICTURES,
        "ours": ours,
        "published": published,
        "front_ratio": published["front_ms"] / ours["front_ms"],
    }


def main() -> None:
    """Measure, print, and write the numbers where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Formatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to FILE too")
    arguments = parser.parse_args()
    found = measure()
    ours, published = found["ours"], found["published"]
    print(f"median of {PICTURES} pictures at {SIZE_PX} px    ms a picture")
    print(f"published scene, front view          {published['front_ms']:8.1f}")
    print(f"ours, front view                     {ours['front_ms']:8.1f}")
    print(f"ours, wrist view                     {ours['wrist_ms']:8.1f}")
    print(f"ours without OpenGL, front view      {ours['raycast_front_ms']:8.1f}")
    print(f"ours without OpenGL, wrist view      {ours['raycast_wrist_ms']:8.1f}")
    print(f"published / ours, front view         {found['front_ratio']:8.1f}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the description's own lines."""


if __name__ == "__main__":
    main()
