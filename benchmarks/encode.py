"""Processor time of one picture through each bundled model, on one thread and on two."""

import time
from collections.abc import Callable

import numpy as np

from support.pictures import scene
from tusou.types import Rgb
from tusou.vision import packs
from tusou.vision.embed import Embedder
from tusou.vision.subject import Finder

ROUNDS = 30


def milliseconds(see: Callable[[Rgb], object], pictures: list[Rgb]) -> tuple[float, float]:
    """Medians of wall and processor time for one picture."""
    rows = []
    for picture in pictures:
        wall, processor = time.perf_counter(), time.process_time()
        see(picture)
        rows.append((time.perf_counter() - wall, time.process_time() - processor))
    wall, processor = np.median(rows[3:], axis=0) * 1000
    return float(wall), float(processor)


def main() -> None:
    pictures = [scene(seed, 480, 480) for seed in range(ROUNDS)]
    print("| model | threads | ms | ms of processor |\n|---|---|---|---|")
    for threads in (1, 2):
        finder = Finder(threads)
        wall, processor = milliseconds(finder.find, pictures)
        print(f"| subjects | {threads} | {wall:.1f} | {processor:.1f} |", flush=True)
        finder.close()
        for name, pack in packs.bundled().items():
            with Embedder(pack, threads=threads) as embedder:
                wall, processor = milliseconds(embedder.embed, pictures)
            print(f"| {name} | {threads} | {wall:.1f} | {processor:.1f} |", flush=True)


if __name__ == "__main__":
    main()
