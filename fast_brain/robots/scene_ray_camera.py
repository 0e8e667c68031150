"""A camera for machines without OpenGL: one ray a pixel through MuJoCo's own collision geometry.

It shades as MuJoCo's fixed pipeline does with its lights, without highlights, textured only on the
floor, and with flat triangles, so that the same scene is recognised in either picture.
"""

import copy

import mujoco
import numpy as np
from numpy.typing import NDArray

from bridge import AnyArray, ImageArray, frozen_array
from fast_brain.robots.scene_model import CAMERA_BY_NAME

# MuJoCo draws geom groups 0 to 2 unless told otherwise; 3 and up are collision shapes.
_DRAWN_GROUPS = np.array([1, 1, 1, 0, 0, 0], np.uint8)
_DEFAULT_GEOM_RGBA = np.array([0.5, 0.5, 0.5, 1.0], np.float32)
# Glass: drawn blended by OpenGL, so thin that a ray may as well pass.
_PASSES_RAYS_BELOW_ALPHA = 0.3
_FARTHEST_M = 20.0
# How many back faces a ray passes, and how far behind each it goes on [m].
_MOST_BACK_FACES = 6
_STEP_THROUGH_M = 1e-4
# The floor's lines are thinner than a pixel: averaging the texture keeps them from flickering.
_TEXTURE_SHRINK = 4


class RayCamera:
    """Pictures by ray casting; needs no graphics library at all."""

    kind = "raycast"

    def __init__(self, model: mujoco.MjModel, size_px: int) -> None:
        self._model = model
        self._ray_model = _without_glass(model)
        self._floor = _FloorTexture(model)
        self._directions = {
            name: _pixel_directions(float(model.camera(camera).fovy[0]), size_px)
            for name, camera in CAMERA_BY_NAME.items()
        }
        self._near_plane_m = float(model.vis.map.znear * model.stat.extent)
        self._size_px = size_px

    def take(self, data: mujoco.MjData, name: str) -> ImageArray:
        """Return the picture of camera `name` as read-only uint8 [size, size, 3]."""
        camera = data.camera(CAMERA_BY_NAME[name])
        origin_m = camera.xpos.copy()
        directions = self._directions[name] @ camera.xmat.reshape(3, 3).T
        near_m = self._near_plane_m / -self._directions[name][:, 2]
        geom, distance_m, normals = self._cast(data, origin_m, directions, near_m)
        hit = geom >= 0
        points_m = origin_m + directions[hit] * distance_m[hit, None]
        colours = np.zeros((geom.size, 3))
        forward = -camera.xmat.reshape(3, 3)[:, 2]
        colours[hit] = self._shade(geom[hit], points_m, normals[hit], directions[hit], forward)
        image = np.clip(colours * 255.0 + 0.5, 0, 255).astype(np.uint8)
        return frozen_array(image.reshape(self._size_px, self._size_px, 3))

    def close(self) -> None:
        """Nothing to free."""

    def _cast(
        self, data: mujoco.MjData, origin_m: AnyArray, directions: AnyArray, near_m: AnyArray
    ) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]:
        """Follow rays [R, 3] of unit length: geom hit or -1 [R], distance [R], normal [R, 3].

        OpenGL draws nothing nearer than its near plane, which a ray crosses after `near_m` [R].
        The wrist camera sits among the gripper's links: uncut they would fill its picture.
        """
        count = directions.shape[0]
        geom = np.empty(count, np.int32)
        distance_m, normals = np.empty(count), np.empty(3 * count)
        # The body that carries the camera is not left out: OpenGL draws the fingers too.
        mujoco.mj_multiRay(
            self._ray_model,
            data,
            origin_m,
            np.ascontiguousarray(directions).ravel(),
            _DRAWN_GROUPS,
            True,  # noqa: FBT003  # flg_static: the floor and the furniture count.
            -1,
            geom,
            distance_m,
            normals,
            count,
            _FARTHEST_M,
        )
        normals = normals.reshape(-1, 3)
        for ray in np.flatnonzero((geom >= 0) & (distance_m < near_m)):
            geom[ray], distance_m[ray], normals[ray] = self._first_front_face(
                data, origin_m, directions[ray], float(near_m[ray])
            )
        return geom, distance_m, normals

    def _first_front_face(
        self, data: mujoco.MjData, origin_m: AnyArray, direction: AnyArray, start_m: float
    ) -> tuple[int, float, AnyArray]:
        """Follow one ray from `start_m` on: geom or -1, distance [m], normal [3].

        A mesh that is cut open shows its back faces to the ray; OpenGL does not draw those.
        """
        found, normal = np.empty(1, np.int32), np.zeros(3)
        for _ in range(_MOST_BACK_FACES):
            beyond_m = mujoco.mj_ray(
                self._ray_model,
                data,
                origin_m + start_m * direction,
                direction,
                _DRAWN_GROUPS,
                True,  # noqa: FBT003  # flg_static, as above.
                -1,
                found,
                normal,
            )
            start_m += beyond_m + _STEP_THROUGH_M
            if found[0] < 0 or normal @ direction <= 0:
                break
        return int(found[0]), start_m, normal

    def _shade(
        self,
        geom: AnyArray,
        points_m: AnyArray,
        normals: AnyArray,
        directions: AnyArray,
        forward: AnyArray,
    ) -> AnyArray:
        """Light surface points [R, 3] as OpenGL does: ambient, headlight, then each light."""
        is_seen_from_behind = np.einsum("ij,ij->i", normals, directions) > 0
        # A ray that grazes an edge may report the far side; light falls on the side we see.
        normals = np.where(is_seen_from_behind[:, None], -normals, normals)
        headlight = self._model.vis.headlight
        light = headlight.ambient + _lambert(normals, -forward) * headlight.diffuse
        for index in range(self._model.nlight):
            lambert = _lambert(normals, self._towards_light(index, points_m))
            light = light + self._model.light_ambient[index]
            light = light + lambert * self._model.light_diffuse[index]
        # OpenGL clamps the lit colour before the texture is multiplied in.
        colours = np.clip(_geom_rgba(self._model)[geom, :3] * light, 0, 1)
        on_floor = geom == self._floor.geom
        colours[on_floor] *= self._floor.colours(points_m[on_floor])
        return colours

    def _towards_light(self, index: int, points_m: AnyArray) -> AnyArray:
        """Unit vectors [R, 3] from surface points to light number `index`."""
        if self._model.light_type[index] == mujoco.mjtLightType.mjLIGHT_DIRECTIONAL:
            return np.broadcast_to(-self._model.light_dir[index], points_m.shape)
        offset = self._model.light_pos[index] - points_m
        return offset / np.linalg.norm(offset, axis=1, keepdims=True)


class _FloorTexture:
    """The floor's tiles, laid out over the plane as MuJoCo does with `texuniform`."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self.geom = next(
            index
            for index in range(model.ngeom)
            if model.geom_type[index] == mujoco.mjtGeom.mjGEOM_PLANE
        )
        material = int(model.geom_matid[self.geom])
        texture = int(model.mat_texid[material][mujoco.mjtTextureRole.mjTEXROLE_RGB])
        start = int(model.tex_adr[texture])
        shape = (
            int(model.tex_height[texture]),
            int(model.tex_width[texture]),
            int(model.tex_nchannel[texture]),
        )
        pixels = model.tex_data[start : start + int(np.prod(shape))].reshape(shape)
        self._colours = _shrunk(pixels[..., :3] / 255.0)
        self._tiles_per_m = model.mat_texrepeat[material] / 2.0

    def colours(self, points_m: AnyArray) -> AnyArray:
        """The tile's colour [R, 3] in [0, 1] under points on the floor [R, 3]."""
        height, width = self._colours.shape[:2]
        # The tile is centred on the origin, and its rows run against y.
        across = 0.5 + points_m[:, :2] * self._tiles_per_m * [1, -1]
        columns = np.floor(across[:, 0] * width).astype(int) % width
        rows = np.floor(across[:, 1] * height).astype(int) % height
        return self._colours[rows, columns]


def _shrunk(texture: AnyArray) -> AnyArray:
    """Average blocks of texels: [H, W, 3] to [H / 4, W / 4, 3]."""
    height, width = (size // _TEXTURE_SHRINK for size in texture.shape[:2])
    blocks = texture[: height * _TEXTURE_SHRINK, : width * _TEXTURE_SHRINK]
    return blocks.reshape(height, _TEXTURE_SHRINK, width, _TEXTURE_SHRINK, 3).mean(axis=(1, 3))


def _pixel_directions(vertical_view_degrees: float, size_px: int) -> AnyArray:
    """Unit vectors [size * size, 3] through pixel centres; a camera looks along its own -z."""
    half = np.tan(np.deg2rad(vertical_view_degrees) / 2)
    steps = (np.arange(size_px) + 0.5) / size_px * 2 - 1
    right, down = np.meshgrid(steps * half, steps * half)
    directions = np.stack([right, -down, -np.ones_like(right)], axis=-1).reshape(-1, 3)
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def _without_glass(model: mujoco.MjModel) -> mujoco.MjModel:
    """Return a copy in which rays pass through what is nearly transparent."""
    ray_model = copy.copy(model)
    for index in np.flatnonzero(_geom_rgba(model)[:, 3] < _PASSES_RAYS_BELOW_ALPHA):
        # MuJoCo skips a geom as invisible when it sits in a group that is not asked for.
        ray_model.geom_group[index] = 5
    return ray_model


def _lambert(normals: AnyArray, towards: AnyArray) -> AnyArray:
    """Cosine [R, 1] between normals [R, 3] and the way to the light, 0 where turned away."""
    return np.clip((normals * towards).sum(axis=1, keepdims=True), 0, None)


def _geom_rgba(model: mujoco.MjModel) -> AnyArray:
    """Colour of every geom [G, 4]: its material's, unless the geom has one of its own."""
    materials = np.concatenate([model.mat_rgba, _DEFAULT_GEOM_RGBA[None]])
    has_own = (model.geom_matid < 0) | (model.geom_rgba != _DEFAULT_GEOM_RGBA).any(axis=1)
    return np.where(has_own[:, None], model.geom_rgba, materials[model.geom_matid])
