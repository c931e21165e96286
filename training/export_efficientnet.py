"""How the bundled pack `base` was made: EfficientNet-Lite becomes an ONNX model of unit vectors.

    trunk → mean pooling → square root → centring and PCA with partial whitening → unit length

The centring, the PCA and the calibration are learned from the pictures that `pool.json` names.
The graph is written node by node, so that batch normalisation is folded into the convolutions
and the weights lie in the file as half floats, which ONNX Runtime widens once, at load.
"""

import argparse
import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from calibration import BATCH, SEED, copy, learn_calibration, squares
from trunks import MEAN, SCALE, Graph, load_trunk, normalised, pooled, write_trunk
from tusou.vision.embed import square

WIDTH = 1280
"""Channels of the trunk's last layer, in every EfficientNet-Lite."""
CARD = Path(__file__).parent / "cards/base.md"


def build_pooled(trunk: Any, size: int) -> bytes:
    """The trunk alone: [N × 1280] square roots of the pooled channels."""
    graph = Graph(half=False)
    graph.add("Sqrt", _seen(graph, trunk), output="vectors")
    return graph.model(size, {"vectors": WIDTH}).SerializeToString()


def build_model(trunk: Any, size: int, matrix: np.ndarray, mean: np.ndarray) -> bytes:
    """The whole model: [N × D] of unit length."""
    graph = Graph(half=True)
    x = graph.add("Sqrt", _seen(graph, trunk))
    x = graph.add("Gemm", x, graph.constant(matrix), graph.constant(-mean @ matrix))
    graph.add("LpNormalization", x, axis=1, p=2, output="vectors")
    return graph.model(size, {"vectors": matrix.shape[1]}).SerializeToString()


def _seen(graph: Graph, trunk: Any) -> str:
    """[N × S × S × 3] bytes → [N × 1280] mean of each channel."""
    return pooled(graph, write_trunk(graph, trunk, normalised(graph))[-1])


def run(model: bytes, pictures: Iterable[np.ndarray]) -> np.ndarray:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    stream, rows = iter(pictures), []
    while batch := list(itertools.islice(stream, BATCH)):
        rows.append(session.run(None, {"pictures": np.stack(batch)})[0])
    return np.concatenate(rows)


def learn_projection(
    features: np.ndarray, dimension: int, whitening: float
) -> tuple[np.ndarray, np.ndarray]:
    """Matrix [F × D] and mean [F]: principal axes, each divided by its variance^(whitening / 2)."""
    mean = features.mean(axis=0, dtype=np.float64)
    values, axes = np.linalg.eigh(np.cov(features - mean, rowvar=False))
    values, axes = values[::-1][:dimension], axes[:, ::-1][:, :dimension]
    # An axis and its opposite serve alike; fixing the sign makes the file reproducible.
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(dimension)])
    return axes * (values / values[0]) ** (-whitening / 2), mean


def describe(options: argparse.Namespace, calibration: dict[str, list[float]]) -> str:
    return f"""\
name = "{options.name}"
version = "{options.version}"
licence = "Apache-2.0"
source = "EfficientNet-{options.trunk.capitalize()} (Google), see CARD.md"

[model]
file = "base.onnx"
dimension = {options.dimension}
size = {options.size}
stretch = {options.stretch}

[score]
cosines = {calibration["cosines"]}
scores = {calibration["scores"]}
"""


def write_raw(options: argparse.Namespace, trunk: Any) -> None:
    """A pack of the untouched network's means, of unit length; its scores are its cosines."""
    graph = Graph(half=True)
    graph.add("LpNormalization", _seen(graph, trunk), axis=1, p=2, output="vectors")
    options.dimension = WIDTH
    text = describe(options, {"cosines": [0.0, 0.999], "scores": [0.0, 1.0]})
    options.out.mkdir(parents=True, exist_ok=True)
    model = graph.model(options.size, {"vectors": WIDTH})
    (options.out / "base.onnx").write_bytes(model.SerializeToString())
    (options.out / "pack.toml").write_text(text, encoding="utf-8")


def check(name: str, cosines: np.ndarray, least: float) -> None:
    print(f"{name}: cosine {cosines.min():.5f} at least, {cosines.mean():.6f} on average")
    if cosines.min() < least:
        raise SystemExit(f"{name} must stay above {least}")


def torch_features(trunk: Any, batch: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        x = (torch.from_numpy(batch).permute(0, 3, 1, 2).float() - MEAN) * SCALE
        return trunk.extract_features(x).mean(dim=(2, 3)).sqrt().numpy()


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("datasets", type=Path, help="folder with pool/ and protocols/pool.json")
    parser.add_argument("--trunk", choices=["lite0", "lite2"], default="lite2")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--stretch", type=float, default=1.5)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--whitening", type=float, default=0.5)
    parser.add_argument("--raw", action="store_true", help="means alone, to compare with")
    parser.add_argument("--name", default="base")
    parser.add_argument("--version", default="1")
    parser.add_argument("--out", type=Path, default=Path("src/tusou/vision/models/base"))
    return parser.parse_args()


def main() -> None:
    options = parse()
    names = json.loads((options.datasets / "protocols/pool.json").read_text())
    files = [options.datasets / name for name in names]
    shuffled = np.random.default_rng(SEED).permutation(len(files))

    def fit(picture: np.ndarray) -> np.ndarray:
        return square(picture, options.size, options.stretch)

    trunk = load_trunk(options.trunk, options.size)
    pooled = build_pooled(trunk, options.size)
    some = np.stack(list(squares([files[i] for i in shuffled[:BATCH]], fit)))
    reference = torch_features(trunk, some)
    check("graph against torch", (unit(run(pooled, some)) * unit(reference)).sum(axis=1), 0.9999)

    if options.raw:
        write_raw(options, trunk)
        return
    features = run(pooled, squares(files, fit))
    matrix, mean = learn_projection(features, options.dimension, options.whitening)
    vectors = unit((features - mean) @ matrix)
    model = build_model(trunk, options.size, matrix, mean)
    chosen = shuffled[:1000]
    halves = run(model, squares([files[i] for i in chosen], fit))
    check("half against full floats", (halves * vectors[chosen]).sum(axis=1), 0.999)

    copies = run(model, squares([files[i] for i in chosen], fit, copy))
    calibration = learn_calibration(vectors[shuffled[:3000]].astype(np.float32), copies)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "base.onnx").write_bytes(model)
    (options.out / "pack.toml").write_text(describe(options, calibration), encoding="utf-8")
    (options.out / "CARD.md").write_text(CARD.read_text("utf-8"), encoding="utf-8")
    print(f"{options.out}: {len(model) / 1e6:.1f} MB, {calibration}")


if __name__ == "__main__":
    main()
