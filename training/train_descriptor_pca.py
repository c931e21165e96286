"""Make `src/tusou/vision/models/descriptor_pca.npz`: the basis in which descriptors are stored.

    python training/train_descriptor_pca.py POOL_DIR

Trains on the descriptors of the folder's pictures and of their mirror images alike. Mirroring only
permutes a descriptor's 128 numbers, so the covariance is unchanged by it and each principal axis
is either symmetric or antisymmetric: in this basis a mirror image is a change of signs.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from tusou.vision import keypoints

COMPONENTS = 64
CLIP = 3.0
"""Standard deviations that the outermost of the stored levels stands for."""
WHITENING = 0.5
"""0 keeps the variances of the components, 1 makes them equal."""

MIRROR = np.arange(128).reshape(4, 4, 8)[::-1][:, :, -np.arange(8) % 8].ravel()
"""Where the numbers of a descriptor go when the picture is mirrored: OpenCV stores 4 rows × 4
columns × 8 directions in the keypoint's own frame, whose x axis is the keypoint's direction."""


def sample(folder: Path, pictures: int, each: int, seed: int = 0) -> np.ndarray:
    """Draw RootSIFT descriptors [N × 128] from a folder of pictures."""
    rng = np.random.default_rng(seed)
    paths = sorted(path for path in folder.rglob("*") if path.suffix in {".jpg", ".png"})
    drawn = []
    for index in rng.permutation(len(paths))[:pictures]:
        bgr = cv2.imread(str(paths[index]))
        rows = keypoints.detect(bgr[:, :, ::-1])[1]
        drawn.append(rows[rng.permutation(len(rows))[:each]])
    return np.concatenate(drawn)


def train(rows: np.ndarray) -> dict[str, np.ndarray]:
    """Fit mean, basis and the size of a stored level, and the signs that mirror."""
    rows = np.concatenate([rows, rows[:, MIRROR]])
    mean = rows.mean(axis=0)
    variances, axes = np.linalg.eigh(np.cov(rows - mean, rowvar=False))
    order = np.argsort(-variances)[:COMPONENTS]
    deviations, axes = np.sqrt(variances[order]), axes[:, order]
    parities = (axes[MIRROR] * axes).sum(axis=0)
    assert np.allclose(np.abs(parities), 1, atol=1e-4), "an axis is neither even nor odd"
    basis = axes * deviations**-WHITENING
    basis /= np.linalg.norm(deviations ** (1 - WHITENING))
    steps = CLIP * deviations ** (1 - WHITENING) / 7.5
    steps /= np.linalg.norm(deviations ** (1 - WHITENING))
    return {
        "mean": mean.astype(np.float32),
        "basis": basis.astype(np.float32),
        "steps": steps.astype(np.float32),
        "parities": np.sign(parities).astype(np.int8),
    }


def main() -> None:
    """Train and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pool", type=Path)
    parser.add_argument("--pictures", type=int, default=800)
    parser.add_argument("--each", type=int, default=180)
    options = parser.parse_args()
    rows = sample(options.pool, options.pictures, options.each)
    target = Path(keypoints.__file__).parent / "models" / "descriptor_pca.npz"
    target.parent.mkdir(exist_ok=True)
    np.savez(target, **train(rows))
    print(f"{len(rows)} descriptors → {target}, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
