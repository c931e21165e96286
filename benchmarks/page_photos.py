"""Pages of picture books, photographed: on a table, with hands, curled, in shadow, in part.

Makes photos of pages of `protocols/picturebook.json` on three levels, adds the pages to a library
of picturebook over HTTP, searches with the photos as a tablet would, for one result, and prints
how often that is the page. The protocol's own photos are all easy; these are not.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from copies import choose, encode, read
from support.pictures import SHARED
from support.server import Caller, Server
from tusou.images.decode import enlarge
from tusou.services import SERVICES
from tusou.types import Rgb

Canvas = NDArray[np.float32]
"""[H × W × 3] 0–255."""
WIDTH, HEIGHT = 800, 600
"""Pixels of a photo."""
SKIN = ((224, 172, 144), (198, 134, 104), (141, 85, 60), (236, 190, 165))


@dataclass(frozen=True)
class Level:
    """How bad a photo is; lengths and areas are shares of the page's or of the photo's."""

    page: tuple[float, float]
    """The page's longer side, least and most."""
    turn: float
    """Degrees either way."""
    tilt: float
    """How far a corner is moved."""
    curl: float
    """How far the page bends."""
    hands: int
    shade: float
    """How dark the shadow is."""
    glare: float
    """How bright the reflection of a lamp is, 0–1."""
    blur: float
    """Standard deviation in pixels."""
    strokes: int
    """Of a child's crayon."""
    part: float
    """The least share of the page, each way, that is in the photo."""
    quality: int
    """Of the JPEG file."""


LEVELS = {
    "medium": Level((0.7, 0.95), 20, 0.08, 0.03, 1, 0.4, 0.5, 1.0, 0, 1.0, 70),
    "hard": Level((0.6, 0.9), 30, 0.12, 0.04, 1, 0.5, 0.7, 1.3, 4, 0.8, 60),
    "hopeless": Level((0.5, 0.8), 45, 0.14, 0.07, 2, 0.6, 0.9, 1.6, 8, 0.7, 50),
}


def main() -> None:
    """Photograph, add, search, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=200, help="of each level")
    parser.add_argument("--datasets", type=Path, default=SHARED)
    parser.add_argument("--show", type=Path, help="write a sheet of 24 photos and end")
    options = parser.parse_args()
    protocol = json.loads((options.datasets / "protocols" / "picturebook.json").read_text())
    pages = [options.datasets / path for path in protocol["gallery"]]
    tables = [read(path) for path in choose(options.datasets, 40, 0)[0]]
    if options.show:
        sheet(pages, tables, options.show)
        return
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "data")
        try:
            caller = server.caller("picturebook")
            fill(caller, pages)
            lone = without_twin(caller, pages)
            order = np.random.default_rng(2).permutation(lone)[: options.photos]
            print(f"{len(pages)} pages, {len(lone)} of them only once\n")
            print("| photos | of | right page | another page | nothing | p50 ms | p95 ms |")
            print("|---|---:|---:|---:|---:|---:|---:|")
            for name, level in LEVELS.items():
                print(measure(caller, name, level, pages, order, tables), flush=True)
        finally:
            server.stop()


def fill(caller: Caller, pages: Sequence[Path]) -> None:
    """Add the pages; a few are twice in the protocol."""

    def add(place: int) -> None:
        data = enlarge(pages[place].read_bytes(), SERVICES["picturebook"])
        answer = caller.call("picturebook", "add", image=data, brief=str(place))
        if answer.get("error_code") not in (None, 216681):
            raise RuntimeError(answer)

    with ThreadPoolExecutor(2) as executor:
        list(executor.map(add, range(len(pages))))


def without_twin(caller: Caller, pages: Sequence[Path]) -> list[int]:
    """The pages of which no other one is a copy: the protocol has some in two editions."""

    def is_lone(place: int) -> bool:
        data = enlarge(pages[place].read_bytes(), SERVICES["picturebook"])
        answer = caller.call("picturebook", "search", image=data, rn=2)
        return not any(
            hit["score"] > 0.99 and hit["brief"] != str(place) for hit in answer["result"]
        )

    with ThreadPoolExecutor(2) as executor:
        lone = list(executor.map(is_lone, range(len(pages))))
    return [place for place, alone in enumerate(lone) if alone]


def measure(
    caller: Caller,
    name: str,
    level: Level,
    pages: Sequence[Path],
    order: NDArray[np.int64],
    tables: Sequence[Rgb],
) -> str:
    """Search with one photo of each page of `order`; gives the table's row."""

    def search(place: int) -> tuple[bool, bool, float]:
        dice = np.random.default_rng(place)
        data = encode(photograph(read(pages[place]), level, tables, dice), level.quality)
        started = time.perf_counter()
        answer = caller.call("picturebook", "search", image=data)
        spent = time.perf_counter() - started
        briefs = [hit["brief"] for hit in answer.get("result", [])]
        return briefs == [str(place)], bool(briefs), spent * 1000

    with ThreadPoolExecutor(2) as executor:
        rows = np.array(list(executor.map(search, order.tolist())))
    right, found, times = rows.T
    p50, p95 = np.quantile(times, [0.5, 0.95])
    return (
        f"| {name} | {len(rows)} | {right.mean():.3f} | {(found - right).mean():.3f} "
        f"| {1 - found.mean():.3f} | {p50:.0f} | {p95:.0f} |"
    )


def photograph(rgb: Rgb, level: Level, tables: Sequence[Rgb], dice: np.random.Generator) -> Rgb:
    """Photograph a page that lies on a table."""
    page = np.asarray(crayon(cut(rgb, level, dice), level, dice), np.float32)
    table = tables[int(dice.integers(len(tables)))]
    ground = np.asarray(cv2.resize(table, (WIDTH, HEIGHT)), np.float32) * np.float32(0.8)
    sheet_ = np.dstack([page, np.full(page.shape[:2], 255, np.float32)])
    corners = place(page.shape[1], page.shape[0], level, dice)
    laid = lay(sheet_, corners, level, dice)
    cover = laid[:, :, 3:] / 255
    canvas = np.asarray(ground * (1 - cover) + laid[:, :, :3] * cover, np.float32)
    for _ in range(level.hands):
        canvas = hand(canvas, corners, dice)
    return expose(canvas, level, dice)


def cut(rgb: Rgb, level: Level, dice: np.random.Generator) -> Rgb:
    """Keep a part of the page, as where the photo does not show all of it."""
    height, width = rgb.shape[:2]
    high, wide = (round(side * dice.uniform(level.part, 1)) for side in (height, width))
    top, left = int(dice.integers(height - high + 1)), int(dice.integers(width - wide + 1))
    return rgb[top : top + high, left : left + wide]


def crayon(rgb: Rgb, level: Level, dice: np.random.Generator) -> Rgb:
    """Colour it in: thick strokes that let the print shine through."""
    height, width = rgb.shape[:2]
    strokes = rgb.copy()
    for _ in range(level.strokes):
        start = dice.uniform(0, 1, 2) * (width, height)
        turns = np.cumsum(dice.normal(0, 0.08 * width, (12, 2)), axis=0)
        colour = [int(part) for part in dice.integers(0, 256, 3)]
        line = (start + turns).astype(np.int32)
        cv2.polylines(strokes, [line], False, colour, max(2, width // 40))
    return np.asarray(cv2.addWeighted(rgb, 0.3, strokes, 0.7, 0), np.uint8)


def place(width: int, height: int, level: Level, dice: np.random.Generator) -> NDArray[np.float32]:
    """Choose where the corners of the page lie: [4 × 2] pixels of the photo."""
    factor = dice.uniform(*level.page) * min(WIDTH / width, HEIGHT / height)
    half = np.array([width, height]) * factor / 2
    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    angle = np.radians(dice.uniform(-level.turn, level.turn))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    centre = np.array([WIDTH, HEIGHT]) / 2 + dice.uniform(-0.04, 0.04, 2) * (WIDTH, HEIGHT)
    tilts = dice.uniform(-level.tilt, level.tilt, (4, 2)) * half * 2
    return np.asarray((signs * half + tilts) @ turn + centre, np.float32)


def lay(
    sheet_: Canvas, corners: NDArray[np.float32], level: Level, dice: np.random.Generator
) -> Canvas:
    """Bring a sheet to its corners, bent along one side, with what that does to its light."""
    height, width = sheet_.shape[:2]
    edges = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    back = cv2.getPerspectiveTransform(corners, edges)
    grid = np.stack(np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT)), axis=-1).astype(np.float32)
    flat = np.asarray(cv2.perspectiveTransform(grid.reshape(1, -1, 2), back)).reshape(grid.shape)
    phase, waves = dice.uniform(0, 2 * np.pi), dice.uniform(0.5, 1)
    bend = np.sin(phase + 2 * np.pi * waves * flat[:, :, 0] / width)
    ys = flat[:, :, 1] + level.curl * height * bend
    xs = flat[:, :, 0] + level.curl * width * np.cos(phase + 2 * np.pi * flat[:, :, 0] / width) / 3
    laid = np.asarray(cv2.remap(sheet_, xs, ys.astype(np.float32), cv2.INTER_AREA), np.float32)
    laid[:, :, :3] *= 1 + 3 * level.curl * bend[:, :, None]
    return laid


def hand(canvas: Canvas, corners: NDArray[np.float32], dice: np.random.Generator) -> Canvas:
    """Hold the page: four fingers over one of its edges."""
    side = int(dice.integers(4))
    start, end = corners[side], corners[(side + 1) % 4]
    along = (end - start) / np.linalg.norm(end - start)
    inward = np.array([-along[1], along[0]])
    root = start + (end - start) * dice.uniform(0.25, 0.75)
    colour = SKIN[int(dice.integers(len(SKIN)))]
    drawn = np.asarray(np.clip(canvas, 0, 255), np.uint8)
    thick = int(dice.integers(22, 36))
    for finger in range(4):
        low = root + along * (finger - 1.5) * thick * 1.1 - inward * 160
        high = root + along * (finger - 1.5) * thick * 1.1 + inward * dice.uniform(40, 110)
        ends = [tuple(int(part) for part in end_) for end_ in (low, high)]
        cv2.line(drawn, ends[0], ends[1], [int(part * 0.8) for part in colour], thick + 4)
        cv2.line(drawn, ends[0], ends[1], colour, thick)
    return drawn.astype(np.float32)


def expose(canvas: Canvas, level: Level, dice: np.random.Generator) -> Rgb:
    """Light it from one side, with a lamp's reflection; blur and noise."""
    ys, xs = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    angle = dice.uniform(0, 2 * np.pi)
    slope = (xs / WIDTH - 0.5) * np.cos(angle) + (ys / HEIGHT - 0.5) * np.sin(angle)
    shadow = 1 - level.shade / (1 + np.exp(-(slope - dice.uniform(-0.2, 0.3)) * 25))
    lit = canvas * (dice.uniform(0.85, 1.15) * shadow)[:, :, None]
    x, y = dice.uniform(0.25, 0.75, 2) * (WIDTH, HEIGHT)
    size = dice.uniform(40, 90)
    spot = np.exp(-(((xs - x) / size) ** 2 + ((ys - y) / (size * 1.6)) ** 2))
    lit += (255 - lit) * (level.glare * spot)[:, :, None]
    blurred = np.asarray(cv2.GaussianBlur(lit, (0, 0), level.blur), np.float32)
    tint = dice.uniform(0.9, 1.1, 3)
    return np.clip(blurred * tint + dice.normal(0, 5, blurred.shape), 0, 255).astype(np.uint8)


def sheet(pages: Sequence[Path], tables: Sequence[Rgb], target: Path) -> None:
    """Write twelve photos of each level side by side."""
    rows = []
    for level in LEVELS.values():
        photos = [
            cv2.resize(photograph(read(page), level, tables, np.random.default_rng(n)), (320, 240))
            for n, page in enumerate(pages[7::40][:12])
        ]
        rows += [np.hstack(photos[start : start + 6]) for start in (0, 6)]
    cv2.imwrite(str(target), np.vstack(rows)[:, :, ::-1])


if __name__ == "__main__":
    main()
