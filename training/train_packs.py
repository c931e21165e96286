"""How the packs `similar`, `product` and `materiel` were made: one matrix for each, on networks.

    taps (trunks.py) → whitened, weighted, side by side → principal axes → unit length
        → beside colour and layout (colour.py) → unit length

All of it is learned from the pictures that `pool.json` names. Which taps, weights and shares a
recipe has was chosen by measuring (cards/*.md).
"""

import argparse
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper

import colour
import trunks
from calibration import copy, learn_calibration, squares
from trunks import Tap

SEED = 20261122
COLOURS = 32
COLOUR, LAYOUT = 24, 72
"""Numbers for each in a vector."""
CALIBRATION = 3000
"""Pictures that scores are learned from; a third of them with mild copies."""
STACKS = "\nstacks = true"
CARDS = Path(__file__).parent / "cards"
THINGS = "things"
"""The network that train_trunk.py makes."""


class Recipe(NamedTuple):
    """What one service's pack looks at."""

    taps: Mapping[Tap, float]
    """How much each counts."""
    whitening: float = 0.6
    dimension: int = 512
    """Numbers for content."""
    colour: float = 0.0
    """Share of the cosine."""
    layout: float = 0.0


RECIPES = {
    "similar": Recipe(
        {Tap("lite2", 20): 1, Tap("lite2", None): 1, Tap("lite0", 15): 1, Tap("lite0", None): 1},
        dimension=384,
        colour=0.1,
        layout=0.1,
    ),
    "product": Recipe(
        {Tap("lite2", 20): 1, Tap("lite2", None): 1, Tap(THINGS, 15): 1, Tap(THINGS, None): 1},
    ),
    "materiel": Recipe(
        {
            Tap("lite2", 19): 1,
            Tap("lite2", 20): 0.7,
            Tap("lite0", 14): 1,
            Tap("lite0", 15): 0.7,
        },
        dimension=384,
        colour=0.05,
    ),
}


class Projection(NamedTuple):
    """Rows [N × F] → [N × D]: times the matrix, plus the offset."""

    matrix: np.ndarray
    offset: np.ndarray


def axes(rows: np.ndarray, exponent: float, most: int) -> Projection:
    """Centring and principal axes, each divided by its variance^(exponent / 2)."""
    mean = rows.mean(axis=0, dtype=np.float64)
    values, vectors = np.linalg.eigh(np.cov(rows - mean, rowvar=False))
    values, vectors = values[::-1][:most], vectors[:, ::-1][:, :most]
    # An axis and its opposite serve alike; fixing the sign makes the file reproducible.
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(len(values))])
    matrix = vectors * np.maximum(values / values[0], 1e-8) ** (-exponent / 2)
    return Projection(matrix, -mean @ matrix)


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-9)


def beside(
    seen: Mapping[str, np.ndarray], weights: Mapping[str, float], whitening: float, dimension: int
) -> Projection:
    """One projection of all taps side by side, in the order of `weights`.

    Each tap is whitened by itself and weighs the same but for its weight; then come principal axes.
    """
    parts = []
    for name, weight in weights.items():
        rows = seen[name].astype(np.float64)
        matrix, offset = axes(rows, whitening, 640)
        size = np.sqrt((((rows @ matrix) + offset) ** 2).sum(axis=1).mean())
        parts.append(Projection(matrix * (weight / size), offset * (weight / size)))
    rows = [seen[name] @ p.matrix + p.offset for name, p in zip(weights, parts, strict=True)]
    last = axes(np.concatenate(rows, axis=1), 0.0, dimension)
    edges = np.cumsum([0, *(part.matrix.shape[1] for part in parts)])
    pieces = [last.matrix[start:end] for start, end in itertools.pairwise(edges)]
    matrix = np.concatenate([p.matrix @ piece for p, piece in zip(parts, pieces, strict=True)])
    offset = sum(p.offset @ piece for p, piece in zip(parts, pieces, strict=True)) + last.offset
    return Projection(matrix, np.asarray(offset))


def apply(head: Projection, seen: Mapping[str, np.ndarray], names: Sequence[str]) -> np.ndarray:
    """The projection of taps that it was made for, in its order."""
    rows = np.concatenate([seen[name] for name in names], axis=1).astype(np.float64)
    return rows @ head.matrix + head.offset


class Palette(NamedTuple):
    """What colour and layout need."""

    colours: np.ndarray
    """[C × 3] typical colours, opponent coordinates."""
    colour: Projection
    layout: Projection


def write(
    model: onnx.ModelProto, recipe: Recipe, content: Projection, palette: Palette | None
) -> onnx.ModelProto:
    """The taps' model with a recipe's head on it: pictures → vectors of unit length."""
    graph = trunks.Graph(half=True, prefix="head_")
    x = graph.add("Concat", *(tap.name for tap in recipe.taps), axis=1)
    x = graph.add("Sum", *graph.split(x, trunks.VIEWS))
    half = Projection(content.matrix / trunks.VIEWS, content.offset)
    parts = [_project(graph, x, half, 1 - recipe.colour - recipe.layout)]
    if palette is not None:
        found = colour.write(graph, trunks.normalised(graph), palette.colours, trunks.SIZE)
        ways = (palette.colour, recipe.colour), (palette.layout, recipe.layout)
        parts += [
            _project(graph, x, to, share)
            for x, (to, share) in zip(found, ways, strict=True)
            if share
        ]
    x = graph.add("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]
    graph.add("LpNormalization", x, axis=1, p=2, output="vectors")
    return _joined(model, graph)


def _project(graph: trunks.Graph, x: str, to: Projection, share: float) -> str:
    x = graph.add("Gemm", x, graph.constant(to.matrix), graph.constant(to.offset))
    x = graph.add("LpNormalization", x, axis=1, p=2)
    return graph.add("Mul", x, graph.constant(np.sqrt(share)))


def _joined(model: onnx.ModelProto, graph: trunks.Graph) -> onnx.ModelProto:
    names = {weight.name for weight in graph.weights}
    joined = helper.make_graph(
        [*model.graph.node, *graph.nodes],
        "tusou",
        model.graph.input,
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["n", None])],
        [*(w for w in model.graph.initializer if w.name not in names), *graph.weights],
    )
    done = helper.make_model(joined, opset_imports=model.opset_import, ir_version=8)
    onnx.checker.check_model(done)
    return done


def learn_palette(files: Sequence[Path]) -> Palette:
    """Typical colours of the pictures, and the axes of their colours and layouts."""
    random = np.random.default_rng(SEED)
    spots = [
        picture.reshape(-1, 3)[random.integers(0, trunks.SIZE**2, 100)]
        for picture in squares(files[::3], trunks.fit)
    ]
    pixels = (np.concatenate(spots).astype(np.float32) - trunks.MEAN) * trunks.SCALE
    colours = colour.learn(pixels, COLOURS, SEED)
    graph = trunks.Graph()
    found = colour.write(graph, trunks.normalised(graph), colours, trunks.SIZE)
    widths = (COLOURS, COLOURS * colour.FIELDS**2)
    model = graph.model(trunks.SIZE, dict(zip(found, widths, strict=True)))
    seen = trunks.see(model, files, views=1)
    return Palette(colours, axes(seen[found[0]], 0.5, COLOUR), axes(seen[found[1]], 0.5, LAYOUT))


def calibrate(model: onnx.ModelProto, files: Sequence[Path]) -> dict[str, list[float]]:
    """Scores of cosines, from how different pictures and mild copies compare."""
    session = onnxruntime.InferenceSession(model.SerializeToString())

    def see(some: Sequence[Path], **change: Any) -> np.ndarray:
        pictures: Iterator[np.ndarray] = squares(some, trunks.fit, **change)
        return np.concatenate([session.run(None, {"pictures": p[None]})[0] for p in pictures])

    return learn_calibration(see(files), see(files[: len(files) // 3], change=copy))


def describe(name: str, width: int, trunk_names: Sequence[str], scores: Mapping[str, Any]) -> str:
    networks = " and ".join(sorted({n.replace(THINGS, "lite0").capitalize() for n in trunk_names}))
    return f"""\
name = "{name}"
version = "1"
licence = "Apache-2.0"
source = "EfficientNet-{networks} (Google), head by tusou, see CARD.md"

[model]
file = "{name}.onnx"
dimension = {width}
size = {trunks.SIZE}
stretch = {trunks.STRETCH}{STACKS if name == "materiel" else ""}

[score]
cosines = {scores["cosines"]}
scores = {scores["scores"]}
"""


def load(name: str, things: Path | None) -> Any:
    """A network by name; `things` is Lite0 with other weights."""
    trunk = trunks.load_trunk("lite0" if name == THINGS else name)
    if name == THINGS:
        if things is None:
            raise SystemExit("this pack needs --things, the file that train_trunk.py makes")
        trunk.load_state_dict(torch.load(things, map_location="cpu", weights_only=True))
    return trunk


def make(name: str, recipe: Recipe, files: Sequence[Path], things: Path | None) -> tuple[Any, str]:
    """A pack's model and its description."""
    shuffled = [files[i] for i in np.random.default_rng(SEED).permutation(len(files))]
    taps, weights = list(recipe.taps), {tap.name: w for tap, w in recipe.taps.items()}
    names = list(dict.fromkeys(tap.trunk for tap in taps))
    floats = trunks.build_taps({n: load(n, things) for n in names}, taps)
    some = np.stack(list(squares(shuffled[:256], trunks.fit)))
    model = trunks.quantize(floats, some)
    content = beside(trunks.see(model, files), weights, recipe.whitening, recipe.dimension)
    palette = learn_palette(files) if recipe.colour or recipe.layout else None
    model = write(model, recipe, content, palette)
    scores = calibrate(model, shuffled[:CALIBRATION])
    width = recipe.dimension + COLOUR * bool(recipe.colour) + LAYOUT * bool(recipe.layout)
    return model, describe(name, width, names, scores)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("datasets", type=Path, help="folder with pool/ and protocols/pool.json")
    parser.add_argument("--things", type=Path, help="the network that train_trunk.py made")
    parser.add_argument("--only", choices=list(RECIPES), help="one pack and not all")
    parser.add_argument("--out", type=Path, default=Path("src/tusou/vision/models"))
    options = parser.parse_args()
    for name in [options.only] if options.only else RECIPES:
        model, text = make(name, RECIPES[name], trunks.pool(options.datasets), options.things)
        folder = options.out / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.onnx").write_bytes(model.SerializeToString())
        (folder / "pack.toml").write_text(text, encoding="utf-8")
        card = CARDS / f"{name}.md"
        (folder / "CARD.md").write_text(card.read_text("utf-8"), encoding="utf-8")
        print(f"{folder}: {(folder / f'{name}.onnx').stat().st_size / 1e6:.1f} MB", flush=True)


if __name__ == "__main__":
    main()
