"""A capture as Stray Scanner records it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from spatial_engine.sample_data.captures.room import CaptureRoom

OPENGL_FROM_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])
Y_UP_FROM_Z_UP = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])


def write(
    room: CaptureRoom,
    folder: Path,
    *,
    depth: str = "png",
    by_frame: bool = False,
    opengl: bool = False,
    unsure: bool = False,
) -> None:
    """Write `room` to `folder`.

    `depth`: png or npy. `by_frame`: intrinsics in the list of poses, as newer versions write them.
    `opengl`: camera axes of OpenGL, against what is known of the format. `unsure`: the left half of
    depth is of low confidence, and wrong. The video is of MPEG-4 (real ones are of H.264 or HEVC).
    """
    for name in ("depth", "confidence"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    code = cv2.VideoWriter.fourcc(*"mp4v")
    video = cv2.VideoWriter(str(folder / "rgb.mp4"), code, 60, room.color_size)
    header = "timestamp, frame, x, y, z, qx, qy, qz, qw"
    rows = [header + (", fx, fy, cx, cy" if by_frame else "")]
    for frame in room.frames:
        video.write(cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR))
        stem = f"{frame.number:06d}"
        depth_mm = np.rint(frame.depth * 1000).astype(np.uint16)
        levels = np.full(depth_mm.shape, 2, np.uint8)
        if unsure:
            half = depth_mm.shape[1] // 2
            depth_mm[:, :half] //= 2
            levels[:, :half] = 0
        if depth == "npy":
            np.save(folder / f"depth/{stem}.npy", depth_mm)
        else:
            cv2.imwrite(str(folder / f"depth/{stem}.png"), depth_mm)
        cv2.imwrite(str(folder / f"confidence/{stem}.png"), levels)
        pose = Y_UP_FROM_Z_UP @ frame.pose @ (OPENGL_FROM_OPENCV if opengl else np.eye(4))
        values = [*pose[:3, 3], *Rotation.from_matrix(pose[:3, :3]).as_quat()]
        if by_frame:
            values += [frame.K[0, 0], frame.K[1, 1], frame.K[0, 2], frame.K[1, 2]]
        rows.append(", ".join([f"{frame.time:.6f}", stem, *(f"{value:.8f}" for value in values)]))
    video.release()
    (folder / "odometry.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    matrix = "\n".join(", ".join(map(repr, row)) for row in room.frames[0].K.tolist())
    (folder / "camera_matrix.csv").write_text(matrix + "\n", encoding="utf-8")
    (folder / "imu.csv").write_text("timestamp, a_x, a_y, a_z\n", encoding="utf-8")
