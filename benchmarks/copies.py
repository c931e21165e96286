"""Copies of pictures, found again: crops, rotations, re-encodings, overlays, photos of prints.

Derives copies from pictures of `shared/datasets/pool`, or from larger ones (`--large`), adds the
originals and distractors to one library of same_hq over HTTP and searches with every copy. Prints
recall and rank 1 a kind of copy, for us and, in the same run, for pHash, for an ORB index and for
our embedding alone.
"""

import argparse
import io
import json
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import faiss
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from support.pictures import SHARED
from support.server import Caller, Server
from tusou.types import Rgb
from tusou.vision import packs
from tusou.vision.embed import Embedder

Derive = Callable[[Rgb, np.random.Generator], bytes]


def main() -> None:
    """Add, derive, search, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--pictures", type=int, default=1000, help="originals that are searched for"
    )
    parser.add_argument(
        "--large", type=int, help="originals are all wallpapers and so many pages, not the pool's"
    )
    parser.add_argument("--distractors", type=int, default=3000)
    parser.add_argument("--queries", type=int, help="originals a kind, drawn anew (default: all)")
    parser.add_argument("--datasets", type=Path, default=SHARED)
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    pictures = 0 if options.large else options.pictures
    originals, others = choose(options.datasets, pictures, options.distractors)
    if options.large:
        originals = choose_large(options.datasets, options.large)
    print(f"{len(originals)} originals among {len(originals) + len(others)} pictures\n")
    peers = [PHash(), OrbIndex(), EmbeddingIndex()] if options.peers else []
    names = ["tusou", *(peer.name for peer in peers)]
    print("| copy | " + " | ".join(f"{name} recall | rank 1" for name in names) + " |")
    print("|---|" + "---:|---:|" * len(names))
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "data")
        try:
            finders = [Tusou(server.caller("same_hq")), *peers]
            gallery = [read(path) for path in (*originals, *others)]
            for finder in finders:
                finder.fill(gallery)
            table(gallery[: len(originals)], finders, options.queries or len(originals))
        finally:
            server.stop()


def choose(datasets: Path, pictures: int, distractors: int) -> tuple[list[Path], list[Path]]:
    """Originals and distractors, by lot; calibration frames and icons are all alike, left out."""
    paths = json.loads((datasets / "protocols" / "pool.json").read_text())
    paths = [path for path in paths if "boofcv" not in path and "clipart" not in path]
    order = np.random.default_rng(1).permutation(len(paths))[: pictures + distractors]
    chosen = [datasets / paths[place] for place in order]
    return chosen[:pictures], chosen[pictures:]


def choose_large(datasets: Path, pages: int) -> list[Path]:
    """Wallpapers of 900 px and pages of 550, by lot; the pool's pictures have 224 for the most."""
    folder = datasets / "protocols"
    papers, books = (
        json.loads((folder / f"{name}.json").read_text())["gallery"]
        for name in ("same_wallpapers", "picturebook")
    )
    drawn = np.random.default_rng(5).permutation(len(books))[:pages]
    return [datasets / path for path in (*papers, *(books[place] for place in drawn))]


def table(originals: Sequence[Rgb], finders: Sequence["Finder"], queries: int) -> None:
    """Search every kind of copy of so many originals; print a row each, and their mean."""
    rows = []
    for number, (kind, derive) in enumerate(KINDS.items()):
        drawn = np.random.default_rng(number).permutation(len(originals))[:queries].tolist()
        copies = {place: derive(originals[place], np.random.default_rng(place)) for place in drawn}
        shares = [np.array(finder.search(copies)).mean(axis=0) for finder in finders]
        rows.append(np.concatenate(shares))
        print(f"| {kind} | " + " | ".join(f"{share:.3f}" for share in rows[-1]) + " |", flush=True)
    means = np.mean(rows, axis=0)
    print("| **all** | " + " | ".join(f"**{share:.3f}**" for share in means) + " |")


def read(path: Path) -> Rgb:
    """A picture's pixels."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def encode(rgb: Rgb, quality: int = 90) -> bytes:
    """A JPEG file, enlarged where a side is below what the service takes."""
    shortest = min(rgb.shape[:2])
    if shortest < 50:
        size = [max(50, round(side * 50 / shortest)) for side in rgb.shape[1::-1]]
        rgb = np.asarray(cv2.resize(rgb, (size[0], size[1])), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


# --- kinds of copies ---


def crop(share: float) -> Derive:
    """A window of that share of the area, anywhere."""

    def derive(rgb: Rgb, random: np.random.Generator) -> bytes:
        height, width = (round(side * share**0.5) for side in rgb.shape[:2])
        top = int(random.integers(0, rgb.shape[0] - height + 1))
        left = int(random.integers(0, rgb.shape[1] - width + 1))
        return encode(rgb[top : top + height, left : left + width])

    return derive


def resize(factor: float) -> Derive:
    """Scaled down."""
    return lambda rgb, _: encode(
        np.asarray(cv2.resize(rgb, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA))
    )


def rotation(degrees: float) -> Derive:
    """Turned, on a grey ground large enough for all of it."""

    def derive(rgb: Rgb, _: np.random.Generator) -> bytes:
        height, width = rgb.shape[:2]
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
        cos, sin = abs(turn[0, 0]), abs(turn[0, 1])
        size = round(height * sin + width * cos), round(height * cos + width * sin)
        turn[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
        return encode(np.asarray(cv2.warpAffine(rgb, turn, size, borderValue=(128, 128, 128))))

    return derive


def colours(rgb: Rgb, random: np.random.Generator) -> bytes:
    """Brightness, contrast and the balance of colours changed."""
    gains = random.uniform(0.7, 1.3, 3) * random.uniform(0.7, 1.3)
    return encode(np.clip(rgb * gains + random.uniform(-25, 25), 0, 255).astype(np.uint8))


def overlay(rgb: Rgb, random: np.random.Generator) -> bytes:
    """A line of text and a logo over it."""
    canvas = rgb.copy()
    height, width = rgb.shape[:2]
    size = max(0.4, width / 400)
    place = (width // 20, int(height * random.uniform(0.3, 0.9)))
    cv2.putText(canvas, "SALE 50% OFF", place, cv2.FONT_HERSHEY_DUPLEX, size, (255, 40, 40), 2)
    centre = (int(width * 0.8), int(height * 0.2))
    cv2.circle(canvas, centre, max(4, min(height, width) // 8), (20, 90, 220), -1)
    return encode(canvas)


def border(rgb: Rgb, _: np.random.Generator) -> bytes:
    """A white border of a tenth."""
    wide = max(rgb.shape[:2]) // 10
    return encode(np.pad(rgb, ((wide, wide), (wide, wide), (0, 0)), constant_values=255))


def pasted(rgb: Rgb, random: np.random.Generator) -> bytes:
    """A third of the area of another scene."""
    height, width = rgb.shape[:2]
    big = (round(width * 1.73), round(height * 1.73))
    noise = random.integers(0, 256, (9, 9, 3), dtype=np.uint8)
    canvas = np.asarray(cv2.resize(noise, big, interpolation=cv2.INTER_CUBIC), np.uint8).copy()
    top = int(random.integers(0, big[1] - height + 1))
    left = int(random.integers(0, big[0] - width + 1))
    canvas[top : top + height, left : left + width] = rgb
    return encode(canvas)


def screenshot(rgb: Rgb, _: np.random.Generator) -> bytes:
    """Inside a window with a title bar and buttons."""
    height, width = rgb.shape[:2]
    bar = max(20, height // 8)
    canvas = np.full((height + 2 * bar, width + bar, 3), 245, np.uint8)
    cv2.rectangle(canvas, (0, 0), (width + bar, bar), (60, 60, 70), -1)
    cv2.putText(canvas, "Photos", (bar, bar - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255,) * 3, 1)
    canvas[bar : bar + height, bar // 2 : bar // 2 + width] = rgb
    return encode(canvas, 80)


def photograph(rgb: Rgb, random: np.random.Generator) -> bytes:
    """A print on a table: perspective, light falling off, blur, noise."""
    height, width = rgb.shape[:2]
    size = (round(width * 1.3), round(height * 1.3))
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    shift = random.uniform(-0.09, 0.09, (4, 2)) * (width, height) + np.array(size) * 0.115
    turn = cv2.getPerspectiveTransform(corners, (corners + shift).astype(np.float32))
    table_ = tuple(int(part) for part in random.integers(60, 160, 3))
    canvas = np.asarray(cv2.warpPerspective(rgb, turn, size, borderValue=table_), np.float32)
    light = np.linspace(random.uniform(0.6, 0.9), 1.1, size[0])[None, :, None]
    canvas = np.asarray(cv2.GaussianBlur(canvas * light, (0, 0), 0.8))
    noise = random.normal(0, 4, canvas.shape)
    return encode(np.clip(canvas + noise, 0, 255).astype(np.uint8), 75)


KINDS: dict[str, Derive] = {
    "crop to 50 %": crop(0.5),
    "crop to 30 %": crop(0.3),
    "crop to 20 %": crop(0.2),
    "crop to 10 %": crop(0.1),
    "half size": resize(0.5),
    "quarter size": resize(0.25),
    "JPEG 50": lambda rgb, _: encode(rgb, 50),
    "JPEG 20": lambda rgb, _: encode(rgb, 20),
    "JPEG 10": lambda rgb, _: encode(rgb, 10),
    "rotation 5°": rotation(5),
    "rotation 30°": rotation(30),
    "rotation 90°": rotation(90),
    "rotation 180°": rotation(180),
    "mirror": lambda rgb, _: encode(np.ascontiguousarray(rgb[:, ::-1])),
    "blur": lambda rgb, _: encode(np.asarray(cv2.GaussianBlur(rgb, (0, 0), 2.0))),
    "brightness and colour": colours,
    "text and logo": overlay,
    "border": border,
    "pasted into another": pasted,
    "screenshot": screenshot,
    "photo of a print": photograph,
}


# --- what is compared ---


class Finder(ABC):
    """Something that takes pictures and finds copies of them."""

    name: str

    @abstractmethod
    def fill(self, gallery: Sequence[Rgb]) -> None:
        """Take the pictures; a picture is known by its place."""

    @abstractmethod
    def find(self, query: bytes) -> list[int]:
        """The places of pictures found, best first."""

    def search(self, copies: Mapping[int, bytes]) -> list[tuple[bool, bool]]:
        """For each copy of a place: whether the picture of the place came, and came first."""
        with ThreadPoolExecutor(2) as executor:
            found = list(executor.map(self.find, copies.values()))
        pairs = zip(copies, found, strict=True)
        return [(place in row, row[:1] == [place]) for place, row in pairs]


class Tusou(Finder):
    """Our service same_hq over HTTP; all that it returns counts as found."""

    name = "tusou"

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def fill(self, gallery: Sequence[Rgb]) -> None:
        """Add; the few that are flat or there already are left to be missed."""

        def add(row: tuple[int, Rgb]) -> None:
            answer = self._caller.call(
                "same_hq", "add", image=encode(row[1], 95), brief=str(row[0])
            )
            if answer.get("error_code") not in (None, 216681, 216203):
                raise RuntimeError(answer)

        with ThreadPoolExecutor(2) as executor:
            list(executor.map(add, enumerate(gallery)))

    def find(self, query: bytes) -> list[int]:
        """Search."""
        answer = self._caller.call("same_hq", "search", image=query)
        return [int(hit["brief"]) for hit in answer.get("result", [])]


class PHash(Finder):
    """Perceptual hashes; up to 10 of 64 bits may differ."""

    name = "pHash"

    def __init__(self) -> None:
        self._index = faiss.IndexBinaryFlat(64)

    def _hash(self, image: Image.Image) -> NDArray[np.uint8]:
        import imagehash

        return np.packbits(imagehash.phash(image).hash.ravel())[None]

    def fill(self, gallery: Sequence[Rgb]) -> None:
        """Hash."""
        self._index.add(np.concatenate([self._hash(Image.fromarray(rgb)) for rgb in gallery]))

    def find(self, query: bytes) -> list[int]:
        """Search."""
        with Image.open(io.BytesIO(query)) as image:
            distances, places = self._index.search(self._hash(image.convert("RGB")), 10)
        return [int(place) for place in places[0][distances[0] <= 10]]


class OrbIndex(Finder):
    """ORB features that vote for pictures; three votes are needed."""

    name = "ORB index"

    def __init__(self) -> None:
        self._index = faiss.IndexBinaryFlat(256)
        self._owners = np.empty(0, np.int64)

    def _features(self, rgb: Rgb) -> NDArray[np.uint8]:
        grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        _, descriptors = cv2.ORB.create(300).detectAndCompute(grey, None)
        return np.empty((0, 32), np.uint8) if descriptors is None else np.asarray(descriptors)

    def fill(self, gallery: Sequence[Rgb]) -> None:
        """Take features."""
        rows = [self._features(rgb) for rgb in gallery]
        self._owners = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
        self._index.add(np.concatenate(rows))

    def find(self, query: bytes) -> list[int]:
        """Vote: each feature of the query for the picture of its nearest, if it is near."""
        with Image.open(io.BytesIO(query)) as image:
            features = self._features(np.asarray(image.convert("RGB")))
        if not len(features):
            return []
        distances, places = self._index.search(features, 1)
        votes = np.bincount(self._owners[places[distances <= 64]])
        order = np.argsort(-votes, kind="stable")[:10]
        return [int(place) for place in order if votes[place] >= 3]


class EmbeddingIndex(Finder):
    """Our embedding alone; the first ten count as found."""

    name = "embedding"

    def __init__(self) -> None:
        self._embedder = Embedder(packs.bundled()["base"])
        self._vectors = np.empty((0, self._embedder.dimension), np.float32)

    def fill(self, gallery: Sequence[Rgb]) -> None:
        """Embed."""
        self._vectors = np.stack([self._embedder.embed(rgb) for rgb in gallery])

    def find(self, query: bytes) -> list[int]:
        """Search."""
        with Image.open(io.BytesIO(query)) as image:
            vector = self._embedder.embed(np.asarray(image.convert("RGB")))
        return [int(place) for place in np.argsort(-(self._vectors @ vector))[:10]]


if __name__ == "__main__":
    main()
