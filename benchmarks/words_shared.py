"""What candidates are lost where visual words are in Milvus, which knows no signatures.

Finds copies (those of `copies`) by words alone, in the inverted file of one machine and by sparse
vectors in Milvus Lite. After `scripts/install cluster`:
`PYTHONPATH=tests .venv/bin/python benchmarks/words_shared.py`.
"""

import argparse
import io
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
from PIL import Image

from copies import KINDS, choose, read
from support.milvus import milvus_lite
from support.pictures import SHARED
from tusou.index.base import WordIndex
from tusou.index.inverted import InvertedIndex
from tusou.index.milvus import Milvus, OwnClock
from tusou.types import Rgb, Words
from tusou.vision import keypoints, words

DEPTHS = 1, 60, 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=1500, help="in the library")
    parser.add_argument("--queries", type=int, default=20, help="of each kind of copy")
    parser.add_argument("--datasets", type=Path, default=SHARED)
    options = parser.parse_args()
    some = options.pictures // 4
    originals, others = choose(options.datasets, some, options.pictures - some)
    gallery = [see(read(path)) for path in (*originals, *others)]
    with milvus_lite() as address, closing(Milvus(address)) as engine:
        indexes: Mapping[str, WordIndex] = {
            "inverted file": InvertedIndex(words.COUNT, words.affinities()),
            "sparse vectors": engine.words(words.COUNT, 1, OwnClock()),
        }
        for index in indexes.values():
            for start in range(0, len(gallery), 100):
                part = gallery[start : start + 100]
                keys = np.arange(start, start + len(part))
                index.add(keys, part, np.zeros((len(part), 2), np.uint16))
        ranks: dict[str, list[int]] = {name: [] for name in indexes}
        for number, derive in enumerate(KINDS.values()):
            drawn = np.random.default_rng(number).permutation(some)[: options.queries]
            for place in drawn.tolist():
                copy = derive(read(originals[place]), np.random.default_rng(place))
                query = see(np.asarray(Image.open(io.BytesIO(copy)).convert("RGB")))
                for name, index in indexes.items():
                    found = index.search(query, max(DEPTHS))[0].tolist()
                    ranks[name].append(options.pictures)
                    with suppress(ValueError):
                        ranks[name][-1] = found.index(place)
        for index in indexes.values():
            index.close()
    print(f"{len(gallery)} pictures, {len(ranks['inverted file'])} copies")
    print(f"{'':<16}" + "".join(f"{f'first {depth}':>12}" for depth in DEPTHS))
    for name, all_ranks in ranks.items():
        shares = [np.mean(np.array(all_ranks) < depth) for depth in DEPTHS]
        print(f"{name:<16}" + "".join(f"{share:12.3f}" for share in shares))


def see(rgb: Rgb) -> Words:
    """The words of a picture, as it is stored."""
    return words.assign(keypoints.extract(rgb, keypoints.LIMIT, keypoints.SIDE).descriptors)


if __name__ == "__main__":
    main()
