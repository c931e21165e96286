"""Model packs: a folder with a model, and `pack.toml` that says what it takes and gives.

The model takes pictures as [N × S × S × 3] unsigned bytes, red, green, blue, and gives
[N × D] floats of unit length; everything between, normalisation too, is inside its graph.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

BUNDLED = Path(__file__).parent / "models"
"""The packs that ship with the package, one folder each."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A rising curve of straight pieces from cosine to score, flat beyond its ends."""

    cosines: tuple[float, ...]
    scores: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.cosines) != len(self.scores) or len(self.cosines) < 2:
            raise ValueError("a calibration needs as many scores as cosines, two or more")
        if (np.diff(self.cosines) <= 0).any() or (np.diff(self.scores) < 0).any():
            raise ValueError("a calibration must rise")
        if self.scores[0] < 0 or self.scores[-1] != 1:
            raise ValueError("a calibration's scores must lie in 0–1 and end at 1")

    def score(self, cosine: float) -> float:
        """Return how alike two pictures are, 0–1, from the cosine of their vectors."""
        return float(np.interp(cosine, self.cosines, self.scores))


@dataclass(frozen=True, slots=True)
class Pack:
    """One model pack, as its `pack.toml` describes it."""

    folder: Path
    name: str
    version: str
    licence: str
    source: str
    model: Path
    dimension: int
    """Numbers in a vector."""
    size: int
    """Side in pixels of the square that the model sees."""
    stretch: float
    """Largest factor by which a picture is distorted to fill the square; 1: never."""
    calibration: Calibration

    @property
    def id(self) -> str:
        """`name@version`, which a library remembers of the pack that filled it."""
        return f"{self.name}@{self.version}"


def read(folder: Path) -> Pack:
    """Read the pack in `folder`.

    Raises:
        ValueError: no `pack.toml`, no model, or something in it is missing or wrong.
    """
    try:
        return _parse(folder, tomllib.loads((folder / "pack.toml").read_text("utf-8")))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{folder} is not a model pack: {error!r}") from error


def bundled() -> dict[str, Pack]:
    """Return the packs that ship with the package, by name."""
    packs = (read(file.parent) for file in sorted(BUNDLED.glob("*/pack.toml")))
    return {pack.name: pack for pack in packs}


def _parse(folder: Path, table: dict[str, Any]) -> Pack:
    model = folder / table["model"]["file"]
    if model.parent != folder or not model.is_file():
        raise ValueError(f"there is no {model.name}")
    dimension, size = int(table["model"]["dimension"]), int(table["model"]["size"])
    stretch = float(table["model"]["stretch"])
    if min(dimension, size, stretch) < 1:
        raise ValueError("dimension, size and stretch must be 1 or more")
    return Pack(
        folder=folder,
        name=table["name"],
        version=table["version"],
        licence=table["licence"],
        source=table["source"],
        model=model,
        dimension=dimension,
        size=size,
        stretch=stretch,
        calibration=Calibration(tuple(table["score"]["cosines"]), tuple(table["score"]["scores"])),
    )
