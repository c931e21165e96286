"""An export: a file with a JSON line for each picture, and what it was found by on request."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from tusou.library.pictures import facts
from tusou.services import Service
from tusou.storage.batches import Batch
from tusou.storage.items import Items
from tusou.storage.listing import Listing
from tusou.types import Item

_PORTION = 500

Report = Callable[[int], bool]
"""Is told how many are written; False: break off."""


def run(
    batch: Batch,
    service: Service,
    pack: str,
    listing: Listing,
    items: Items,
    path: Path,
    report: Report,
) -> bool:
    """Write the file; one begun by an earlier run is begun anew. False: it was broken off.

    A picture is written as it is when its turn comes; those added later are not.
    """
    unfinished, written = path.with_suffix(".part"), 0
    with unfinished.open("w", encoding="utf-8") as file:
        for portion in _portions(listing.scan(batch.wanted, 0, batch.until)):
            features = _features(items, pack, portion) if batch.options["features"] else {}
            for item in portion:
                row = {**facts(item), **_classes(item, service), **features.get(item.key, {})}
                file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
            written += len(portion)
            if not report(written):
                break
        else:
            file.flush()
            unfinished.replace(path)
            return True
    unfinished.unlink()
    return False


def _portions(rows: Iterator[Item]) -> Iterator[list[Item]]:
    while portion := list(islice(rows, _PORTION)):
        yield portion


def _classes(item: Item, service: Service) -> Mapping[str, Any]:
    """The classes as an add takes them."""
    if len(service.class_fields) == 1:
        return {service.class_fields[0]: [tag for tag in item.classes if tag]}
    pairs = zip(service.class_fields, item.classes, strict=True)
    return {name: number for name, number in pairs if number}


def _features(items: Items, pack: str, portion: list[Item]) -> dict[int, dict[str, str]]:
    keys = [item.key for item in portion]
    found: dict[int, dict[str, str]] = {key: {} for key in keys}
    for some, vectors, _ in items.scan(pack, keys):
        for key, vector in zip(some.tolist(), vectors, strict=True):
            data = vector.astype("<f2").tobytes()
            found[key] = {"pack": pack, "vector": base64.b64encode(data).decode()}
    for key, local in items.local_features(keys).items():
        found[key]["keypoints"] = base64.b64encode(local.keypoints).decode()
    return found
