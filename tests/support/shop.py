"""One library of a runtime in this process, and what tests do with it."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import text

from support.pictures import encoded, picture, scene
from tusou.library.library import Library
from tusou.library.models import Model
from tusou.library.mover import Mover
from tusou.runtime import Runtime
from tusou.storage.moves import MoveRow, NextVectors
from tusou.storage.registry import LibraryRow
from tusou.types import ContSign


@dataclass
class Shop:
    """One library of a runtime, and what a test does with it."""

    runtime: Runtime
    row: LibraryRow

    @property
    def library(self) -> Library:
        return self.runtime.catalogue.library(self.row.app_id, self.row.service)

    @property
    def pack(self) -> str:
        """The library's pack in SQL."""
        return self.runtime.registry.get(self.row.app_id, self.row.service).pack

    def add(self, *seeds: int) -> list[ContSign]:
        return [self.library.add(picture(seed), str(seed), (0, 0)) for seed in seeds]

    def best(self, seed: int) -> str | None:
        """The brief of what is most like a copy, which is not the very same picture."""
        hits = self.library.search(copy(seed), None, 0, 1).hits
        return hits[0].brief if hits else None

    def ask(self, pack: str) -> None:
        self.runtime.move_library(self.row.app_id, self.row.service, pack)

    def run(self, grace: float = 0) -> None:
        runtime = self.runtime
        tools = runtime.database, runtime.catalogue, runtime.models, runtime.blobs
        Mover(*tools, rest=0, grace=grace).run()

    def move(
        self,
        pack: str,
        rest: Callable[[float], bool] = lambda _: True,
        switch: Callable[[], bool] | None = None,
        model: Model | None = None,
    ) -> bool:
        """Move without the mover: with rests and a switch of the test's own."""
        own = self.runtime.moves
        return self.library.move(
            model or self.runtime.models.get(pack),
            NextVectors(self.runtime.database, self.row.id, pack),
            rest,
            switch or (lambda: own.switch(self.row.id, pack)),
        )

    def vectors(self) -> dict[str, int]:
        """How many vectors of each pack lie in SQL."""
        with self.runtime.database.read() as connection:
            rows = connection.execute(
                text("SELECT pack, count(*) FROM vectors WHERE library_id = :id GROUP BY pack"),
                {"id": self.row.id},
            )
            return {row[0]: row[1] for row in rows}

    def moves(self) -> list[MoveRow]:
        return self.runtime.moves.list()

    def reopened(self) -> "Shop":
        """The same library in a new runtime, as after a crash."""
        settings = self.runtime.settings
        self.runtime.close()
        return Shop(Runtime(settings), self.row)


def copy(seed: int) -> bytes:
    """The same scene in another file, which is not the very same picture."""
    return encoded(scene(seed), "JPEG", quality=70)
