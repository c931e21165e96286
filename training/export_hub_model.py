"""Model packs of encoders from the Hugging Face hub: DINOv2, SigLIP 2, Chinese-CLIP.

    bytes → normalisation → the encoder's picture tower → the vector that it was trained to give
    → unit length

The table `RECIPES` says how each is made. The calibration is learned from the pictures that
`pool.json` names. `--random` takes random weights in place of the published ones, to try the
export without a network.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
import transformers

from calibration import SEED, copy, learn_calibration, squares
from tusou.vision.embed import square

OPSET = 17
BATCH = 8
LEAST = 0.999
"""Cosine between what torch and the ONNX file give."""
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True)
class Recipe:
    """How one encoder becomes a pack."""

    repository: str
    licence: str
    size: int
    """Side of the square that it sees, in pixels."""
    norm: tuple[tuple[float, ...], tuple[float, ...]]
    """Mean and deviation of red, green and blue, of 0–1."""
    make: Callable[[], Any]
    """The architecture with random weights."""
    load: Callable[[str], Any]
    """The published model."""
    tower: Callable[[Any, Any], Any]
    """Model and pictures [N × 3 × S × S] → vectors [N × D]."""
    text: str
    """For the model card."""


def _dino(width: int, heads: int) -> Callable[[], Any]:
    config = transformers.Dinov2Config(
        hidden_size=width, num_attention_heads=heads, num_hidden_layers=12, image_size=518
    )
    return lambda: transformers.Dinov2Model(config)


def _dino_recipe(name: str, width: int, heads: int) -> Recipe:
    return Recipe(
        repository=f"facebook/{name}",
        licence="Apache-2.0",
        size=224,
        norm=IMAGENET,
        make=_dino(width, heads),
        load=transformers.Dinov2Model.from_pretrained,
        tower=lambda model, x: model(pixel_values=x).pooler_output,
        text="The normalised class token of a vision transformer trained without labels.",
    )


RECIPES = {
    "dinov2-small": _dino_recipe("dinov2-small", 384, 6),
    "dinov2-base": _dino_recipe("dinov2-base", 768, 12),
    "siglip2-base": Recipe(
        repository="google/siglip2-base-patch16-224",
        licence="Apache-2.0",
        size=224,
        norm=HALF,
        make=lambda: transformers.SiglipVisionModel(transformers.SiglipVisionConfig()),
        load=transformers.SiglipVisionModel.from_pretrained,
        tower=lambda model, x: model(pixel_values=x).pooler_output,
        text="The picture tower of a model trained on pictures and texts; without the text tower.",
    ),
    "chinese-clip": Recipe(
        repository="OFA-Sys/chinese-clip-vit-base-patch16",
        licence="not stated with the weights; the code is MIT",
        size=224,
        norm=CLIP,
        make=lambda: transformers.ChineseCLIPModel(_chinese_clip_config()),
        load=transformers.ChineseCLIPModel.from_pretrained,
        tower=lambda model, x: model.visual_projection(
            model.vision_model(pixel_values=x).pooler_output
        ),
        text="The picture tower of CLIP trained on Chinese texts; without the text tower.",
    ),
}


def _chinese_clip_config() -> Any:
    text = transformers.ChineseCLIPTextConfig()
    vision = transformers.ChineseCLIPVisionConfig(patch_size=16)
    return transformers.ChineseCLIPConfig(
        text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=512
    )


class Encoder(torch.nn.Module):
    """[N × S × S × 3] bytes → [N × D] of unit length: what a pack's model does."""

    def __init__(self, recipe: Recipe, model: Any) -> None:
        super().__init__()
        self.model = model
        self._tower = recipe.tower
        mean, deviation = (torch.tensor(row)[:, None, None] for row in recipe.norm)
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)

    def forward(self, pictures: Any) -> Any:
        x = pictures.permute(0, 3, 1, 2).float() / 255
        vectors = self._tower(self.model, (x - self.mean) / self.deviation)
        return torch.nn.functional.normalize(vectors, dim=1)


def export(encoder: Encoder, size: int, file: Path) -> None:
    """Write the ONNX file, and compare it with torch at another number of pictures."""
    random = np.random.default_rng(SEED)
    pictures = random.integers(0, 256, (3, size, size, 3), dtype=np.uint8)
    torch.onnx.export(
        encoder,
        (torch.from_numpy(pictures[:2]),),
        str(file),
        input_names=["pictures"],
        output_names=["vectors"],
        dynamic_axes={"pictures": {0: "n"}, "vectors": {0: "n"}},
        opset_version=OPSET,
        dynamo=False,
    )
    with torch.inference_mode():
        wanted = encoder(torch.from_numpy(pictures)).numpy()
    cosines = (wanted * run(file, list(pictures))).sum(axis=1)
    print(f"ONNX against torch: cosine {cosines.min():.6f} at least")
    if cosines.min() < LEAST:
        raise SystemExit("the export changed the model")


def run(file: Path, pictures: list[np.ndarray]) -> np.ndarray:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    batches = [pictures[start : start + BATCH] for start in range(0, len(pictures), BATCH)]
    return np.concatenate([session.run(None, {"pictures": np.stack(b)})[0] for b in batches])


def calibrate(file: Path, options: argparse.Namespace, size: int) -> dict[str, list[float]]:
    names = json.loads((options.datasets / "protocols/pool.json").read_text())
    chosen = np.random.default_rng(SEED).permutation(len(names))[: options.pictures]
    files = [options.datasets / names[place] for place in chosen]

    def fit(picture: np.ndarray) -> np.ndarray:
        return square(picture, size, options.stretch)

    vectors = run(file, list(squares(files, fit)))
    copies = run(file, list(squares(files[: len(files) // 3], fit, copy)))
    return learn_calibration(vectors, copies)


def describe(
    options: argparse.Namespace, recipe: Recipe, dimension: int, score: dict[str, list[float]]
) -> str:
    return f"""\
name = "{options.recipe}"
version = "{options.version}"
licence = "{recipe.licence}"
source = "{recipe.repository}, see CARD.md"

[model]
file = "model.onnx"
dimension = {dimension}
size = {recipe.size}
stretch = {options.stretch}

[score]
cosines = {score["cosines"]}
scores = {score["scores"]}
"""


def card(options: argparse.Namespace, recipe: Recipe) -> str:
    random = "RANDOM, of no use but to try the export" if options.random else ""
    weights = random or options.weights or recipe.repository
    return f"""\
# {options.recipe}

{recipe.text} Weights: {weights}. Licence: {recipe.licence}.

Exported by tusou's `training/export_hub_model.py`. Scores are calibrated on {options.pictures}
pictures of the training pool. Measure it with `tusou eval PROTOCOL --pack {options.recipe}`.
"""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("datasets", type=Path, help="folder with pool/ and protocols/pool.json")
    parser.add_argument("out", type=Path, help="a new folder: the pack")
    parser.add_argument("--weights", help="folder or repository (default: the recipe's)")
    parser.add_argument("--random", action="store_true", help="random weights, to try the export")
    parser.add_argument("--pictures", type=int, default=1500, help="for the calibration")
    parser.add_argument("--stretch", type=float, default=1.5)
    parser.add_argument("--version", default="1")
    return parser.parse_args()


def main() -> None:
    options = parse()
    recipe = RECIPES[options.recipe]
    torch.manual_seed(SEED)
    model = recipe.make() if options.random else recipe.load(options.weights or recipe.repository)
    encoder = Encoder(recipe, model.eval()).eval()
    options.out.mkdir(parents=True)
    file = options.out / "model.onnx"
    export(encoder, recipe.size, file)
    # Random weights see too little to have a curve that rises.
    plain = {"cosines": [0.0, 0.999], "scores": [0.0, 1.0]}
    score = plain if options.random else calibrate(file, options, recipe.size)
    dimension = run(file, [np.zeros((recipe.size, recipe.size, 3), np.uint8)]).shape[1]
    description = describe(options, recipe, dimension, score)
    (options.out / "pack.toml").write_text(description, encoding="utf-8")
    (options.out / "CARD.md").write_text(card(options, recipe), encoding="utf-8")
    print(f"{options.out}: {file.stat().st_size / 1e6:.0f} MB, {score}")


if __name__ == "__main__":
    main()
