"""Model packs at work: each is opened on first use and shared by all libraries that use it."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tusou.index.base import VectorIndex
from tusou.library.indexes import Indexes
from tusou.library.pipelines import Pipeline
from tusou.vision.session import Load
from tusou.vision.text import Reader


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """One opened pack: how services see pictures by it, and what its vectors are found in."""

    pack: str
    """Its id, `name@version`."""
    dimension: int
    """Of its vectors."""
    pipelines: Mapping[str, Pipeline]
    """By the kinds that services name."""
    make_vectors: Callable[[], VectorIndex]
    """Makes an empty index for vectors of this pack."""
    load: Callable[[], Load]
    """How busy its encoder is."""
    close: Callable[[], None]
    reader: Reader | None = None
    """Its text tower; None: it has none."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What a library is seen by: a pack and indexes filled by it. A search keeps one to its end."""

    model: Model
    pipeline: Pipeline
    indexes: Indexes


class Models:
    """The opened packs. One stays open until the server stops: searches may be in it."""

    def __init__(self, open_pack: Callable[[str], Model]) -> None:
        """Open packs with `open_pack`, which takes an id and raises as `get` does."""
        self._open_pack = open_pack
        self._models: dict[str, Model] = {}
        self._opening = threading.Lock()

    def get(self, pack: str) -> Model:
        """The pack of an id.

        Raises:
            TusouError: UNAVAILABLE, it is not installed; INTERNAL_BACKEND, it does not load.
        """
        with self._opening:
            if pack not in self._models:
                self._models[pack] = self._open_pack(pack)
            return self._models[pack]

    def loads(self) -> dict[str, Load]:
        """How busy the encoder of each opened pack is."""
        # A copy, made in one step: a pack that is being opened keeps nobody waiting here.
        return {pack: model.load() for pack, model in self._models.copy().items()}

    def close(self) -> None:
        """Close all packs."""
        with self._opening:
            for model in self._models.values():
                model.close()
