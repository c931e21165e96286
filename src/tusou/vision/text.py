"""Words become vectors that those of pictures compare with; the only module that knows tokenizers.

`tokenizers` comes with `tusou[text]`: only packs with a text tower need it.
"""

from collections.abc import Sequence
from typing import Self

import numpy as np

from tusou.errors import Problem, TusouError
from tusou.types import Vector
from tusou.vision.packs import Pack
from tusou.vision.session import Session


class Reader:
    """A pack's text tower at work; many threads may read at once, and share the model's runs."""

    def __init__(self, pack: Pack, *, provider: str = "", waiting: int = 64) -> None:
        """Load the tower.

        Args:
            pack: With a text tower.
            provider: What runs the model, see `Session`.
            waiting: Most texts that may wait before more are refused.

        Raises:
            TusouError: INTERNAL_BACKEND, it does not load, or `tokenizers` is not installed.
        """
        if pack.text is None:
            raise TusouError(Problem.INTERNAL_BACKEND, f"{pack.id} has no text tower")
        tower = pack.text
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise TusouError(
                Problem.INTERNAL_BACKEND, f"{pack.id} reads texts, which needs tusou[text]"
            ) from error
        try:
            self._tokenizer = Tokenizer.from_file(str(tower.tokenizer))
        except Exception as error:  # The package raises nothing narrower.
            raise TusouError(
                Problem.INTERNAL_BACKEND, f"{tower.tokenizer.name} does not load: {error}"
            ) from error
        padding = self._tokenizer.padding or {}
        self._tokenizer.enable_truncation(tower.length)
        self._tokenizer.enable_padding(
            length=tower.length,
            pad_id=padding.get("pad_id", 0),
            pad_token=padding.get("pad_token", "[PAD]"),
        )
        self._calibration = tower.calibration
        self._batcher = Session(tower.model, provider=provider).shared(waiting)

    def read(self, text: str) -> Vector:
        """The vector of a text.

        Raises:
            TusouError: RECOGNIZE, the model failed; OVERLOADED, too many texts wait; UNAVAILABLE,
                closed.
        """
        tokens = np.array(self._tokenizer.encode(text).ids, np.int64)
        vector = self._batcher.encode(tokens)
        if not np.isfinite(vector).all():
            raise TusouError(Problem.RECOGNIZE, "the model gave no vector for this text")
        return vector

    def score_all(self, cosines: Sequence[float]) -> list[float]:
        """How well pictures fit a text, 0–1, from the cosines of their vectors and the text's."""
        return self._calibration.score_all(cosines)

    def close(self) -> None:
        """Stop; those who wait are answered with UNAVAILABLE."""
        self._batcher.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
