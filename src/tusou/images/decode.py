"""Bytes into a checked, upright, opaque RGB picture; the only module that knows Pillow.

Pictures are shown the way a browser shows them, colour profiles aside, which are ignored.
"""

import hashlib
import struct
from io import BytesIO

import cv2
import numpy as np
from PIL import Image
from PIL.Image import Transpose

from tusou.errors import Problem, TusouError
from tusou.images import containers
from tusou.services import Service
from tusou.types import ContSign, Picture, Region, Rgb, Subject

MOST_BYTES = 4 << 20
"""Of a picture file. Source: shared contract, section 1."""

_LEAST_REGION = 20
"""Pixels of a region's side; the services' limits are for pictures, which have more around."""

_BROKEN = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    SyntaxError,
    SystemError,
    TypeError,
    ValueError,
    struct.error,
    Image.DecompressionBombError,
)
"""What Pillow raises at broken pictures; not MemoryError, which is no fault of the picture."""

_UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
"""EXIF orientation → what sets the picture upright."""


def decode(data: bytes, service: Service) -> Picture:
    """Decode a PNG, JPEG or BMP file; `rgb` of the answer is read-only and C-contiguous.

    Raises:
        TusouError: IMAGE_EMPTY, IMAGE_FORMAT, or IMAGE_SIZE (the file, or a side or the aspect by
            the limits of `service`; found out before any pixel is decoded).
    """
    if not data:
        raise TusouError(Problem.IMAGE_EMPTY)
    if len(data) > MOST_BYTES:
        raise TusouError(
            Problem.IMAGE_SIZE, f"the file has {len(data)} bytes, at most {MOST_BYTES} are taken"
        )
    container = containers.read(data)
    _check_size(*container.seen_size, service)
    rgb = _draw(container)
    return Picture(rgb, sign(rgb), data, container.media_type)


def cut(picture: Picture, region: Region, service: Service) -> Picture:
    """The part of a picture in a region, as a picture of its own.

    Raises:
        TusouError: INVALID_PARAM, the region is not in the picture, or too small.
    """
    left, top, width, height = region
    if left + width > picture.width or top + height > picture.height:
        size = f"{picture.width} x {picture.height}"
        raise TusouError(Problem.INVALID_PARAM, f"the region reaches beyond the picture of {size}")
    least = min(_LEAST_REGION, service.shortest_side)
    if min(width, height) < least:
        raise TusouError(Problem.INVALID_PARAM, f"a region has sides of {least} pixels at least")
    rgb = np.ascontiguousarray(picture.rgb[top : top + height, left : left + width])
    return Picture(rgb, sign(rgb), picture.data, picture.media_type)


def put_back(subject: Subject, region: Region, whole: Picture) -> Subject:
    """A subject of the part that was cut out, in pixels and as a share of the whole picture."""
    left, top, width, height = region
    return Subject(
        subject.left + left,
        subject.top + top,
        subject.right + left,
        subject.bottom + top,
        subject.share * (width * height / (whole.width * whole.height)),
    )


def sign(rgb: Rgb) -> ContSign:
    """Sign decoded pixels: the same pixels give the same sign, whatever file they came in."""
    height, width = rgb.shape[:2]
    digest = hashlib.blake2b(struct.pack(">II", width, height))
    digest.update(np.ascontiguousarray(rgb).reshape(-1).data)
    return ContSign(*struct.unpack(">II", digest.digest()[:8]))


def thumbnail(rgb: Rgb, side: int = 320) -> bytes:
    """Shrink a picture into a square of `side` pixels, keeping its aspect, as a JPEG file."""
    height, width = rgb.shape[:2]
    factor = max(height, width) / side
    # First by the whole factor, for which OpenCV has a quick way, then to size.
    whole = min(int(factor), height, width)
    if whole > 1:
        down, across = height // whole, width // whole
        rgb = _shrink(rgb[: down * whole, : across * whole], across, down)
    if factor > 1:
        rgb = _shrink(rgb, max(1, round(width / factor)), max(1, round(height / factor)))
    file = BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=85)
    return file.getvalue()


def _shrink(rgb: Rgb, width: int, height: int) -> Rgb:
    """Average a picture's pixels; one that has the size already stays as it is."""
    if rgb.shape[:2] == (height, width):
        return rgb
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def pixels(data: bytes) -> Rgb:
    """The pixels of a file that `thumbnail` made."""
    with Image.open(BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def enlarge(data: bytes, service: Service) -> bytes:
    """Enlarge a picture that is smaller than `service` takes, as a JPEG file; others as they are.

    Raises:
        TusouError: IMAGE_FORMAT, it is no picture.
    """
    try:
        with Image.open(BytesIO(data)) as image:
            shortest = min(image.size)
            if shortest >= service.shortest_side:
                return data
            factor = service.shortest_side / shortest
            sides = [max(service.shortest_side, round(side * factor)) for side in image.size]
            file = BytesIO()
            larger = image.convert("RGB").resize((sides[0], sides[1]), Image.Resampling.BICUBIC)
            larger.save(file, "JPEG", quality=95)
            return file.getvalue()
    except _BROKEN as error:
        raise TusouError(Problem.IMAGE_FORMAT, "not a picture") from error


def _check_size(width: int, height: int, service: Service) -> None:
    shortest, longest = sorted((width, height))
    if shortest < service.shortest_side:
        limit = f"the shorter side needs at least {service.shortest_side}"
    elif longest > service.longest_side:
        limit = f"the longer side may have at most {service.longest_side}"
    elif service.largest_aspect is not None and longest > service.largest_aspect * shortest:
        limit = f"the longer side may be at most {service.largest_aspect:g} times the shorter"
    else:
        return
    raise TusouError(Problem.IMAGE_SIZE, f"the picture has {width} x {height} pixels, {limit}")


def _draw(container: containers.Container) -> Rgb:
    try:
        with Image.open(BytesIO(container.stream), formats=[container.format]) as image:
            image.load()
            opaque = _flatten(image)
            if container.orientation in _UPRIGHT:
                opaque = opaque.transpose(_UPRIGHT[container.orientation])
            return np.ascontiguousarray(opaque)
    except _BROKEN as error:
        raise TusouError(
            Problem.IMAGE_FORMAT, f"the {container.format} picture is broken or cut short"
        ) from error


def _flatten(image: Image.Image) -> Image.Image:
    """Turn any mode that Pillow has for the three formats into RGB, lying on white."""
    if image.mode == "I;16":
        return _flatten_grey16(image)
    if not image.has_transparency_data or _has_unused_alpha(image):
        # Pillow takes all CMYK JPEGs for inverted ones, as Adobe writes them; so do browsers.
        return image if image.mode == "RGB" else image.convert("RGB")
    rgba = image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(rgba, mask=rgba.getchannel("A"))
    return white


def _flatten_grey16(image: Image.Image) -> Image.Image:
    """Keep the high byte, which is what Pillow keeps of 16-bit colours; its own `convert` clips."""
    deep = np.asarray(image)
    grey = (deep >> 8).astype(np.uint8)
    grey[deep == image.info.get("transparency", -1)] = 255
    return Image.fromarray(grey).convert("RGB")


def _has_unused_alpha(image: Image.Image) -> bool:
    """Whether a BMP's alpha channel is all zero: left so by its writer, and opaque to browsers."""
    return (
        image.format == "BMP" and image.mode == "RGBA" and image.getchannel("A").getbbox() is None
    )
