"""Outlines of the drawn products as polygons. Knows nothing of colour, light or pixels.

Every outline lives in the box [-1, 1]², x to the right and y down, and is a list of parts painted
in order. A part's tone multiplies the object's colour: 1 is the colour itself, less is darker.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


class Part(NamedTuple):
    """One filled polygon, points (N, 2), and how bright it is against the object's colour."""

    points: Points
    tone: float = 1.0


def _ellipse(cx: float, cy: float, rx: float, ry: float) -> Points:
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    return np.stack([cx + rx * np.cos(angle), cy + ry * np.sin(angle)], axis=1)


def _polygon(*corners: tuple[float, float]) -> Points:
    return np.array(corners, dtype=np.float64)


def _box(x0: float, y0: float, x1: float, y1: float, radius: float = 0.0) -> Points:
    """A rectangle with rounded corners."""
    quarter = np.linspace(0, np.pi / 2, 8)
    centres = [(x1 - radius, y1 - radius, 0), (x0 + radius, y1 - radius, 1)]
    centres += [(x0 + radius, y0 + radius, 2), (x1 - radius, y0 + radius, 3)]
    arcs = [
        np.stack(
            [
                cx + radius * np.cos(quarter + turn * np.pi / 2),
                cy + radius * np.sin(quarter + turn * np.pi / 2),
            ],
            axis=1,
        )
        for cx, cy, turn in centres
    ]
    return np.concatenate(arcs)


def _arc(cx: float, cy: float, radius: float, start: float, end: float, width: float) -> Points:
    """A band of the given width along a circle, angles in degrees, clockwise from the right."""
    angle = np.radians(np.linspace(start, end, 32))
    rim = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    outer, inner = rim * (radius + width / 2), rim * (radius - width / 2)
    band: Points = np.concatenate([outer, inner[::-1]]) + np.array([cx, cy])
    return band


def _smooth(*corners: tuple[float, float]) -> Points:
    """A closed Catmull-Rom curve through the corners."""
    p1 = np.array(corners, dtype=np.float64)[:, None]
    p0, p2, p3 = np.roll(p1, 1, axis=0), np.roll(p1, -1, axis=0), np.roll(p1, -2, axis=0)
    t = np.linspace(0, 1, 8, endpoint=False)[None, :, None]
    curve = 2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2
    curve = curve + (3 * p1 - p0 - 3 * p2 + p3) * t**3
    result: Points = (curve / 2).reshape(-1, 2)
    return result


OUTLINES: dict[str, list[Part]] = {
    "mug": [
        Part(_arc(0.5, 0.0, 0.38, -85, 85, 0.19), 0.85),
        Part(_box(-0.8, -0.75, 0.52, 0.82, 0.16)),
        Part(_ellipse(-0.14, -0.72, 0.66, 0.15), 1.1),
        Part(_ellipse(-0.14, -0.72, 0.57, 0.1), 0.5),
    ],
    "bottle": [
        Part(_box(-0.2, -0.9, 0.2, -0.1), 0.95),
        Part(
            _smooth(
                (-0.2, -0.5), (0.2, -0.5), (0.55, -0.1), (0.55, 0.3), (-0.55, 0.3), (-0.55, -0.1),
            )
        ),
        Part(_box(-0.56, 0.0, 0.56, 1.0, 0.16)),
        Part(_box(-0.27, -1.0, 0.27, -0.76, 0.06), 0.65),
    ],
    "shirt": [
        Part(
            _polygon(
                (-0.28, -0.82), (-0.56, -0.74), (-1.0, -0.32), (-0.76, 0.04), (-0.56, -0.14),
                (-0.56, 0.88), (0.56, 0.88), (0.56, -0.14), (0.76, 0.04), (1.0, -0.32),
                (0.56, -0.74), (0.28, -0.82),
            )
        ),
        Part(_ellipse(0.0, -0.81, 0.28, 0.16), 0.5),
    ],
    "bag": [
        Part(_arc(0.0, -0.2, 0.5, 180, 360, 0.17), 0.75),
        Part(_polygon((-0.72, -0.3), (0.72, -0.3), (0.92, 0.85), (-0.92, 0.85))),
        Part(_polygon((-0.72, -0.3), (0.72, -0.3), (0.76, -0.05), (-0.76, -0.05)), 0.8),
        Part(_box(-0.14, -0.14, 0.14, 0.12, 0.05), 0.5),
    ],
    "lamp": [
        Part(_box(-0.12, 0.0, 0.12, 0.9), 0.65),
        Part(_ellipse(0.0, 0.86, 0.55, 0.16), 0.75),
        Part(_polygon((-0.45, -1.0), (0.45, -1.0), (0.95, 0.12), (-0.95, 0.12))),
        Part(_polygon((-0.9, 0.02), (0.9, 0.02), (0.95, 0.12), (-0.95, 0.12)), 0.7),
    ],
    "chair": [
        Part(_box(-0.74, 0.3, -0.5, 1.0), 0.65),
        Part(_box(0.5, 0.3, 0.74, 1.0), 0.65),
        Part(_box(-0.62, -1.0, 0.62, 0.1, 0.16)),
        Part(_box(-0.4, -0.78, 0.4, -0.2, 0.1), 0.8),
        Part(_polygon((-0.66, 0.02), (0.66, 0.02), (0.84, 0.4), (-0.84, 0.4)), 1.1),
    ],
    "shoe": [
        Part(
            _smooth(
                (-0.95, 0.45), (-0.97, -0.1), (-0.92, -0.58), (-0.4, -0.62), (-0.15, -0.3),
                (0.35, -0.12), (0.85, 0.04), (0.98, 0.4), (0.7, 0.55), (-0.7, 0.55),
            )
        ),
        Part(_ellipse(-0.66, -0.56, 0.27, 0.1), 0.5),
        Part(_polygon((-0.12, -0.3), (0.02, -0.22), (-0.2, 0.02), (-0.34, -0.06)), 0.7),
        Part(_polygon((0.14, -0.2), (0.28, -0.14), (0.06, 0.1), (-0.08, 0.04)), 0.7),
        Part(_box(-1.0, 0.42, 1.0, 0.66, 0.1), 0.6),
    ],
    "ball": [
        Part(_ellipse(0.0, 0.0, 0.8, 0.8)),
        Part(_arc(-0.95, 0.0, 0.8, -52, 52, 0.07), 0.65),
        Part(_arc(0.95, 0.0, 0.8, 128, 232, 0.07), 0.65),
    ],
}  # fmt: skip
