"""Colour and its place in a picture, as ONNX nodes: no learning but 32 typical colours.

Each pixel is shared out among the typical colours by its distance to them. How much of each there
is describes the picture's colours; how much in each of 4 × 4 fields, its layout.
"""

import numpy as np

from trunks import Graph

OPPONENT = np.array([[0.5, 0.5, 0.5], [0.9, -0.7, -0.2], [-0.3, -0.6, 0.9]], np.float32)
"""Red, green, blue (as the networks take them, −1–1) → brightness, red–green, yellow–blue."""
SOFTNESS = 0.18
"""A colour so far away gets 1/e of the share."""
COARSE = 4
"""Pixels that are averaged before."""
FIELDS = 4
"""Rows and columns of the layout."""


def learn(pixels: np.ndarray, colours: int, seed: int) -> np.ndarray:
    """[C × 3] typical colours of pixels [N × 3] in −1–1, in opponent coordinates: k-means."""
    random = np.random.default_rng(seed)
    points = pixels @ OPPONENT.T
    centres = points[random.choice(len(points), colours, replace=False)]
    for _ in range(30):
        nearest = (-2 * points @ centres.T + (centres**2).sum(axis=1)).argmin(axis=1)
        for number in np.unique(nearest):
            centres[number] = points[nearest == number].mean(axis=0)
    return centres


def write(graph: Graph, x: str, centres: np.ndarray, side: int) -> tuple[str, str]:
    """[N × 3 × S × S] → square roots of shares: [N × C], and [N × (C × fields)]."""
    x = graph.add("AveragePool", x, kernel_shape=[COARSE] * 2, strides=[COARSE] * 2)
    # |p − c|² without |p|², which the softmax does not see, as one product with the pixel.
    matrix = (2 * centres @ OPPONENT / SOFTNESS**2)[:, :, None, None]
    bias = -(centres**2).sum(axis=1) / SOFTNESS**2
    x = graph.add("Conv", x, graph.constant(matrix), graph.constant(bias), kernel_shape=[1, 1])
    x = graph.add("Softmax", x, axis=1)
    field = side // COARSE // FIELDS
    places = graph.add("AveragePool", x, kernel_shape=[field] * 2, strides=[field] * 2)
    whole = graph.add("Flatten", graph.add("GlobalAveragePool", x))
    return graph.add("Sqrt", whole), graph.add("Sqrt", graph.add("Flatten", places))
