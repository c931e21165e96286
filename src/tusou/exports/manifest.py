"""Manifests as an import reads them: a row for each picture, as JSON lines or CSV."""

import csv
import json
from collections.abc import Callable, Mapping
from typing import IO, Literal

Form = Literal["jsonl", "csv"]
Value = str | int | list[int]
Row = Mapping[str, Value]
"""`file`, `brief`, classes by the names of the service's fields, and what else is known."""


def writer(form: Form, file: IO[str], columns: list[str]) -> Callable[[Row], None]:
    """What writes a row after the other; `columns` are those that a row may have."""
    if form == "jsonl":
        return lambda row: print(json.dumps(dict(row), ensure_ascii=False), file=file)
    table = csv.DictWriter(file, columns, lineterminator="\n")
    table.writeheader()
    return lambda row: table.writerow({name: _text(value) for name, value in row.items()})


def _text(value: Value) -> str:
    """A value as a form has it: [100, 11] → "100,11"."""
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
