"""Names what is wrong with a scene: by what would make its frames agree with its mesh.

A scene whose frames do not agree is tried as it would be if one fault were undone: depth scaled,
another focal length, the depth of a frame before or after, poses turned round. What fits then is
the fault. Where nothing does, the frames that agree and those that do not tell a jump from a drift,
and frames that agree with each other alone tell a foreign mesh from foreign poses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from spatial_engine.checks.inputs.pose_errors import LOST_M, PoseErrors, distance, explain
from spatial_engine.checks.inputs.scene_fit import agreement, scale_of_depth, world_points
from spatial_engine.checks.inputs.scene_look import CLEAR_GAIN, FITS, OFF_M, Scene, View
from spatial_engine.utils.tables.suspects import Suspect

MOST_FRAMES = 12  # looked at, evenly over a scene
TRIED_FRAMES = 6  # of them that hypotheses are tried on
BETTER = 0.1  # gain of the score by which a hypothesis explains a scene that does not fit
MOST_OFF_SHARE = 0.15  # of the frames looked at; one alone may be of a person or a door that moved
CAMERA_LIMIT = 0.03  # relative; cameras that are calibrated are within 1 percent
CAMERA_FACTORS = np.arange(0.86, 1.145, 0.02)
SIDE_FACTORS = (0.96, 1.04)  # tried of every scene: where neither is better, no others are
STRICT = 2.0  # of the tolerance, where cameras are compared
LEAST_GAIN = 0.02  # of the score, by another camera
EXPLAINED = 0.5  # of what moving each frame by itself gains, which one fault has to gain
SCALE_LIMIT = 0.03  # relative
LAG_LIMIT = 0.35  # frames
LEAST_MOVED = 0.03  # metres and radians that frames are moved by: less is the noise of poses
SHIFTS = (-1, 1, -2, 2)  # frames
JUMP_SHARE = 0.35  # of the size of a jump, that lies between two neighbouring frames
# Frames that agree as they are, at an end of the scene one, and the share that does once moved:
# so many are of this mesh, whatever the others are.
FEW, MOST = 2, 0.5


def find_faults(scene: Scene, numbers: Sequence[int]) -> list[Suspect]:
    """What speaks against a scene, by its frames `numbers`, ascending."""
    numbers = [number for number in numbers if scene.view(number).measured]
    if not numbers:
        return []
    scene.expect(numbers)
    for one, other in [*pairwise(numbers), *pairwise(numbers[::-1])]:
        scene.follow(other, one)
    views = {number: scene.view(number) for number in numbers}
    score = float(np.median([view.fit.score for view in views.values()]))
    tried = some(numbers, TRIED_FRAMES)
    if score >= FITS:
        explained = _camera(scene, views) or _depth_scale(scene, views) or _lag(scene, views)
        if explained or not _is_off(list(views.values())):
            return [explained] if explained else []
    before = _score(scene, tried)
    name, reason, best = max(_hypotheses(scene, tried), key=lambda found: found[2])
    if best >= FITS and best > before + BETTER:
        reason = f"{reason} frames and mesh agree ({best:.2f}), as it is they do not ({before:.2f})"
        return [Suspect(name, before, FITS, "score", reason)]
    fitting = [view.fit.score >= FITS for view in views.values()]
    found = np.mean([view.found for view in views.values()])
    if sum(fitting) >= FEW or fitting[0] or fitting[-1] or found >= MOST:
        return [_path(scene, numbers)]
    return [_stranger(scene, tried, before)]


def _hypotheses(scene: Scene, tried: Sequence[int]) -> Iterator[tuple[str, str, float]]:
    """(fault, what is done about it, score then) of faults that all frames share."""
    poses = np.array([scene.aligned(number) for number in tried])
    scale = scale_of_depth(
        scene.points, scene.intrinsic, poses, [scene.depth(number) for number in tried]
    )
    yield (
        "depth scale",
        f"with depth divided by {scale:.3g} ",
        _score(scene, tried, scale=scale),
    )
    factor, kind, score = _best_camera(scene, tried)
    yield "intrinsics", f"with {kind} times {factor:.3g}", score
    for shift in SHIFTS:
        there = [n for n in tried if 0 <= n + shift < len(scene.poses)]
        if there:
            word = "after" if shift > 0 else "before"
            text = f"with the depth of the frame {abs(shift)} {word}"
            yield "time shift", text, _score(scene, there, shift=shift)
    align, scan = scene.aligned_from_scan, scene.poses[list(tried)]
    turned = scan.copy()
    turned[:, :3, :3] = np.swapaxes(scan[:, :3, :3], 1, 2)
    flip = np.diag([1.0, -1.0, -1.0, 1.0])
    yield "rotation transposed", "with rotations transposed", _score(scene, tried, align @ turned)
    inverse = align @ np.linalg.inv(scan)
    yield "poses inverted", "with poses inverted", _score(scene, tried, inverse)
    yield "camera axes", "with the axes y and z turned round", _score(scene, tried, poses @ flip)
    text = "with poses that are aligned already"
    yield "aligned twice", text, _score(scene, tried, np.linalg.inv(align) @ poses)
    yield "not aligned", "with poses aligned once more", _score(scene, tried, align @ poses)


def _camera(scene: Scene, views: dict[int, View]) -> Suspect | None:
    """Whether another camera fits better."""
    tried = some(list(views), TRIED_FRAMES)
    before = _score(scene, tried, strictness=STRICT)
    sides = [
        _score(scene, tried, camera=f(q), strictness=STRICT)
        for f in _CAMERAS.values()
        for q in SIDE_FACTORS
    ]
    if max(sides) < before + LEAST_GAIN / 2:
        return None
    factor, kind, score = _best_camera(scene, tried)
    moved = np.array([views[n].moved for n in tried])
    gain = _score(scene, tried, moved, strictness=STRICT) - before
    if abs(factor - 1) < CAMERA_LIMIT or score < before + max(LEAST_GAIN, EXPLAINED * gain):
        return None
    reason = f"with {kind} times {factor:.3f} the score is {score:.3f}, as it is {before:.3f}"
    return Suspect("intrinsics", abs(factor - 1), CAMERA_LIMIT, "relative", reason)


def _best_camera(scene: Scene, tried: Sequence[int]) -> tuple[float, str, float]:
    """Factor, what it is a factor of, and score of the camera that fits best."""
    found = []
    for kind, change in _CAMERAS.items():
        scores = [_score(scene, tried, camera=change(q), strictness=STRICT) for q in CAMERA_FACTORS]
        found.append((max(scores), kind, float(CAMERA_FACTORS[int(np.argmax(scores))])))
    score, kind, factor = max(found)
    return factor, kind, score


_CAMERAS = {
    "the focal length": lambda factor: np.array([factor, factor, 1.0, 1.0]),
    "the intrinsics": lambda factor: np.full(4, factor),
}


def _depth_scale(scene: Scene, views: dict[int, View]) -> Suspect | None:
    depths = [scene.depth(number) for number in views]
    poses = np.array([view.pose for view in views.values()])
    scale = scale_of_depth(scene.points, scene.intrinsic, poses, depths)
    if abs(scale - 1) < SCALE_LIMIT:
        return None
    reason = f"measured depth is {scale:.3f} times that of the mesh"
    return Suspect("depth scale", abs(scale - 1), SCALE_LIMIT, "relative", reason)


def _lag(scene: Scene, views: dict[int, View]) -> Suspect | None:
    """Whether frames agree at the place of a frame before or after: depth of another time."""
    along, moved = [], []
    for number, view in views.items():
        if view.found and 0 < number < len(scene.poses) - 1:
            before, after = scene.aligned(number - 1), scene.aligned(number + 1)
            along.append((after[:3, 2:] - before[:3, 2:]).T.ravel() / 2)
            moved.append((view.moved[:3, 2:] - view.pose[:3, 2:]).T.ravel())
    if len(along) < 3:
        return None
    along, moved = np.array(along), np.array(moved)
    lag = float((along * moved).sum() / (along**2).sum())
    rest = np.abs(moved - lag * along).sum() / max(np.abs(moved).sum(), 1e-9)
    usual = float(np.median(np.linalg.norm(moved, axis=1)))
    if abs(lag) < LAG_LIMIT or rest > EXPLAINED or usual < LEAST_MOVED:
        return None
    word = "after" if lag > 0 else "before"
    reason = f"depth is that of {abs(lag):.1f} frames {word} its pose"
    return Suspect("time shift", abs(lag), LAG_LIMIT, "frames", reason)


def _is_off(views: Sequence[View]) -> bool:
    """Whether frames are off: one clearly, or more than may be by what moved in the room."""
    share = np.mean([view.off for view in views])
    return share > MOST_OFF_SHARE or any(view.gain > CLEAR_GAIN for view in views)


def _path(scene: Scene, numbers: Sequence[int]) -> Suspect:
    """How the poses are wrong, where some of the frames are off."""
    views = [scene.view(number) for number in numbers]
    wrong = explain(
        np.array(numbers),
        np.array([view.errors_at(scene.places) for view in views]),
        np.array([view.found for view in views]),
    )
    told = f"{sum(view.off for view in views)} of {len(views)} frames are off"
    size = wrong.size
    if wrong.kind == "jump":
        first, second = _where(scene, numbers, wrong)
        step = _step(scene, first, second)
        if step is None or step >= JUMP_SHARE * size:
            by = f"{size:.2f} m" if size < LOST_M else f"{LOST_M} m or more"
            ids = f"{scene.image_ids[first]} and {scene.image_ids[second]}"
            reason = f"poses jump by {by} between frames {ids}; {told}"
            return Suspect("jump", size, OFF_M, "m", reason)
        wrong = wrong._replace(kind="drift")  # in many small steps
    if wrong.kind == "drift":
        reason = f"poses drift away from the mesh, by up to {size:.2f} m; {told}"
        return Suspect("drift", size, OFF_M, "m", reason)
    if wrong.kind == "offset":
        reason = f"the mesh lies {size:.2f} m beside what all frames show"
        return Suspect("mesh beside its frames", size, OFF_M, "m", reason)
    reason = f"poses are wrong by up to {size:.2f} m, now more, now less; {told}"
    return Suspect("poses unsteady", size, OFF_M, "m", reason)


def _step(scene: Scene, first: int, second: int) -> float | None:
    """Metres by which the errors of two neighbours differ; None where one is not known."""
    views = [scene.view(first), scene.view(second)]
    if not all(view.found for view in views):
        return None
    before, after = (view.errors_at(scene.places) for view in views)
    return float(distance(after - before))


def _where(scene: Scene, numbers: Sequence[int], wrong: PoseErrors) -> tuple[int, int]:
    """Two neighbouring frames between which the poses jump."""
    place = wrong.start if wrong.start else wrong.end
    first, second = numbers[place - 1], numbers[place]
    was = scene.view(first).off
    while second - first > 1:
        middle = (first + second) // 2
        if not scene.view(middle).measured:
            break
        first, second = (middle, second) if scene.view(middle).off == was else (first, middle)
    return first, second


def _stranger(scene: Scene, tried: Sequence[int], score: float) -> Suspect:
    """Whose the mesh or the poses are, where frames and mesh have nothing in common."""
    shares = []
    for number in tried:
        for other in (number - 1, number + 1):
            if 0 <= other < len(scene.poses):
                points = world_points(
                    scene.depth(number), scene.cameras[number], scene.aligned(number), 8
                )
                pose, camera = scene.aligned(other), scene.cameras[other]
                fit = agreement(points, camera, pose, scene.depth(other))
                if fit.agree + fit.before > 50:
                    shares.append(fit.precision)
    among = float(np.median(shares)) if shares else np.nan
    if among >= 0.6:
        reason = f"frames agree with each other ({among:.0%}) and not with the mesh"
        return Suspect("mesh of another scene", score, FITS, "score", reason)
    reason = f"frames agree neither with each other ({among:.0%}) nor with the mesh"
    return Suspect("poses of another scene", score, FITS, "score", reason)


def _score(
    scene: Scene,
    numbers: Sequence[int],
    poses: np.ndarray | None = None,
    camera: np.ndarray | None = None,
    scale: float = 1.0,
    shift: int = 0,
    strictness: float = 1.0,
) -> float:
    """Median score of frames under a hypothesis; `camera` has factors of fx, fy, cx, cy."""
    scores = []
    for k, number in enumerate(numbers):
        intrinsic = scene.cameras[number].copy()
        if camera is not None:
            intrinsic[[0, 1, 0, 1], [0, 1, 2, 2]] *= camera
        depth = scene.depth(number + shift)
        if scale != 1.0:
            depth = np.minimum(depth / scale, 65535).astype(np.uint16)
        pose = scene.aligned(number) if poses is None else poses[k]
        fit = agreement(scene.points, intrinsic, pose, depth, strictness, scene.gaps)
        scores.append(fit.score)
    return float(np.median(scores))


def some(numbers: Sequence[int], most: int) -> list[int]:
    """At most so many of them, evenly."""
    places = np.unique(np.linspace(0, len(numbers) - 1, min(most, len(numbers))).round())
    return [numbers[int(place)] for place in places]
