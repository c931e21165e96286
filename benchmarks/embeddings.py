"""Writes a pack's vectors of real pictures, [N × D], for `--input` of the index's benchmarks."""

import argparse
from pathlib import Path

import numpy as np

from support.pictures import SHARED
from tusou.images.decode import pixels
from tusou.vision import packs
from tusou.vision.embed import Embedder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path, metavar="EMBEDDINGS.npy")
    parser.add_argument("--pictures", type=Path, default=SHARED, metavar="FOLDER")
    parser.add_argument("--pack", default="similar", choices=packs.bundled())
    options = parser.parse_args()
    files = sorted(options.pictures.rglob("*.jpg"))
    if not files:
        raise SystemExit(f"no *.jpg below {options.pictures}")
    with Embedder(packs.bundled()[options.pack]) as embedder:
        vectors = np.stack([embedder.embed(pixels(file.read_bytes())) for file in files])
    np.save(options.target, vectors)
    print(f"{len(vectors)} vectors of {vectors.shape[1]}")


if __name__ == "__main__":
    main()
