"""Pictures drawn by code: textured enough for keypoints, each seed a scene of its own."""

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from tusou.types import Rgb

EXAMPLES = Path(__file__).parents[2] / "examples"
SHARED = Path(__file__).parents[3] / "shared" / "datasets"


def scene(seed: int, width: int = 400, height: int = 320) -> Rgb:
    """Shapes, lines and letters on a gradient: [height × width × 3]."""
    random = np.random.default_rng(seed)
    ramp = np.linspace(0, 1, width)[None, :, None] * random.integers(0, 120, 3)
    canvas = np.ascontiguousarray((ramp + random.integers(40, 130, 3)).repeat(height, 0), np.uint8)
    for _ in range(60):
        colour = tuple(int(part) for part in random.integers(0, 256, 3))
        x, y = (int(random.integers(0, side)) for side in (width, height))
        match random.integers(0, 4):
            case 0:
                corners = random.integers(-40, 41, (int(random.integers(3, 7)), 2)) + np.array(
                    [x, y]
                )
                cv2.fillPoly(canvas, [corners.astype(np.int32)], colour)
            case 1:
                cv2.circle(canvas, (x, y), int(random.integers(3, 30)), colour, -1)
            case 2:
                end = (int(random.integers(0, width)), int(random.integers(0, height)))
                cv2.line(canvas, (x, y), end, colour, int(random.integers(1, 5)))
            case _:
                letters = "".join(chr(65 + part) for part in random.integers(0, 26, 4))
                cv2.putText(canvas, letters, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.8, colour, 2)
    noise = random.normal(0, 4, canvas.shape)
    return np.clip(canvas + noise, 0, 255).astype(np.uint8)


def goods(*places: tuple[int, int], seed: int = 1, radius: int = 55) -> Rgb:
    """A round thing at each place [320 × 480 × 3], before a quiet ground; a seed, a kind."""
    random = np.random.default_rng(seed)
    ramp = np.linspace(90, 140, 480)[None, :, None] + random.integers(-20, 21, 3)
    canvas = np.ascontiguousarray(ramp.repeat(320, 0), np.uint8)
    colours = [tuple(int(part) for part in random.integers(0, 256, 3)) for _ in range(3)]
    for place in places:
        for ring, colour in enumerate(colours):
            cv2.circle(canvas, place, radius - ring * radius // 3, colour, -1, cv2.LINE_AA)
    return np.clip(canvas + random.normal(0, 3, canvas.shape), 0, 255).astype(np.uint8)


def encoded(rgb: Rgb, form: str = "PNG", **options: object) -> bytes:
    """A picture file."""
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, form, **options)
    return buffer.getvalue()


def picture(seed: int, width: int = 400, height: int = 320) -> bytes:
    """A scene as a JPEG file."""
    return encoded(scene(seed, width, height), "JPEG", quality=90)
