"""A network of our own for things: Lite0, taught to see through background, light and angle.

What two untouched networks make of a clean picture is the target. The student
sees the picture as a shopper's photo or as another page shows it, and shall say which of all
training pictures are how near (soft targets over the whole pool), as the teachers say of the clean
one. So it learns what does not matter without forgetting what things are.
"""

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

import augment
import trunks
from train_packs import apply, beside, unit
from trunks import Tap
from tusou.vision.embed import square

SEED = 20261122
TEACHERS = (Tap("lite2", 20), Tap("lite2", None), Tap("lite0", 15), Tap("lite0", None))
SIZE = 160
"""Pixels while learning; used at `trunks.VIEW`: networks like larger pictures than they learned."""
FROZEN = 5
"""Blocks that stay as they are."""
KINDS = ("shop", "shop", "page", "as it is")
SHARP, SOFT = 0.05, 0.07
"""Temperatures of the student and of the teachers."""
OWN = 0.5
"""Share of the target that is the picture itself, whatever is near it."""


class Changed(Dataset[tuple[np.ndarray, int]]):
    """One changed version of a picture, another at each look."""

    def __init__(self, files: list[Path], looks: int) -> None:
        self._files = files
        self._looks = looks

    def __len__(self) -> int:
        return self._looks

    def __getitem__(self, look: int) -> tuple[np.ndarray, int]:
        random = np.random.default_rng((SEED, look))
        order = np.random.default_rng((SEED, look // len(self._files))).permutation
        number = int(order(len(self._files))[look % len(self._files)])
        picture = _small(read(self._files[number]))
        kind = random.choice(KINDS)
        if kind == "shop":
            other = self._files[int(random.integers(len(self._files)))]
            picture = augment.shop(picture, _small(read(other)), random)
        elif kind == "page":
            picture = augment.page(picture, random)
        return square(picture, SIZE, trunks.STRETCH), number


def read(file: Path) -> np.ndarray:
    picture = cv2.imread(str(file), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise ValueError(f"{file} is no picture")
    return picture


def _small(picture: np.ndarray) -> np.ndarray:
    scale = 288 / max(picture.shape[:2])
    if scale >= 1:
        return picture
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


class Student(torch.nn.Module):
    """Lite0 and a matrix from its means to the teachers' space."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        trunk = trunks.load_trunk("lite0", SIZE)
        self.trunk = trunk.to(memory_format=torch.channels_last)  # a third faster on a CPU
        self.matrix = torch.nn.Linear(1280, dimension)

    def learning(self) -> list[torch.nn.Parameter]:
        """Edges and corners, which the first blocks see, are the same for every task."""
        late = self.trunk._blocks[FROZEN:]
        modules = (*late, self.trunk._conv_head, self.trunk._bn1, self.matrix)
        return [parameter for module in modules for parameter in module.parameters()]

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        x = (pictures.permute(0, 3, 1, 2).float() - trunks.MEAN) * trunks.SCALE
        with torch.no_grad():
            x = self.trunk._swish(self.trunk._bn0(self.trunk._conv_stem(x)))
            for block in self.trunk._blocks[:FROZEN]:
                x = block(x)
        for block in self.trunk._blocks[FROZEN:]:
            x = block(x)
        x = self.trunk._swish(self.trunk._bn1(self.trunk._conv_head(x)))
        return functional.normalize(self.matrix(x.mean(dim=(2, 3))))


def keys(seen: Mapping[str, np.ndarray], dimension: int) -> np.ndarray:
    """[N × D] what the teachers make of each clean picture."""
    names = [tap.name for tap in TEACHERS]
    head = beside(seen, dict.fromkeys(names, 1.0), 0.5, dimension)
    return unit(apply(head, seen, names)).astype(np.float32)


def start(rows: np.ndarray, targets: np.ndarray, student: Student) -> None:
    """Let the matrix begin as the best one for the untouched trunk: ridge regression."""
    mean = rows.mean(axis=0, dtype=np.float64)
    rows = rows - mean
    gram = rows.T @ rows + 0.01 * len(rows) * rows.var() * np.eye(rows.shape[1])
    matrix = np.linalg.solve(gram, rows.T @ targets)
    with torch.no_grad():
        student.matrix.weight.copy_(torch.from_numpy(matrix.T.astype(np.float32)))
        student.matrix.bias.copy_(torch.from_numpy((-mean @ matrix).astype(np.float32)))


def looks(files: list[Path], steps: int, batch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    yield from DataLoader(Changed(files, steps * batch), batch, num_workers=1, prefetch_factor=4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("datasets", type=Path, help="folder with pool/ and protocols/pool.json")
    parser.add_argument("out", type=Path, help="file for the network's weights")
    parser.add_argument("--minutes", type=float, default=26.0, help="when to have cooled down")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--rate", type=float, default=4e-4)
    options = parser.parse_args()
    torch.manual_seed(SEED)
    cv2.setNumThreads(1)
    files = trunks.pool(options.datasets)
    teachers = {name: trunks.load_trunk(name) for name in ("lite2", "lite0")}
    seen = trunks.see(trunks.build_taps(teachers, TEACHERS), files)
    targets = keys(seen, 512)
    student = Student(targets.shape[1])
    start(seen["lite0_head"], targets, student)
    print(f"{learn(student, files, targets, options):.0f} s")
    torch.save(student.trunk.state_dict(), options.out)


def learn(
    student: Student, files: list[Path], targets: np.ndarray, options: argparse.Namespace
) -> float:
    """Teach the student; the rate rises for a tenth of the way, then falls to nothing."""
    began = time.monotonic()
    places = torch.from_numpy(targets)
    student.eval()  # batch statistics stay as they are: they are folded into the weights later
    optimizer = torch.optim.AdamW(student.learning(), lr=options.rate, weight_decay=1e-4)
    for step, (pictures, numbers) in enumerate(looks(files, options.steps, options.batch)):
        way = max(step / options.steps, (time.monotonic() - began) / 60 / options.minutes)
        if way >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = options.rate * min(10 * way + 0.02, 0.5 + 0.5 * np.cos(np.pi * way))
        said = student(pictures) @ places.T / SHARP
        target = (1 - OWN) * (places[numbers] @ places.T / SOFT).softmax(1)
        target[torch.arange(len(numbers)), numbers] += OWN
        loss = -(target * said.log_softmax(1)).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 20 == 0:
            right = (said.argmax(1) == numbers).float().mean()
            facts = {"step": step, "loss": round(loss.item(), 3), "right": round(right.item(), 3)}
            print(json.dumps(facts | {"seconds": round(time.monotonic() - began)}), flush=True)
    return time.monotonic() - began


if __name__ == "__main__":
    main()
