"""Text towers: words become vectors that those of pictures compare with."""

from pathlib import Path

import numpy as np
import pytest

from support.models import make_pack
from tusou.errors import Problem, TusouError
from tusou.types import Rgb
from tusou.vision import packs
from tusou.vision.embed import Embedder
from tusou.vision.install import prove
from tusou.vision.text import Reader

NOISE = np.random.default_rng(1).integers(0, 20, (40, 40, 3)).astype(np.uint8)


def test_a_text_lies_by_the_picture_that_shows_it(tmp_path: Path) -> None:
    pack = packs.read(make_pack(tmp_path / "pack", reads=True))
    prove(packs.read(make_pack(tmp_path / "other", reads=False)))
    with Reader(pack) as reader, Embedder(pack) as embedder:
        words = ("red", "GREEN", "blue")
        read = np.stack([reader.read(word) for word in words])
        seen = np.stack([embedder.embed(NOISE + colour) for colour in _colours()])
        assert (read @ seen.T).argmax(1).tolist() == [0, 1, 2]
        assert np.allclose(np.linalg.norm(read, axis=1), 1, atol=1e-5)
        # Longer texts are cut, shorter ones padded.
        assert np.allclose(reader.read("red " * 4), reader.read("red " * 400))
        assert reader.score_all([0.5, 0.25]) == [1, 0.5]


def _colours() -> list[Rgb]:
    return [np.array(colour, np.uint8) for colour in ((230, 0, 0), (0, 230, 0), (0, 0, 230))]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("tokenizer.json", "{}"),
        ("text.onnx", "no model"),
        ("pack.toml", 'length = "x"'),
        ("pack.toml", "length = 0"),
        ("pack.toml", 'file = "../text.onnx"'),
    ],
)
def test_a_tower_that_does_not_stand_is_refused(tmp_path: Path, file: str, text: str) -> None:
    folder = make_pack(tmp_path / "pack", reads=True)
    if file == "pack.toml":
        name = text.partition(" ")[0]
        old = {"length": "length = 4", "file": 'file = "text.onnx"'}[name]
        text = (folder / file).read_text("utf-8").replace(old, text)
    (folder / file).write_text(text, "utf-8")
    with pytest.raises(ValueError, match=r"pack|tiny@1"):
        prove(packs.read(folder))


def test_a_pack_lacks_no_file_of_its_tower(tmp_path: Path) -> None:
    folder = make_pack(tmp_path / "pack", reads=True)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ValueError, match=r"there is no tokenizer\.json"):
        packs.read(folder)


def test_a_pack_without_a_tower_reads_nothing(tmp_path: Path) -> None:
    with pytest.raises(TusouError) as caught:
        Reader(packs.read(make_pack(tmp_path / "pack")))
    assert caught.value.problem is Problem.INTERNAL_BACKEND
