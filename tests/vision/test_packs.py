"""What a model pack says, and which packs are refused."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tusou.vision import packs
from tusou.vision.packs import Calibration, Pack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the bundled pack whose model is only a stand-in."""
    shutil.copy(packs.BUNDLED / "base" / "pack.toml", tmp_path)
    (tmp_path / "base.onnx").touch()
    return tmp_path


def change(folder: Path, old: str, new: str) -> None:
    file = folder / "pack.toml"
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")


@pytest.mark.parametrize("pack", packs.bundled().values(), ids=lambda pack: str(pack.id))
def test_every_bundled_pack_is_complete(pack: Pack) -> None:
    assert pack.folder.name == pack.name
    assert pack.model.stat().st_size > 0
    assert (pack.folder / "CARD.md").is_file()
    assert pack.licence == "Apache-2.0"
    assert pack.source


@pytest.mark.parametrize("pack", packs.bundled().values(), ids=lambda pack: str(pack.id))
def test_every_bundled_pack_is_small(pack: Pack) -> None:
    assert sum(file.stat().st_size for file in pack.folder.iterdir()) < 15_000_000


def test_base_is_bundled() -> None:
    assert packs.bundled()["base"].dimension == 384


def test_a_pack_is_known_by_name_and_version(folder: Path) -> None:
    change(folder, 'version = "1"', 'version = "2026.1"')
    assert packs.read(folder).id == "base@2026.1"


def test_a_folder_without_pack_toml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not a model pack"):
        packs.read(tmp_path)


def test_a_pack_without_its_model_is_refused(folder: Path) -> None:
    (folder / "base.onnx").unlink()
    with pytest.raises(ValueError, match=r"there is no base\.onnx"):
        packs.read(folder)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name =", "nom ="),
        ("[model]", "[modell]"),
        ("[model]", "[model"),
        ("dimension = 384", 'dimension = "wide"'),
        ("dimension = 384", "dimension = 0"),
        ("scores = [0.0", "scores = [2.0"),
        ("file = ", "fail = "),
        ("stretch = ", "stretch = -"),
        ("stretch = 1.5", "stretch = nan"),
        ("dimension = 384", "dimension = inf"),
        ("size = 224", "size = 1000000"),
        ("cosines = [-1.0", "cosines = [nan"),
        ("scores = [0.0", "scores = [nan"),
        ("cosines = [-1.0", 'cosines = ["-1"'),
    ],
)
def test_a_pack_with_something_wrong_is_refused(folder: Path, old: str, new: str) -> None:
    change(folder, old, new)
    with pytest.raises(ValueError, match="is not a model pack"):
        packs.read(folder)


def test_a_model_outside_the_packs_folder_is_refused(folder: Path) -> None:
    change(folder, "base.onnx", f"../{folder.name}/base.onnx")
    with pytest.raises(ValueError, match="is not a model pack"):
        packs.read(folder)


@given(st.floats(-2, 2), st.floats(-2, 2))
def test_scores_rise_with_the_cosine_and_stay_in_range(one: float, other: float) -> None:
    score = packs.bundled()["base"].calibration.score
    low, high = sorted([one, other])
    assert 0 <= score(low) <= score(high) <= 1


def test_a_perfect_cosine_scores_one_even_after_rounding() -> None:
    score = packs.bundled()["base"].calibration.score
    assert score(1.0) == score(1 + 1e-6) == score(1 - 1e-6) == 1
    assert score(-1.0) == 0


@pytest.mark.parametrize(
    ("cosines", "scores"),
    [
        ((0.0, 1.0), (0.0, 0.5, 1.0)),
        ((1.0,), (1.0,)),
        ((0.5, 0.5), (0.0, 1.0)),
        ((0.0, 0.5, 1.0), (0.5, 0.0, 1.0)),
        ((0.0, 1.0), (-0.1, 1.0)),
        ((0.0, 1.0), (0.0, 1.1)),
        ((0.0, 1.0), (0.0, 0.9)),
    ],
)
def test_a_calibration_that_does_not_rise_to_one_is_refused(
    cosines: tuple[float, ...], scores: tuple[float, ...]
) -> None:
    with pytest.raises(ValueError, match="calibration"):
        Calibration(cosines, scores)
