"""Model packs: a folder with a model, and `pack.toml` that says what it takes and gives.

The model takes pictures as [N × S × S × 3] unsigned bytes, red, green, blue, and gives
[N × D] floats of unit length; everything between, normalisation too, is inside its graph.
"""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

BUNDLED = Path(__file__).parent / "models"
"""The packs that ship with the package, one folder each."""
DESCRIPTION = "pack.toml"
CARD = "CARD.md"
PAPERS = (CARD, "LICENSE", "NOTICE")
"""What a pack may have beside its description and its model."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # becomes the name of a folder or a file


@dataclass(frozen=True, slots=True)
class Calibration:
    """A rising curve of straight pieces from cosine to score, flat beyond its ends."""

    cosines: tuple[float, ...]
    scores: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.cosines) != len(self.scores) or len(self.cosines) < 2:
            raise ValueError("a calibration needs as many scores as cosines, two or more")
        # So asked that what is not a number does not pass either.
        if not ((np.diff(self.cosines) > 0).all() and (np.diff(self.scores) >= 0).all()):
            raise ValueError("a calibration must rise")
        if self.scores[0] < 0 or self.scores[-1] != 1:
            raise ValueError("a calibration's scores must lie in 0–1 and end at 1")

    def score(self, cosine: float) -> float:
        """Return how alike two pictures are, 0–1, from the cosine of their vectors."""
        return self.score_all([cosine])[0]

    def score_all(self, cosines: Sequence[float]) -> list[float]:
        """Return how alike pairs of pictures are; hundreds at once cost what one does."""
        scores: list[float] = np.interp(cosines, self.cosines, self.scores).tolist()
        return scores


@dataclass(frozen=True, slots=True)
class TextTower:
    """What turns words into vectors that pictures' vectors compare with.

    Its model takes token numbers as [N × L] 64-bit integers, padded by the tokenizer, and gives
    [N × D] floats of unit length.
    """

    model: Path
    tokenizer: Path
    """`tokenizer.json` of Hugging Face's `tokenizers`."""
    length: int
    """L: longer texts are cut."""
    calibration: Calibration
    """Of a text and a picture: their cosines are lower than those of two pictures."""


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
    stacks: bool
    """Long strips are cut in pieces and stacked: for patterns, which have no outline to lose."""
    calibration: Calibration
    text: TextTower | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that it cannot do without, its description aside."""
        text = self.text
        return (self.model,) if text is None else (self.model, text.model, text.tokenizer)

    @property
    def id(self) -> str:
        """`name@version`, which a library remembers of the pack that filled it."""
        return f"{self.name}@{self.version}"

    @property
    def card(self) -> str:
        """The model card; empty where there is none."""
        file = self.folder / CARD
        return file.read_text("utf-8") if file.is_file() else ""


def read(folder: Path) -> Pack:
    """Read the pack in `folder`.

    Raises:
        ValueError: no `pack.toml`, no model, or something in it is missing or wrong.
    """
    try:
        pack = parse(folder, (folder / DESCRIPTION).read_text("utf-8"))
        for file in pack.files:
            if file.is_symlink() or not file.is_file():
                raise ValueError(f"there is no {file.name}")
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder} is not a model pack: {error}") from error
    return pack


def parse(folder: Path, text: str) -> Pack:
    """Read a pack's description; its model need not be in `folder` yet.

    Raises:
        ValueError: something is missing or wrong.
    """
    try:
        return _parse(folder, tomllib.loads(text))
    except KeyError as error:
        raise ValueError(f"{DESCRIPTION} does not say {error}") from error
    except (TypeError, OverflowError) as error:
        raise ValueError(f"{DESCRIPTION} has a value of another kind: {error}") from error


def bundled() -> dict[str, Pack]:
    """Return the packs that ship with the package, by name."""
    packs = (read(file.parent) for file in sorted(BUNDLED.glob("*/pack.toml")))
    return {pack.name: pack for pack in packs}


def _parse(folder: Path, table: dict[str, Any]) -> Pack:
    model, score = table["model"], table["score"]
    name, version, file = (
        _plain(text) for text in (table["name"], table["version"], model["file"])
    )
    dimension, size, stretch = int(model["dimension"]), int(model["size"]), float(model["stretch"])
    if not (1 <= dimension <= 1 << 14 and 1 <= size <= 1 << 12 and stretch >= 1):
        raise ValueError("dimension, size and stretch must be 1 or more, and not beyond all sense")
    return Pack(
        folder=folder,
        name=name,
        version=version,
        licence=str(table["licence"]),
        source=str(table["source"]),
        model=folder / file,
        dimension=dimension,
        size=size,
        stretch=stretch,
        stacks=bool(model.get("stacks", False)),
        calibration=_calibration(score),
        text=_text(folder, table["text"]) if "text" in table else None,
    )


def _text(folder: Path, table: dict[str, Any]) -> TextTower:
    length = int(table["length"])
    if not 1 <= length <= 1 << 12:
        raise ValueError("a text has from 1 to 4096 tokens")
    return TextTower(
        model=folder / _plain(table["file"]),
        tokenizer=folder / _plain(table["tokenizer"]),
        length=length,
        calibration=_calibration(table["score"]),
    )


def _calibration(score: dict[str, Any]) -> Calibration:
    return Calibration(tuple(score["cosines"]), tuple(score["scores"]))


def _plain(text: object) -> str:
    """Refuse what could lead out of a folder when it becomes part of a path."""
    if not isinstance(text, str) or _NAME.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no plain name: letters, digits, '.', '_' and '-'")
    return text
