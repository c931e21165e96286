"""What a score means: how many results of at least so much are right, by the accuracy protocols.

Every query is compared with the whole gallery, so a share depends on how much in it is alike:
81 groceries, or 10 kinds of cloth. Shares of your own pictures will differ.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from support.pictures import SHARED
from tusou.errors import TusouError
from tusou.images.decode import decode, enlarge
from tusou.library.judging import read
from tusou.library.models import Model
from tusou.runtime import Runtime
from tusou.services import SERVICES, Service
from tusou.settings import Settings
from tusou.types import Vector
from tusou.vision import packs

PROTOCOLS = {
    "similar_corel": "similar",
    "product_grocery": "product",
    "materiel_batik": "materiel",
    "materiel_dtd10": "materiel",
}
SCORES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def see(model: Model, service: Service, file: Path) -> Vector | None:
    """The vector of a picture; None where nothing can be seen in it."""
    try:
        picture = decode(enlarge(file.read_bytes(), service), service)
        return model.pipelines[service.pipeline].embed(picture)
    except TusouError:
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", type=Path, default=SHARED)
    options = parser.parse_args()
    print(
        "| protocol | score | results of so much, a query | of them right "
        "| right ones that have it |"
    )
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        runtime = Runtime(Settings(data=Path(folder)))
        try:
            for name, service in PROTOCOLS.items():
                measure(runtime, options.datasets, name, SERVICES[service])
        finally:
            runtime.close()


def measure(runtime: Runtime, datasets: Path, name: str, service: Service) -> None:
    """Print a protocol's rows."""
    protocol = read(datasets / "protocols" / f"{name}.json")
    pack = packs.bundled()[service.pack]
    model = runtime.models.get(pack.id)
    paths = dict.fromkeys([*protocol.gallery, *(query.path for query in protocol.queries)])
    seen = {path: see(model, service, datasets / path) for path in paths}
    scores, right = [], []
    for query in protocol.queries:
        vector = seen[query.path]
        for path in protocol.gallery:
            other = seen[path]
            if path != query.path and vector is not None and other is not None:
                scores.append(pack.calibration.score(float(vector @ other)))
                right.append(path in query.hits)
    values, hits = np.array(scores), np.array(right)
    for score in SCORES:
        above = values >= score
        if above.any():
            each, share = above.sum() / len(protocol.queries), hits[above].mean()
            found = (hits & above).sum() / hits.sum()
            print(f"| {name} | ≥ {score} | {each:.2f} | {share:.3f} | {found:.3f} |", flush=True)


if __name__ == "__main__":
    main()
