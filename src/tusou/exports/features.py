"""Vectors of a library as one file: `.npz` for NumPy, or Parquet for tables."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tusou.exports.whole import beside

SUFFIXES = (".npz", ".parquet")


@dataclass(frozen=True, slots=True, eq=False)
class Portion:
    """Some pictures of a library."""

    ids: Sequence[int]
    signs: Sequence[str]
    briefs: Sequence[str]
    classes: Sequence[tuple[int, int]]
    vectors: NDArray[np.float32]
    """[N × D] of unit length."""


def write(path: Path, portions: Iterable[Portion], facts: dict[str, str]) -> int:
    """Write a file of the kind its name says; returns how many pictures it has.

    Args:
        path: Where; it is whole or not there.
        portions: The pictures.
        facts: Where they come from: `pack`, `service`.

    Raises:
        RuntimeError: Parquet needs a library that is not installed.
        ValueError: the name says no kind.
    """
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path} ends in none of {', '.join(SUFFIXES)}")
    with beside(path) as part:
        if path.suffix == ".npz":
            return _write_arrays(part, portions, facts)
        return _write_table(part, portions, facts)


def _write_arrays(path: Path, portions: Iterable[Portion], facts: dict[str, str]) -> int:
    """Numbers only: texts of one width each would be larger than all the vectors."""
    ids, signs, classes = list[int](), list[list[int]](), list[tuple[int, int]]()
    vectors = list[NDArray[np.float16]]()
    for portion in portions:
        ids += portion.ids
        signs += ([int(part) for part in sign.split(",")] for sign in portion.signs)
        classes += portion.classes
        vectors.append(portion.vectors.astype(np.float16))  # as SQL keeps them: nothing is lost
    told: dict[str, Any] = {name: np.array(text) for name, text in facts.items()}
    with path.open("wb") as file:
        np.savez(
            file,
            id=np.array(ids, np.int64),
            cont_sign=np.array(signs, np.uint32).reshape(-1, 2),
            classes=np.array(classes, np.uint16).reshape(-1, 2),
            vector=np.concatenate(vectors) if vectors else np.empty((0, 0), np.float16),
            **told,
        )
    return len(ids)


def _write_table(path: Path, portions: Iterable[Portion], facts: dict[str, str]) -> int:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise RuntimeError("Parquet needs pyarrow: pip install 'tusou[parquet]'") from error

    count, table = 0, None
    try:
        for portion in portions:
            rows = _rows(pyarrow, portion)
            if table is None:
                schema = rows.schema.with_metadata(facts)
                table = parquet.ParquetWriter(path, schema, compression="zstd")
            table.write_table(rows.cast(schema))
            count += len(portion.ids)
        if table is None:
            raise ValueError("the library is empty")
    finally:
        if table is not None:
            table.close()
    return count


def _rows(pyarrow: Any, portion: Portion) -> Any:
    flat = pyarrow.array(portion.vectors.ravel())
    first, second = zip(*portion.classes, strict=True)
    return pyarrow.table(
        {
            "id": pyarrow.array(portion.ids, pyarrow.int64()),
            "cont_sign": pyarrow.array(portion.signs, pyarrow.string()),
            "brief": pyarrow.array(portion.briefs, pyarrow.string()),
            "class1": pyarrow.array(first, pyarrow.uint16()),
            "class2": pyarrow.array(second, pyarrow.uint16()),
            "vector": pyarrow.FixedSizeListArray.from_arrays(flat, portion.vectors.shape[1]),
        }
    )
