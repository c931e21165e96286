"""PNG, JPEG and BMP as containers: the header is read, and all but the pixels' own parts left out.

Pillow is given only what draws the picture. So no metadata, however broken or large, can cost a
picture or draw a warning out of Pillow, no second header can contradict the one that was checked,
and animations and multi-picture files are their first picture.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple, TypeVar

from tusou.errors import Problem, TusouError

T = TypeVar("T")


class Container(NamedTuple):
    """What a picture file says of itself before its pixels are decoded."""

    format: str
    """Pillow's name of the format."""
    media_type: str
    size: tuple[int, int]
    """Width and height as stored."""
    orientation: int
    """1–8 as in EXIF."""
    stream: bytes
    """A file of the same format with nothing but the picture."""

    @property
    def seen_size(self) -> tuple[int, int]:
        """Width and height as seen, once the orientation is applied."""
        return self.size if self.orientation < 5 else (self.size[1], self.size[0])


def read(data: bytes) -> Container:
    """Read the container that `data` holds; trailing bytes are ignored.

    Raises:
        TusouError: IMAGE_FORMAT; not one of the three formats, or broken.
    """
    for magic, reader in _READERS.items():
        if data.startswith(magic):
            try:
                container = reader(data)
            except struct.error as error:
                raise _broken("the file is cut short") from error
            if min(container.size) <= 0:
                raise _broken("the header has a side of no pixels")
            return container
    raise TusouError(Problem.IMAGE_FORMAT, "only PNG, JPEG and BMP are taken")


def _broken(reason: str) -> TusouError:
    return TusouError(Problem.IMAGE_FORMAT, reason)


def _counted(parts: Iterator[T]) -> Iterator[T]:
    for number, part in enumerate(parts):
        if number == _MOST_PARTS:
            raise _broken(f"the file has over {_MOST_PARTS} parts")
        yield part


_MOST_PARTS = 10_000
"""Chunks or segments of a file; photos have under a hundred, and PNGs of 4 MiB some 500. A million
empty ones took Pillow four seconds and 400 MB."""

# PNG (ISO/IEC 15948)

_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_PNG_DRAWS = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"))
_GREY, _COLOUR, _PALETTE = 0, 2, 3


def _read_png(data: bytes) -> Container:
    chunks = _counted(_png_chunks(memoryview(data)))
    kind, header, raw = next(chunks, (b"", memoryview(b""), memoryview(b"")))
    if kind != b"IHDR" or len(header) != 13 or not _png_sound(raw):
        raise _broken("the PNG header is broken")
    width, height, depth, colour = struct.unpack_from(">IIBB", header)
    kept: list[bytes | memoryview] = [_PNG_MAGIC, raw]
    orientation = 1
    kinds = {b"IHDR"}
    for kind, body, raw in chunks:
        if kind == b"eXIf":
            orientation = _exif_orientation(bytes(body))
        elif kind in _PNG_DRAWS:
            if kind == b"IHDR" or not _png_sound(raw):
                raise _broken(f"the PNG chunk {kind.decode()} is broken")
            kept.append(_png_transparency(body, depth, colour) if kind == b"tRNS" else raw)
            kinds.add(kind)
    if b"IEND" not in kinds or b"IDAT" not in kinds:
        raise _broken("the PNG file is cut short")
    if colour == _PALETTE and b"PLTE" not in kinds:
        raise _broken("the PNG file lacks its palette")
    return Container("PNG", "image/png", (width, height), orientation, b"".join(kept))


def _png_chunks(data: memoryview) -> Iterator[tuple[bytes, memoryview, memoryview]]:
    """Yield kind, body and the whole of each chunk, up to IEND."""
    at, kind = len(_PNG_MAGIC), b""
    while at < len(data) and kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise _broken("the PNG file is cut short")
        yield kind, data[at + 8 : end - 4], data[at:end]
        at = end


def _png_sound(chunk: memoryview) -> bool:
    return zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")


def _png_transparency(body: memoryview, depth: int, colour: int) -> bytes:
    """Make the tRNS chunk that says what Pillow takes it to say.

    Pillow compares a transparent grey or colour with samples that it has already brought to 8 bits.
    """
    if colour in (_GREY, _COLOUR):
        samples = struct.unpack_from(">H" if colour == _GREY else ">3H", body)
        if colour == _GREY and depth in (2, 4):
            samples = tuple(sample * 255 // ((1 << depth) - 1) for sample in samples)
        elif colour == _COLOUR and depth == 16:
            samples = tuple(sample >> 8 for sample in samples)
        content = struct.pack(f">{len(samples)}H", *(sample & 0xFFFF for sample in samples))
    elif colour == _PALETTE:
        content = bytes(body[:256])
    else:  # forbidden beside an alpha channel
        return b""
    named = b"tRNS" + content
    return struct.pack(">I", len(content)) + named + struct.pack(">I", zlib.crc32(named))


# JPEG (ITU-T T.81)

_JPEG_MAGIC = b"\xff\xd8\xff"
_JPEG_MARKER = re.compile(rb"\xff([\xc0-\xcf\xd8-\xfe])")
"""The markers that end a scan: neither stuffing, nor fill bytes, nor restarts."""
_SOI, _EOI, _SOS, _APP0, _APP1, _APP14 = 0xD8, 0xD9, 0xDA, 0xE0, 0xE1, 0xEE
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_DRAWS = frozenset((0xC0, 0xC1, 0xC2, 0xC4, 0xDB, 0xDD, _SOS, _EOI))
"""Baseline, extended and progressive frames, Huffman and quantization tables, restarts, scans."""
_MOST_SCANS = 100
"""Usual progressive files have 10. Each scan passes over the whole picture, however few its bytes,
so that a small file with thousands would take minutes."""


def _read_jpeg(data: bytes) -> Container:
    kept: list[bytes | memoryview] = [b"\xff\xd8"]
    size: tuple[int, int] | None = None
    orientation: int | None = None
    marker, scans = _SOI, 0
    for marker, body, raw in _counted(_jpeg_segments(data)):
        if marker in _FRAMES:
            if size or marker not in _JPEG_DRAWS:
                raise _broken("this kind of JPEG is not taken")
            height, width = struct.unpack_from(">HH", body, 1)
            size = width, height
        elif marker == _APP1 and orientation is None and body.startswith(b"Exif\0\0"):
            orientation = _exif_orientation(body)
        elif marker == _SOS:
            scans += 1
        if marker in _JPEG_DRAWS or _tells_colours(marker, body):
            kept.append(raw)
    if marker != _EOI or not size or not scans:
        raise _broken("the JPEG file is cut short")
    if scans > _MOST_SCANS:
        raise _broken(f"the JPEG file has {scans} scans, at most {_MOST_SCANS} are taken")
    return Container("JPEG", "image/jpeg", size, orientation or 1, b"".join(kept))


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes, memoryview]]:
    """Yield marker, body and the whole of each segment, with a scan's pixels, up to EOI."""
    at = len(b"\xff\xd8")
    while match := _JPEG_MARKER.search(data, at):
        marker, start = match[1][0], match.end()
        if marker in (_SOI, _EOI):
            yield marker, b"", memoryview(data)[match.start() : start]
            return
        at = start + struct.unpack_from(">H", data, start)[0]
        if not start + 2 <= at <= len(data):
            raise _broken("the JPEG file is cut short")
        body = data[start + 2 : at]
        if marker == _SOS:
            following = _JPEG_MARKER.search(data, at)
            at = following.start() if following else len(data)
        yield marker, body, memoryview(data)[match.start() : at]


def _tells_colours(marker: int, body: bytes) -> bool:
    """Whether a segment tells libjpeg RGB from YCbCr, or CMYK from YCCK."""
    return (marker == _APP0 and body.startswith(b"JFIF\0")) or (
        marker == _APP14 and body.startswith(b"Adobe")
    )


# BMP


def _read_bmp(data: bytes) -> Container:
    (header_size,) = struct.unpack_from("<I", data, 14)
    # A negative height means that the rows run from top to bottom.
    width, height = struct.unpack_from("<HH" if header_size == 12 else "<ii", data, 18)
    return Container("BMP", "image/bmp", (width, abs(height)), 1, data)


# EXIF

_ORIENTATION = 0x0112
_NUMBERS = {3: "H", 4: "I"}
"""EXIF field types that an orientation may have: SHORT by the standard, LONG by some cameras."""


def _exif_orientation(exif: bytes) -> int:
    """Read the orientation; 1 where there is none or it cannot be read."""
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, directory)
        for entry in range(directory + 2, directory + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(order + "HH", tiff, entry)
            if tag == _ORIENTATION and kind in _NUMBERS:
                (value,) = struct.unpack_from(order + _NUMBERS[kind], tiff, entry + 8)
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass  # a directory that points outside of its data
    return 1


_READERS = {_PNG_MAGIC: _read_png, _JPEG_MAGIC: _read_jpeg, b"BM": _read_bmp}
