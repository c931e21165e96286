"""Tiny model packs made by code: an ONNX file of a few kilobytes, written field by field.

The model looks at an 8 × 8 picture, turns it by a random matrix and brings it to unit length, so
that what looks alike lies close by and two seeds give vectors that do not compare.
"""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SIDE = 8
_FLOAT, _UINT8, _INT64 = 1, 2, 7


def make_pack(
    folder: Path,
    name: str = "tiny",
    *,
    dimension: int = 16,
    seed: int = 1,
    unit: bool = True,
    reads: bool = False,
) -> Path:
    """Write the pack `name@1` into a new folder; `unit=False` leaves vectors of any length.

    With `reads` it has a text tower, which knows the words `red`, `green`, `blue` and `dark`, and
    sees a picture of nothing else for each.
    """
    folder.mkdir(parents=True)
    (folder / "tiny.onnx").write_bytes(_model(dimension, seed, unit))
    (folder / "CARD.md").write_text(f"# {name}\n\nMade by the tests.\n", "utf-8")
    (folder / "pack.toml").write_text(
        f'name = "{name}"\nversion = "1"\nlicence = "Apache-2.0"\nsource = "the tests"\n\n'
        f'[model]\nfile = "tiny.onnx"\ndimension = {dimension}\nsize = {SIDE}\nstretch = 4\n\n'
        "[score]\ncosines = [0.0, 1.0]\nscores = [0.0, 1.0]\n" + (_READS if reads else ""),
        "utf-8",
    )
    if reads:
        (folder / "text.onnx").write_bytes(_text_model(_turn(dimension, seed)))
        (folder / "tokenizer.json").write_text(_tokenizer(), "utf-8")
    return folder


_READS = """
[text]
file = "text.onnx"
tokenizer = "tokenizer.json"
length = 4

[text.score]
cosines = [0.0, 0.5]
scores = [0.0, 1.0]
"""
_WORDS = {"": (0.05, 0.1, 0), "red": (1, -1, -1), "green": (-1, 1, -1), "blue": (-1, -1, 1)}
_WORDS |= {"dark": (-1, -1, -1)}


def _tokenizer() -> str:
    words = {word or "[PAD]": number for number, word in enumerate(_WORDS)}
    return json.dumps(
        {
            "version": "1.0",
            "added_tokens": [],
            "normalizer": {"type": "Lowercase"},
            "pre_tokenizer": {"type": "Whitespace"},
            "model": {"type": "WordLevel", "vocab": words, "unk_token": "[PAD]"},
        }
    )


def _text_model(turn: NDArray[np.float32]) -> bytes:
    """The sum of the words' vectors, each that of a picture of one colour, at unit length."""
    colours = np.array(list(_WORDS.values()), np.float32).repeat(SIDE * SIDE, 0)
    rows = colours.reshape(len(_WORDS), -1) @ turn
    nodes = [
        _node("Gather", ["rows", "tokens"], "words"),
        _node("ReduceSum", ["words", "axis"], "sum", _attribute("keepdims", 0)),
        _node("LpNormalization", ["sum"], "vector"),
    ]
    graph = b"".join(
        [
            *(_bytes(1, node) for node in nodes),
            _bytes(2, b"tiny"),
            _bytes(5, _tensor("rows", rows.astype(np.float32), _FLOAT)),
            _bytes(5, _tensor("axis", np.array([1], np.int64), _INT64)),
            _bytes(11, _value("tokens", _INT64, 4)),
            _bytes(12, _value("vector", _FLOAT, turn.shape[1])),
        ]
    )
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _bytes(1, b"") + _number(2, 17))


def _turn(dimension: int, seed: int) -> NDArray[np.float32]:
    inputs = SIDE * SIDE * 3
    return np.random.default_rng(seed).normal(size=(inputs, dimension)).astype(np.float32)


def _model(dimension: int, seed: int, unit: bool) -> bytes:
    turn = _turn(dimension, seed)
    inputs = len(turn)
    last = "vector" if unit else "turned"
    nodes = [
        _node("Cast", ["picture"], "floats", _attribute("to", _FLOAT)),
        _node("Sub", ["floats", "middle"], "centred"),
        _node("Reshape", ["centred", "shape"], "flat"),
        _node("MatMul", ["flat", "turn"], "turned"),
    ]
    if unit:
        nodes.append(_node("LpNormalization", ["turned"], "vector"))
    graph = b"".join(
        [
            *(_bytes(1, node) for node in nodes),
            _bytes(2, b"tiny"),
            _bytes(5, _tensor("middle", np.array(127.5, np.float32), _FLOAT)),
            _bytes(5, _tensor("shape", np.array([-1, inputs], np.int64), _INT64)),
            _bytes(5, _tensor("turn", turn, _FLOAT)),
            _bytes(11, _value("picture", _UINT8, SIDE, SIDE, 3)),
            _bytes(12, _value(last, _FLOAT, dimension)),
        ]
    )
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _bytes(1, b"") + _number(2, 17))


# The rest is Protocol Buffers, and the fields of ONNX. Source: onnx/onnx.proto.


def _varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


def _number(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _bytes(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _node(operator: str, inputs: list[str], output: str, attributes: bytes = b"") -> bytes:
    names = b"".join(_bytes(1, name.encode()) for name in inputs)
    return names + _bytes(2, output.encode()) + _bytes(4, operator.encode()) + attributes


def _attribute(name: str, number: int) -> bytes:
    return _bytes(5, _bytes(1, name.encode()) + _number(3, number) + _number(20, 2))


def _tensor(name: str, values: NDArray[np.generic], kind: int) -> bytes:
    sides = b"".join(_number(1, side) for side in values.shape)
    return sides + _number(2, kind) + _bytes(8, name.encode()) + _bytes(9, values.tobytes())


def _value(name: str, kind: int, *sides: int) -> bytes:
    shape = _bytes(1, _bytes(2, b"N")) + b"".join(_bytes(1, _number(1, side)) for side in sides)
    tensor = _number(1, kind) + _bytes(2, shape)
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, tensor))
