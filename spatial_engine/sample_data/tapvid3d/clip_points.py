"""The points of a clip that are tracked: where they sit, where they are, in which frames one sees
them. Real rays decide what is seen, against the faces that the pictures show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spatial_engine.sample_data.tapvid3d.clip_stage import Stage

BODY_SHARE = {"adt": 0.6, "pstudio": 0.6, "drivetrack": 1.0}  # of the points sit on bodies
LEAST_ON_BODY = 8
CANDIDATES = 12  # places tried for each point on a body
LOOKS = 24  # frames at most in which places of the room are looked for
OFTEN = 0.25  # a good point is seen in this share of the frames
TOLERANCE = 0.003  # metres that something may stand before a point and not hide it
NEAREST = 0.05  # metres before the camera that are in the picture
RIM = 0.04  # share of a face's sides that points keep away from its edges


@dataclass(frozen=True)
class Points:
    """Tracked points.

    quad (N,): the face each sits on; rest (N, 3): place in the frame of its body's motion, or in
    the room's; body (N,): number of the body, -1 for the room.
    """

    quad: np.ndarray
    rest: np.ndarray
    body: np.ndarray

    def __len__(self) -> int:
        return len(self.quad)

    def take(self, index: np.ndarray) -> Points:
        return Points(self.quad[index], self.rest[index], self.body[index])

    @classmethod
    def joined(cls, parts: list[Points]) -> Points:
        return cls(
            *(
                np.concatenate([getattr(p, name) for p in parts])
                for name in ("quad", "rest", "body")
            )
        )


def positions(stage: Stage, points: Points, frame: int) -> np.ndarray:
    """(N, 3) of the points at a frame in the room's frame, carried by the bodies' transforms."""
    poses = np.concatenate([stage.room_from_body[:, frame], np.eye(4)[None]])[points.body]
    return np.einsum("nij,nj->ni", poses[:, :3, :3], points.rest) + poses[:, :3, 3]


def in_camera(stage: Stage, points: Points) -> np.ndarray:
    """(T, N, 3) metres in the camera's axes of each frame."""
    tracks = []
    for frame, cam_from_room in enumerate(np.linalg.inv(stage.room_from_cam)):
        room = positions(stage, points, frame)
        tracks.append(room @ cam_from_room[:3, :3].T + cam_from_room[:3, 3])
    return np.stack(tracks)


def pixels(stage: Stage, tracks: np.ndarray) -> np.ndarray:
    """(..., 2) pixels of points in camera axes (..., 3)."""
    matrix = stage.spec.camera().K
    with np.errstate(divide="ignore", invalid="ignore"):
        return (tracks[..., :2] / tracks[..., 2:]) * np.diag(matrix)[:2] + matrix[:2, 2]


def in_picture(stage: Stage, tracks: np.ndarray) -> np.ndarray:
    """(...) whether points in camera axes (..., 3) lie before the camera and inside its image."""
    last = np.array(stage.spec.image_size) - 1
    place = pixels(stage, tracks)
    inside = (place >= 0).all(-1) & (place <= last).all(-1)
    return inside & (tracks[..., 2] > NEAREST)


def visible(stage: Stage, points: Points, tracks: np.ndarray) -> np.ndarray:
    """(T, N) bool: inside the image, and nothing before the point on the ray from the camera."""
    seen = in_picture(stage, tracks)
    for frame, row in enumerate(seen):
        index = np.flatnonzero(row)
        eye = stage.room_from_cam[frame, :3, 3]
        towards = positions(stage, points.take(index), frame) - eye
        quad, share = stage.caster(frame).hits(np.broadcast_to(eye, towards.shape), towards)
        gap = (1 - share) * np.linalg.norm(towards, axis=1)
        row[index] = (quad == points.quad[index]) | (gap < TOLERANCE)
    return seen


def choose(stage: Stage, rng: np.random.Generator) -> tuple[Points, np.ndarray, np.ndarray]:
    """The points of a clip in random order, with tracks (T, N, 3) and visibility (T, N).

    Each body has `LEAST_ON_BODY` at least, one of which is never seen where there is such a place.
    """
    total, bodies = stage.spec.num_points, len(stage.motion)
    each = max(LEAST_ON_BODY, int(BODY_SHARE[stage.spec.kind] * total) // bodies)
    tried = [_on_body(stage, body, CANDIDATES * each, rng) for body in range(bodies)]
    points = Points.joined([*tried, _static(stage, max(0, total - each * bodies), rng)])
    tracks = in_camera(stage, points)
    seen = visible(stage, points, tracks)
    share = seen.mean(0)
    rank = (share > OFTEN).astype(int) + (share > 0)
    chosen = [np.flatnonzero(points.body < 0)]
    for body in range(bodies):
        index = np.flatnonzero(points.body == body)
        never = index[rank[index] == 0][:1]
        best = index[np.argsort(-rank[index], kind="stable")]
        chosen += [best[~np.isin(best, never)][: each - len(never)], never]
    order = rng.permutation(np.concatenate(chosen))
    return points.take(order), tracks[:, order], seen[:, order]


def _on_body(stage: Stage, body: int, count: int, rng: np.random.Generator) -> Points:
    """Places all over a body, as many on a face as its area calls for."""
    quads = np.flatnonzero(stage.owner == body)
    corners = stage.rest.corners[quads]
    arms = corners[:, [2, 3]] - corners[:, [0, 1]]
    area = np.linalg.norm(np.cross(arms[:, 0], arms[:, 1]), axis=1) / 2
    chosen = rng.choice(len(quads), count, p=area / area.sum())
    a, b = rng.uniform(RIM, 1 - RIM, (2, count, 1))
    p0, p1, p2, p3 = corners[chosen].transpose(1, 0, 2)
    rest = (1 - b) * ((1 - a) * p0 + a * p1) + b * ((1 - a) * p3 + a * p2)
    return Points(quads[chosen], rest, np.full(count, body))


def _static(stage: Stage, count: int, rng: np.random.Generator) -> Points:
    """Places of the room that pixels of random frames show; no window panes, which are far."""
    camera, surfaces = stage.spec.camera(), stage.room.surfaces
    looks = np.unique(np.linspace(0, stage.spec.num_frames - 1, LOOKS).round().astype(int))
    frames = rng.choice(looks, 4 * count)
    size = np.array(camera.size)
    pixel = rng.uniform(0.05, 0.95, (4 * count, 2)) * size
    rays = np.column_stack([pixel, np.ones(4 * count)]) @ np.linalg.inv(camera.K).T
    quads, places = np.zeros(4 * count, int), np.zeros((4 * count, 3))
    for frame in np.unique(frames):
        index = np.flatnonzero(frames == frame)
        pose = stage.room_from_cam[frame]
        origins = np.tile(pose[:3, 3], (len(index), 1))
        directions = rays[index] @ pose[:3, :3].T
        quads[index], distance = stage.caster(int(frame)).hits(origins, directions)
        places[index] = origins + distance[:, None] * directions
    good = (quads >= 0) & (quads < len(surfaces))
    good[good] = ~surfaces.no_depth[quads[good]]
    index = rng.permutation(np.flatnonzero(good))[:count]
    return Points(quads[index], places[index], np.full(len(index), -1))
