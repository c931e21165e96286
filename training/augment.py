"""Pictures as they come back: in a shop, as cloth on a table, from another page of the web.

Each function takes a picture [H × W × 3] of unsigned bytes and a random generator, and returns
another picture of the same thing. What is random is drawn from the generator alone.
"""

import cv2
import numpy as np

Rgb = np.ndarray
Random = np.random.Generator

_SIDE = 448
"""Longest side that is worked on; models look at less."""
_PLAIN = 12.0
"""Deviation below which a picture's border counts as one colour."""


def shop(picture: Rgb, background: Rgb, random: Random) -> Rgb:
    """A shopper's photo: the subject alone or in a heap, before something else, badly lit."""
    subject, mask = cut_out(_limit(picture), random)
    scene = _scene(background, random)
    for _ in range(1 if random.random() < 0.6 else int(random.integers(3, 10))):
        _paste(scene, subject, mask, random)
    if random.random() < 0.5:
        scene = zoom(scene, random, least=0.5)
    return degrade(light(scene, random), random)


def cloth(picture: Rgb, random: Random) -> Rgb:
    """The same pattern: another part, turned, seen aslant, in folds, under another light."""
    picture = zoom(_limit(picture), random, least=0.25)
    height, width = picture.shape[:2]
    angle = random.uniform(0, 360) if random.random() < 0.5 else random.normal(0, 8)
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, random.uniform(1.0, 1.4))
    picture = cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REFLECT)
    picture = tilt(picture, random, 0.15)
    if random.random() < 0.5:
        picture = fold(picture, random)
    return degrade(light(picture, random), random)


def page(picture: Rgb, random: Random) -> Rgb:
    """The picture as another site shows it: cut, mirrored, somewhat other colours, compressed."""
    picture = zoom(_limit(picture), random, least=0.5)
    if random.random() < 0.3:
        picture = picture[:, ::-1]
    return degrade(light(picture, random, 0.5), random)


def cut_out(picture: Rgb, random: Random) -> tuple[Rgb, np.ndarray]:
    """The subject and its mask [H × W] of 0–1: what stands out of a plain ground, or some part."""
    border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]]).astype(float)
    if border.std(axis=0).max() < _PLAIN:
        far = np.abs(picture - np.median(border, axis=0)).max(axis=2) > 2 * _PLAIN
        ground = np.where(far, 0, 1).astype(np.uint8)
        _, labels = cv2.connectedComponents(ground)
        edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
        mask = ~(np.isin(labels, edge) & (ground == 1))
        if 0.05 < mask.mean() < 0.95:
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.0)
            return picture[box], soft[box]
    part = zoom(picture, random, least=0.5)
    mask = np.ones(part.shape[:2], np.float32)
    if random.random() < 0.3:
        rows, columns = np.mgrid[-1 : 1 : mask.shape[0] * 1j, -1 : 1 : mask.shape[1] * 1j]
        mask = np.clip((1 - rows**2 - columns**2) * 5, 0, 1).astype(np.float32)
    return part, mask


def zoom(picture: Rgb, random: Random, least: float) -> Rgb:
    """A part of at least `least` of the area, of about the same aspect."""
    height, width = picture.shape[:2]
    area, aspect = random.uniform(least, 1.0), np.exp(random.uniform(-0.2, 0.2))
    high = min(height, max(16, round(height * np.sqrt(area * aspect))))
    wide = min(width, max(16, round(width * np.sqrt(area / aspect))))
    top, left = random.integers(0, height - high + 1), random.integers(0, width - wide + 1)
    return picture[top : top + high, left : left + wide]


def tilt(picture: Rgb, random: Random, amount: float) -> Rgb:
    """Seen aslant: each corner moves by up to `amount` of the sides."""
    height, width = picture.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    moved = corners + random.uniform(-amount, amount, (4, 2)) * (width, height)
    warp = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
    return cv2.warpPerspective(picture, warp, (width, height), borderMode=cv2.BORDER_REFLECT)


def fold(picture: Rgb, random: Random) -> Rgb:
    """Soft waves, that bend the pattern and shade it."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    angle, waves = random.uniform(0, np.pi), random.uniform(1, 4)
    phase = (x / width * np.cos(angle) + y / height * np.sin(angle)) * 2 * np.pi * waves
    phase += random.uniform(0, 2 * np.pi)
    depth = random.uniform(0.005, 0.02) * max(height, width)
    bent = cv2.remap(
        picture,
        (x + depth * np.sin(phase)).astype(np.float32),
        (y + depth * np.cos(phase)).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    shade = 1 + random.uniform(0.05, 0.35) * np.sin(phase)[..., None]
    return np.clip(bent * shade, 0, 255).astype(np.uint8)


def light(picture: Rgb, random: Random, amount: float = 1.0) -> Rgb:
    """Another exposure, white balance and saturation, and a light from one side."""
    height, width = picture.shape[:2]
    values = picture.astype(np.float32) / 255
    values **= np.exp(random.normal(0, 0.3 * amount))
    values *= np.exp(random.normal(0, 0.12 * amount, 3))
    grey = values.mean(axis=2, keepdims=True)
    values = grey + (values - grey) * np.exp(random.normal(0, 0.25 * amount))
    if random.random() < 0.4 * amount:
        slope = random.uniform(-0.5, 0.5, 2)
        y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        values *= (1 + slope[0] * x + slope[1] * y)[..., None]
    return (np.clip(values, 0, 1) * 255).astype(np.uint8)


def degrade(picture: Rgb, random: Random) -> Rgb:
    """What a phone and a site do: blur, noise, fewer pixels, JPEG."""
    height, width = picture.shape[:2]
    if random.random() < 0.3:
        picture = cv2.GaussianBlur(picture, (0, 0), random.uniform(0.5, 2.0))
    if random.random() < 0.3:
        noise = random.normal(0, random.uniform(2, 12), picture.shape)
        picture = np.clip(picture + noise, 0, 255).astype(np.uint8)
    if random.random() < 0.3:
        scale = max(random.uniform(0.3, 0.9), 32 / min(height, width))
        if scale < 1:
            picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    quality = int(random.integers(20, 96))
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def _limit(picture: Rgb) -> Rgb:
    scale = _SIDE / max(picture.shape[:2])
    if scale >= 1:
        return picture
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _scene(background: Rgb, random: Random) -> Rgb:
    """A ground to paste on: some other picture, out of focus at times, or a plain colour."""
    if random.random() < 0.15:
        return np.full((320, 320, 3), random.integers(0, 256, 3), np.uint8)
    wide = int(random.choice([256, 320, 400]))
    scene = cv2.resize(zoom(background, random, 0.3), (wide, 320), interpolation=cv2.INTER_AREA)
    if random.random() < 0.4:
        scene = cv2.GaussianBlur(scene, (0, 0), random.uniform(1, 5))
    return scene


def _paste(scene: Rgb, subject: Rgb, mask: np.ndarray, random: Random) -> None:
    """Lay the subject somewhere on the scene, turned and tilted; a part may hang over its edge."""
    rows, columns = scene.shape[:2]
    height, width = mask.shape
    side = random.uniform(0.35, 1.0) * min(rows, columns) / max(height, width)
    angle = random.normal(0, 20)
    warp = cv2.getRotationMatrix2D((width / 2, height / 2), angle, side)
    middle = random.uniform(0.25, 0.75, 2) * (columns, rows)
    warp[:, 2] += middle - (width / 2, height / 2)
    warp[:, :2] += random.normal(0, 0.06, (2, 2)) * side
    laid = cv2.warpAffine(subject, warp, (columns, rows), flags=cv2.INTER_AREA)
    cover = cv2.warpAffine(mask, warp, (columns, rows))[..., None]
    if random.random() < 0.5:
        laid = light(laid, random, 0.3)
    scene[:] = (scene * (1 - cover) + laid * cover).astype(np.uint8)
