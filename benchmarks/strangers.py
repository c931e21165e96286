"""False matches: pictures that a library does not hold, searched for in it.

Fills a library with book covers, pages, wallpapers and animals, and searches in it for
clothes, textures, street scenes, groceries and fabrics, each as it is and in one changed copy.
Whatever comes back is wrong. Prints how much came and with what scores.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from copies import KINDS, encode, read
from support.pictures import SHARED
from support.server import Caller, Server

STORED = ("book_covers_33k", "bookdash", "asp_imagebank", "imagenet_sample", "webanimals_mmhw3")
ASKED = ("clothing_dataset", "fashion_products_small", "flickr8k_1000", "game_textures")
ASKED_EVAL = ("grocery", "materiel_batik", "materiel_dtd10", "similar_corel")


class Wrong(NamedTuple):
    """A picture that came back."""

    score: float
    query: str
    kind: str
    stored: str


def main() -> None:
    """Add, search, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--service", choices=("same_hq", "picturebook"), default="same_hq")
    parser.add_argument("--datasets", type=Path, default=SHARED)
    options = parser.parse_args()
    pool = json.loads((options.datasets / "protocols" / "pool.json").read_text())
    stored = [path for path in pool if path.split("/")[1] in STORED]
    folders = [options.datasets / "eval" / name for name in ASKED_EVAL]
    asked = [path for path in pool if path.split("/")[1] in ASKED]
    asked += [str(p.relative_to(options.datasets)) for f in folders for p in sorted(f.rglob("*.*"))]
    queries = [(path, kind) for path in asked for kind in ("as it is", "changed")]
    order = np.random.default_rng(3).permutation(len(queries))[: options.queries]
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "data")
        try:
            caller = server.caller(options.service)
            held = fill(caller, options.service, options.datasets, stored)
            chosen = [queries[n] for n in order]
            answered, wrong = search(caller, options.service, options.datasets, chosen)
        finally:
            server.stop()
    print(
        f"{held} pictures, {len(order)} searches, {answered} of them answered: {len(wrong)} wrong"
    )
    for row in sorted(wrong, reverse=True):
        print(f"{row.score:.3f} {row.kind}: {row.query} → {row.stored}")


def fill(caller: Caller, service: str, datasets: Path, paths: Sequence[str]) -> int:
    """Add; returns how many pictures were taken (some come twice, show nothing, are small)."""

    def add(path: str) -> bool:
        data = encode(read(datasets / path), 95)
        answer = caller.call(service, "add", image=data, brief=path)
        if answer.get("error_code") not in (None, 216681, 216202, 216203):
            raise RuntimeError(answer)
        return "cont_sign" in answer and "error_code" not in answer

    with ThreadPoolExecutor(2) as executor:
        return sum(executor.map(add, paths))


def search(
    caller: Caller, service: str, datasets: Path, queries: Sequence[tuple[str, str]]
) -> tuple[int, list[Wrong]]:
    """Search for pictures that are not there; returns how many searches worked, and what came."""
    derive = list(KINDS.values())

    def ask(numbered: tuple[int, tuple[str, str]]) -> tuple[bool, list[Wrong]]:
        number, (path, kind) = numbered
        rgb, dice = read(datasets / path), np.random.default_rng(number)
        data = derive[number % len(derive)](rgb, dice) if kind == "changed" else encode(rgb, 95)
        answer = caller.call(service, "search", image=data)
        if answer.get("error_code") not in (None, 216202, 216203):
            raise RuntimeError(answer)
        hits = answer.get("result", [])
        return "result" in answer, [Wrong(hit["score"], path, kind, hit["brief"]) for hit in hits]

    with ThreadPoolExecutor(2) as executor:
        rows = list(executor.map(ask, enumerate(queries)))
    return sum(answered for answered, _ in rows), [hit for _, hits in rows for hit in hits]


if __name__ == "__main__":
    main()
