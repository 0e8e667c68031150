"""The OGBench scene, compiled so that a CPU can draw it: light visual meshes, a wrist camera.

Collision meshes are never touched: contact must stay exactly as the benchmark published it.
"""

import copy
from typing import cast

import mujoco
import numpy as np
from dm_control import mjcf
from ogbench.manipspace import mjcf_utils
from ogbench.manipspace.envs.scene_env import SceneEnv

# Measured on two CPU cores: below about 10 % the arm looks the same at 96 px and draws 5x faster.
KEPT_FACE_FRACTION = 0.1
LEAST_FACES = 60
WRIST_CAMERA = "wrist"
FRONT_CAMERA = "front_pixels"
# What the robot calls its cameras, and what the model calls them.
CAMERA_BY_NAME = {"front": FRONT_CAMERA, "wrist": WRIST_CAMERA}
_WRIST_CAMERA_BODY = "ur5e/robotiq/base"
# The newest model by its description: parsing, thinning and compiling take 2 s, a copy 0.05 s.
_COMPILED: dict[str, mujoco.MjModel] = {}


class LightSceneEnv(SceneEnv):
    """The published scene with decimated visual meshes and a camera on the gripper."""

    def compile_model_and_data(self) -> None:
        """Compile as the parent does, through a model description edited in memory."""
        self._model = _compiled(cast("mjcf.RootElement", self._mjcf_model))
        self._data = mujoco.MjData(self._model)
        self._model.opt.timestep = self._physics_timestep
        mujoco.mj_resetData(self._model, self._data)
        mujoco.mj_forward(self._model, self._data)
        self.post_compilation()
        self._dirty = False


def _compiled(mjcf_model: mjcf.RootElement) -> mujoco.MjModel:
    """A model of one's own; what was compiled from the same text in this process is copied."""
    text = mjcf_utils.to_string(mjcf_model)
    if text not in _COMPILED:
        _COMPILED.clear()
        _COMPILED[text] = _compile(text, mjcf_utils.get_assets(mjcf_model))
    return copy.copy(_COMPILED[text])


def _compile(text: str, assets: dict[str, bytes]) -> mujoco.MjModel:
    spec = mujoco.MjSpec.from_string(text, assets=assets)
    full = spec.compile()
    _add_wrist_camera(spec)
    _swap_visual_meshes(spec, full)
    spec.visual.quality.shadowsize = 0
    spec.visual.quality.offsamples = 0
    return spec.compile()


def _add_wrist_camera(spec: mujoco.MjSpec) -> None:
    """Mount a camera beside the gripper that looks along the fingers.

    The body's z axis points from the flange to the fingertips; a camera looks along its own -z.
    """
    spec.body(_WRIST_CAMERA_BODY).add_camera(
        name=WRIST_CAMERA, pos=[0.0, 0.085, 0.0], xyaxes=[1, 0, 0, 0, -0.98, -0.2], fovy=75
    )


def _swap_visual_meshes(spec: mujoco.MjSpec, full: mujoco.MjModel) -> None:
    light_name_by_mesh: dict[int, str] = {}
    for geom, geom_id in zip(spec.geoms, range(full.ngeom), strict=True):
        mesh_id = int(full.geom_dataid[geom_id])
        if mesh_id < 0 or full.geom_contype[geom_id] or full.geom_conaffinity[geom_id]:
            continue
        if full.mesh_facenum[mesh_id] <= 2 * LEAST_FACES:
            continue
        if mesh_id not in light_name_by_mesh:
            light_name_by_mesh[mesh_id] = _add_light_mesh(spec, full, mesh_id)
        geom.meshname = light_name_by_mesh[mesh_id]


def _add_light_mesh(spec: mujoco.MjSpec, full: mujoco.MjModel, mesh_id: int) -> str:
    import fast_simplification
    import trimesh

    start, count = full.mesh_vertadr[mesh_id], full.mesh_vertnum[mesh_id]
    vertices_centred = full.mesh_vert[start : start + count].astype(np.float64)
    rotation = np.zeros(9)
    mujoco.mju_quat2Mat(rotation, full.mesh_quat[mesh_id])
    vertices = vertices_centred @ rotation.reshape(3, 3).T + full.mesh_pos[mesh_id]
    start, count = full.mesh_faceadr[mesh_id], full.mesh_facenum[mesh_id]
    mesh = trimesh.Trimesh(vertices, full.mesh_face[start : start + count], process=False)
    # Vertices are split at texture and normal seams; unmerged, decimation tears the arm apart.
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    kept = max(LEAST_FACES, int(KEPT_FACE_FRACTION * len(mesh.faces)))
    # Without `return_collapses` there are always two results; the annotations do not say so.
    points, faces = fast_simplification.simplify(  # pyright: ignore[reportAssignmentType]
        np.asarray(mesh.vertices, np.float32),  # pyright: ignore[reportArgumentType]  # It takes both.
        np.asarray(mesh.faces),
        target_count=kept,
    )
    name = f"light_{mesh_id}"
    spec.add_mesh(
        name=name,
        uservert=points.astype(np.float64).ravel().tolist(),
        userface=faces.ravel().tolist(),
    )
    return name
