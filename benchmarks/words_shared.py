"""What candidates are lost where visual words are in Milvus, which knows no signatures.

Finds copies (those of `copies`) by words alone, in the inverted file of one machine and by the
inner products that Milvus ranks by, exactly. After `scripts/install cluster`:
`PYTHONPATH=tests .venv/bin/python benchmarks/words_shared.py`.
"""

import argparse
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from copies import KINDS, choose, read
from support.pictures import SHARED
from tusou.index.inverted import InvertedIndex
from tusou.index.milvus import weigh
from tusou.types import Rgb, Words
from tusou.vision import keypoints, words

DEPTHS = 1, 10, 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=600, help="in the library")
    parser.add_argument("--queries", type=int, default=10, help="of each kind of copy")
    parser.add_argument("--datasets", type=Path, default=SHARED)
    options = parser.parse_args()
    some = options.pictures // 4
    originals, others = choose(options.datasets, some, options.pictures - some)
    gallery = [see(read(path)) for path in (*originals, *others)]
    inverted = InvertedIndex(words.COUNT, words.affinities())
    weights = np.stack([dense(bag) for bag in gallery])
    inverted.add(np.arange(len(gallery)), gallery, np.zeros((len(gallery), 2), np.uint16))
    ranks: dict[str, list[int]] = {"inverted file": [], "sparse vectors": []}
    for number, derive in enumerate(KINDS.values()):
        drawn = np.random.default_rng(number).permutation(some)[: options.queries]
        for place in drawn.tolist():
            copy = derive(read(originals[place]), np.random.default_rng(place))
            query = see(np.asarray(Image.open(io.BytesIO(copy)).convert("RGB")))
            found = inverted.search(query, len(gallery))[0].tolist()
            ranks["inverted file"].append(found.index(place) if place in found else len(gallery))
            products = weights @ dense(query)
            ranks["sparse vectors"].append(int(np.count_nonzero(products > products[place])))
    inverted.close()
    print(f"{len(gallery)} pictures, {len(ranks['inverted file'])} copies")
    print(f"{'':<16}" + "".join(f"{f'first {depth}':>12}" for depth in DEPTHS))
    for name, all_ranks in ranks.items():
        shares = [np.mean(np.array(all_ranks) < depth) for depth in DEPTHS]
        print(f"{name:<16}" + "".join(f"{share:12.3f}" for share in shares))


def dense(bag: Words) -> NDArray[np.float32]:
    """[words.COUNT] what Milvus is given, as a row of all words."""
    row = np.zeros(words.COUNT, np.float32)
    found = weigh(bag) if len(bag.numbers) else {}
    row[list(found)] = list(found.values())
    return row


def see(rgb: Rgb) -> Words:
    """The words of a picture, as it is stored."""
    return words.assign(keypoints.extract(rgb, keypoints.LIMIT, keypoints.SIDE).descriptors)


if __name__ == "__main__":
    main()
