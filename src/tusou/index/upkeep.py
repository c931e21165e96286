"""Background work of an embedded index: making groups, filling them, dropping dead rows.

A thread lives as long as there is work. It reads full chunks and groups without holding the gate,
because nobody else changes them, and takes the gate alone only to put a result in place. Rows
that die meanwhile keep their slots and are dropped another time.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain

import numpy as np

from tusou.index.gate import Gate
from tusou.index.kmeans import train
from tusou.index.rows import Mask, Slots
from tusou.index.scan import Block, Chunk, Grouped
from tusou.index.store import Store
from tusou.index.worker import Job, Worker

_GROUPS_AT_ROOT = 3
"""Groups, in units of the square root of the rows."""
_SAMPLES_A_GROUP = 32
_REGROUP_AT = 4
"""Change in the number of rows, either way, at which new groups are worth their cost."""
_DEAD_PART = 0.25
"""Dead rows, in units of the live ones, that are worth dropping."""


class Upkeep:
    """Keeps a store in shape. `wake` is called with the gate held alone, after each write."""

    def __init__(self, store: Store, gate: Gate, group_rows: int, chunk_rows: int) -> None:
        self._store = store
        self._gate = gate
        self._group_rows = group_rows
        self._chunk_rows = chunk_rows
        self._grouped_at = 0
        self._worker = Worker("index-upkeep", gate, self._due)

    def wake(self) -> None:
        """Begin if there is work."""
        self._worker.wake()

    def settle(self) -> None:
        """Wait until there is no work left."""
        self._worker.settle()

    def close(self) -> None:
        """Stop; searches and writes may go on."""
        self._worker.close()

    def _due(self) -> Job | None:
        live, store = len(self._store.rows), self._store
        if live >= self._group_rows and not (
            self._grouped_at / _REGROUP_AT < live < self._grouped_at * _REGROUP_AT
        ):
            return self._regroup
        dead = store.rows.dead > max(self._chunk_rows, live * _DEAD_PART)
        if store.grouped is None:
            return self._compact if dead else None
        if dead:
            return partial(self._sweep, store.grouped)
        return partial(self._merge, store.grouped) if store.full else None

    def _compact(self) -> None:
        """Write the chunks anew without their dead rows."""
        with self._gate.writing():
            chunks = self._store.seal()
        blocks = [self._split(block) for block in _blocks(chunks)]
        points, slots = map(np.concatenate, zip(*(living for living, _ in blocks), strict=True))
        starts = range(0, len(slots), self._chunk_rows)
        pieces = [slice(start, start + self._chunk_rows) for start in starts]
        renewed = [Chunk(points[piece], slots[piece]) for piece in pieces]
        with self._gate.writing():
            self._store.replace(chunks, renewed)
            self._store.rows.release(np.concatenate([left for _, left in blocks]))

    def _regroup(self) -> None:
        """Make groups that fit the rows there are now, and put all of these in them."""
        with self._gate.writing():
            chunks, live = self._store.seal(), len(self._store.rows)
        before = self._store.grouped
        sources: list[Chunk | Grouped] = [*chunks] if before is None else [*chunks, before]
        grouped = self._train(sources, live)
        moves = []
        for block in _blocks(sources):
            living = self._living(block.slots)
            moves.append((living, grouped.assign(block.points[living]), block.slots[~living]))
            self._worker.stop_if_closed()
        grouped.reserve(np.concatenate([groups for _, groups, _ in moves]))
        for block, (living, groups, _) in zip(_blocks(sources), moves, strict=True):
            grouped.add(block.points[living], block.slots[living], groups)
        with self._gate.writing():
            self._store.grouped, self._grouped_at = grouped, live
            self._store.replace(chunks, [])
            self._store.rows.release(np.concatenate([left for _, _, left in moves]))

    def _train(self, sources: Sequence[Chunk | Grouped], live: int) -> Grouped:
        """Make empty groups from a sample of the rows."""
        count = max(1, min(round(_GROUPS_AT_ROOT * live**0.5), live // 8))
        part = count * _SAMPLES_A_GROUP / live
        dice = np.random.default_rng(live)
        parts = [
            block.points[dice.random(len(block.slots)) < part].astype(np.int8)
            for block in _blocks(sources)
        ]
        sample = np.concatenate(parts).astype(np.float32)
        return Grouped(train(sample, min(count, len(sample)), self._worker.stop_if_closed))

    def _merge(self, grouped: Grouped) -> None:
        """Move the rows of full chunks into the groups."""
        for chunk in list(self._store.full):
            for block in chunk.blocks():
                living, left = self._split(block)
                groups = grouped.assign(living.points)
            with self._gate.writing():
                grouped.add(*living, groups)
                self._store.replace([chunk], [])
                self._store.rows.release(left)
            self._worker.stop_if_closed()

    def _sweep(self, grouped: Grouped) -> None:
        """Drop the dead rows of the groups."""
        with self._gate.writing():
            self._store.seal()
        self._merge(grouped)
        with self._gate.writing():
            dead = self._store.rows.unreleased()
            for chunk in self._store.chunks:
                dead[chunk.slots] = False
            grouped.drop(dead)
            self._store.rows.release(np.flatnonzero(dead))

    def _split(self, block: Block) -> tuple[Block, Slots]:
        """Tell the live rows of a block from the slots of its dead ones."""
        living = self._living(block.slots)
        return Block(block.points[living], block.slots[living]), block.slots[~living]

    def _living(self, slots: Slots) -> Mask:
        with self._gate.reading():
            return self._store.rows.alive()[slots]


def _blocks(sources: Sequence[Chunk | Grouped]) -> Iterator[Block]:
    return chain.from_iterable(source.blocks() for source in sources)
