"""Decoding: what is taken, what is refused and how, and what the pixels are."""

import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, PngImagePlugin

from tusou.errors import Problem, TusouError
from tusou.images.decode import MOST_BYTES, decode, enlarge, sign, thumbnail
from tusou.services import SERVICES, Service
from tusou.types import Rgb

ANY = replace(SERVICES["materiel"], largest_aspect=None)
"""Takes all that a service may take: sides of 1–4096 pixels, any aspect."""


# Pictures


def _scene(width: int = 48, height: int = 32) -> Rgb:
    """A smooth picture without symmetry, which JPEG hardly changes."""
    y, x = np.mgrid[0:height, 0:width]
    planes = (x * 255 // width, y * 255 // height, (x + y) * 255 // (width + height))
    return np.stack(planes, axis=-1).astype(np.uint8)


def _file(image: Image.Image | Rgb, format: str = "PNG", **options: Any) -> bytes:
    file = BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(file, format, **options)
    return file.getvalue()


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png(
    size: tuple[int, int], depth: int, colour: int, rows: bytes, *before_pixels: bytes
) -> bytes:
    """A PNG made by hand; `rows` begin with their filter bytes."""
    header = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", header),
            *before_pixels,
            _chunk(b"IDAT", zlib.compress(rows)),
            _chunk(b"IEND", b""),
        )
    )


def _with_chunks(png: bytes, *chunks: bytes) -> bytes:
    """Put chunks right behind the header of a PNG."""
    return png[:33] + b"".join(chunks) + png[33:]


def _with_segment(jpeg: bytes, marker: int, body: bytes) -> bytes:
    """Put a segment right at the start of a JPEG."""
    return jpeg[:2] + b"\xff" + struct.pack(">BH", marker, len(body) + 2) + body + jpeg[2:]


def _exif(orientation: int, order: str = "<", kind: int = 3) -> bytes:
    magic = b"II*\0" if order == "<" else b"MM\0*"
    value = struct.pack(order + ("HH" if kind == 3 else "I"), *(orientation, 0)[: 5 - kind])
    entry = struct.pack(order + "HHI", 0x0112, kind, 1) + value
    return magic + struct.pack(order + "IH", 8, 1) + entry + b"\0\0\0\0"


def _refusal(data: bytes, service: Service = ANY) -> TusouError:
    with pytest.raises(TusouError) as caught:
        decode(data, service)
    return caught.value


def _differs(left: Rgb, right: Rgb) -> int:
    assert left.shape == right.shape
    return int(np.abs(left.astype(int) - right).max())


# What is taken


@pytest.mark.parametrize(
    ("format", "media_type"),
    [("PNG", "image/png"), ("BMP", "image/bmp"), ("JPEG", "image/jpeg")],
)
def test_each_format_gives_its_pixels(format: str, media_type: str) -> None:
    data = _file(_scene(), format, quality=95)
    picture = decode(data, ANY)
    assert picture.media_type == media_type
    assert picture.data == data
    assert (picture.width, picture.height) == (48, 32)
    assert picture.rgb.dtype == np.uint8
    assert picture.rgb.flags.c_contiguous
    assert _differs(picture.rgb, _scene()) <= (12 if format == "JPEG" else 0)


@pytest.mark.parametrize("options", [{"progressive": True}, {"optimize": True}, {"subsampling": 0}])
def test_jpegs_of_all_kinds_are_taken(options: dict[str, Any]) -> None:
    assert _differs(decode(_file(_scene(), "JPEG", quality=95, **options), ANY).rgb, _scene()) <= 12


@settings(max_examples=50, deadline=None)
@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20), st.just(3))))
def test_pixels_come_back_from_png_and_bmp(rgb: Rgb) -> None:
    for format in ("PNG", "BMP"):
        assert np.array_equal(decode(_file(rgb, format), ANY).rgb, rgb)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_every_exif_orientation_is_set_upright(format: str, orientation: int, order: str) -> None:
    seen = _scene()
    undo: dict[int, Callable[[Rgb], Rgb]] = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: lambda a: np.rot90(a, -1),
    }
    stored = np.ascontiguousarray(undo[orientation](seen))
    tiff = _exif(orientation, order)
    if format == "PNG":
        data = _with_chunks(_file(stored), _chunk(b"eXIf", tiff))
    else:
        data = _with_segment(_file(stored, "JPEG", quality=95), 0xE1, b"Exif\0\0" + tiff)
    assert _differs(decode(data, ANY).rgb, seen) <= 12


def test_an_orientation_may_be_a_long_number_or_follow_the_pixels() -> None:
    png = _file(_scene())
    late = png[:-12] + _chunk(b"eXIf", b"Exif\0\0" + _exif(6, ">", kind=4)) + png[-12:]
    assert decode(late, ANY).rgb.shape == (48, 32, 3)


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"garbage",
        b"II*\0",
        b"II*\0\xff\xff\xff\xff",
        b"MM\0*\0\0\0\x08\xff\xff",
        _exif(0),
        _exif(9),
        _exif(6)[:-8],
        _exif(6, kind=3)[:10] + b"\x12\x01\x07\x00" + b"\xff" * 12,
    ],
)
def test_broken_exif_leaves_a_picture_as_it_is(exif: bytes) -> None:
    jpeg = _with_segment(_file(_scene(), "JPEG"), 0xE1, b"Exif\0\0" + exif)
    png = _with_chunks(_file(_scene()), _chunk(b"eXIf", exif))
    assert decode(jpeg, ANY).rgb.shape == decode(png, ANY).rgb.shape == (32, 48, 3)


def test_broken_and_huge_metadata_cost_a_picture_nothing() -> None:
    jpeg, png = _file(_scene(), "JPEG"), _file(_scene())
    icc = _with_segment(jpeg, 0xE2, b"ICC_PROFILE\0\x01\x09 broken")
    many = png
    for _ in range(20):
        many = _with_chunks(many, _chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(2 << 20))))
    broken = _with_chunks(
        png,
        _chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(8 << 20))),
        _chunk(b"iCCP", b"no zero byte"),
        _chunk(b"tEXt", b"text")[:-1] + b"!",
        _chunk(b"gAMA", b"1"),
        _chunk(b"acTL", bytes(8)),
        _chunk(b"acTL", b"\xff" * 8),
        _chunk(b"fcTL", b"\xff" * 26),
        _chunk(b"pHYs", b""),
    )
    assert decode(icc, ANY).sign == decode(jpeg, ANY).sign
    assert decode(many, ANY).sign == decode(broken, ANY).sign == decode(png, ANY).sign


def test_of_several_pictures_in_a_file_the_first_is_taken() -> None:
    first, second = Image.fromarray(_scene()), Image.new("RGB", (48, 32), "red")
    apng = _file(first, "PNG", save_all=True, append_images=[second])
    assert np.array_equal(decode(apng, ANY).rgb, _scene())
    mpo = decode(_file(first, "MPO", save_all=True, append_images=[second]), ANY)
    assert mpo.media_type == "image/jpeg"
    assert _differs(mpo.rgb, _scene()) <= 24


# Modes


def test_inks_become_colours() -> None:
    cmyk = np.zeros((32, 48, 4), np.uint8)
    cmyk[..., 1] = 200  # magenta
    cmyk[..., 3] = 51
    image = Image.fromarray(cmyk, "CMYK")
    jpeg = _file(image, "JPEG", quality=95)
    assert b"Adobe" in jpeg
    assert _differs(decode(jpeg, ANY).rgb, np.full((32, 48, 3), (204, 44, 204), np.uint8)) <= 4


def test_ycck_is_told_from_cmyk() -> None:
    plane = np.full((32, 48), 60, np.uint8)
    image = Image.merge("CMYK", [Image.fromarray(p) for p in (plane, plane * 2, plane * 3, plane)])
    jpeg = bytearray(_file(image, "JPEG", quality=95))
    transform = jpeg.index(b"Adobe") + 11
    assert jpeg[transform] == 0
    jpeg[transform] = 2
    # The same four planes, now read as Y, Cb, Cr of the inverted inks: not the same colours.
    seen = decode(bytes(jpeg), ANY).rgb[16, 24].astype(int)
    y, cb, cr, light = 195, 135 - 128, 75 - 128, 195
    inks = (y + 1.402 * cr, y - 0.344 * cb - 0.714 * cr, y + 1.772 * cb)
    # libjpeg undoes YCCK into CMYK by inverting, which the file's own inversion meets again.
    wanted = [round((255 - min(max(ink, 0), 255)) * light / 255) for ink in inks]
    assert np.abs(seen - wanted).max() <= 4


def test_a_jpeg_of_rgb_planes_is_not_taken_for_ycbcr() -> None:
    jpeg = _file(_scene(), "JPEG", quality=95, keep_rgb=True, subsampling=0)
    assert _differs(decode(jpeg, ANY).rgb, _scene()) <= 12


WHITE, BLACK, RED, HALF_RED = (255, 255, 255), (0, 0, 0), (255, 0, 0), (255, 127, 127)


def _palette(colours: bytes, alphas: bytes | None) -> bytes:
    chunks = [_chunk(b"PLTE", colours)]
    if alphas is not None:
        chunks.append(_chunk(b"tRNS", alphas))
    return _png((2, 1), 8, 3, b"\0\0\1", *chunks)


@pytest.mark.parametrize(
    ("data", "left", "right"),
    [
        pytest.param(_png((2, 1), 1, 0, b"\0\x40"), BLACK, WHITE, id="1 bit"),
        pytest.param(_png((2, 1), 2, 0, b"\0\x70"), (85,) * 3, WHITE, id="2 bits"),
        pytest.param(_png((2, 1), 8, 0, b"\0\x01\xfe"), (1,) * 3, (254,) * 3, id="grey"),
        pytest.param(
            _png((2, 1), 16, 0, b"\0\x12\x34\xff\xff"), (0x12,) * 3, WHITE, id="16-bit grey"
        ),
        pytest.param(
            _png((2, 1), 16, 2, b"\0" + struct.pack(">6H", 0xFFFF, 0, 0, 0x1234, 0x5678, 0x9ABC)),
            RED,
            (0x12, 0x56, 0x9A),
            id="16-bit colour",
        ),
        pytest.param(
            _png((2, 1), 16, 6, b"\0" + struct.pack(">8H", 65535, 0, 0, 65535, 65535, 0, 0, 0)),
            RED,
            WHITE,
            id="16-bit colour and alpha",
        ),
        pytest.param(
            _png((2, 1), 16, 4, b"\0" + struct.pack(">4H", 0, 65535, 0, 0)),
            BLACK,
            WHITE,
            id="16-bit grey and alpha",
        ),
        pytest.param(_png((2, 1), 8, 4, b"\0\0\xff\0\0"), BLACK, WHITE, id="grey and alpha"),
        pytest.param(
            _png((2, 1), 8, 6, b"\0\xff\0\0\x80\xff\0\0\xff"), HALF_RED, RED, id="colour and alpha"
        ),
        pytest.param(_palette(bytes(3) + b"\xff\0\0", None), BLACK, RED, id="palette"),
        pytest.param(
            _palette(bytes(3) + b"\xff\0\0", b"\0\x80"), WHITE, HALF_RED, id="palette and alphas"
        ),
        pytest.param(
            _palette(bytes(3) + b"\xff\0\0", b"\0"), WHITE, RED, id="palette with a clear colour"
        ),
        pytest.param(
            _palette(bytes(3) + b"\xff\0\0", bytes(400)),
            WHITE,
            WHITE,
            id="more alphas than colours",
        ),
        pytest.param(
            _png((2, 1), 1, 0, b"\0\x40", _chunk(b"tRNS", b"\0\0")), WHITE, WHITE, id="clear bit"
        ),
        pytest.param(
            _png((2, 1), 2, 0, b"\0\x10", _chunk(b"tRNS", b"\0\1")), BLACK, WHITE, id="clear 2 bits"
        ),
        pytest.param(
            _png((2, 1), 4, 0, b"\0\x30", _chunk(b"tRNS", b"\0\3")), WHITE, BLACK, id="clear 4 bits"
        ),
        pytest.param(
            _png((2, 1), 8, 0, b"\0\x10\0", _chunk(b"tRNS", b"\0\x10")),
            WHITE,
            BLACK,
            id="clear grey",
        ),
        pytest.param(
            _png((2, 1), 16, 0, b"\0\x10\x01\x10\0", _chunk(b"tRNS", b"\x10\x01")),
            WHITE,
            (16,) * 3,
            id="clear 16-bit grey",
        ),
        pytest.param(
            _png((2, 1), 8, 2, b"\0\0\0\0\xff\0\0", _chunk(b"tRNS", bytes(6))),
            WHITE,
            RED,
            id="clear colour",
        ),
        pytest.param(
            _png(
                (2, 1),
                16,
                2,
                b"\0" + struct.pack(">6H", 0x8012, 0, 0, 0xFFFF, 0, 0),
                _chunk(b"tRNS", struct.pack(">3H", 0x8012, 0, 0)),
            ),
            WHITE,
            RED,
            id="clear 16-bit colour",
        ),
    ],
)
def test_every_kind_of_png_pixel_is_seen_as_on_white(
    data: bytes, left: tuple[int, ...], right: tuple[int, ...]
) -> None:
    assert decode(data, ANY).rgb.tolist() == [[list(left), list(right)]]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_bmps_of_all_kinds_are_taken(mode: str) -> None:
    image = Image.fromarray(_scene()).convert(mode)
    wanted = np.asarray(image.convert("RGB"))
    assert np.array_equal(decode(_file(image, "BMP"), ANY).rgb, wanted)


@pytest.mark.parametrize(
    ("alphas", "left", "right"),
    [
        pytest.param((0, 0), RED, BLACK, id="unused"),
        pytest.param((255, 0), RED, WHITE, id="used"),
    ],
)
def test_an_alpha_channel_that_a_bmp_left_zero_is_not_seen(
    alphas: tuple[int, int], left: tuple[int, ...], right: tuple[int, ...]
) -> None:
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header = struct.pack("<IiiHHIIiiII", 108, 2, 1, 1, 32, 3, 8, 0, 0, 0, 0) + masks + bytes(52)
    pixels = bytes((0, 0, 255, alphas[0], 0, 0, 0, alphas[1]))
    data = b"BM" + struct.pack("<IHHI", 122 + 8, 0, 0, 122) + header + pixels
    assert decode(data, ANY).rgb.tolist() == [[list(left), list(right)]]


def test_a_bmp_may_run_from_top_to_bottom_or_have_an_old_header() -> None:
    scene = _scene(4, 3)
    down = bytearray(_file(scene[::-1].copy(), "BMP"))
    down[22:26] = struct.pack("<i", -3)
    assert np.array_equal(decode(bytes(down), ANY).rgb, scene)
    core = struct.pack("<IHHHH", 12, 4, 3, 1, 24) + bytes(down[54:])
    old = b"BM" + struct.pack("<IHHI", 26 + 36, 0, 0, 26) + core
    assert np.array_equal(decode(old, ANY).rgb, scene[::-1])


# What is refused


def test_nothing_is_an_empty_picture() -> None:
    assert _refusal(b"").problem is Problem.IMAGE_EMPTY


@pytest.mark.parametrize("format", ["GIF", "WEBP", "TIFF", "ICO", "PPM", "TGA", "JPEG2000"])
def test_other_formats_are_refused(format: str) -> None:
    assert _refusal(_file(_scene(), format)).problem is Problem.IMAGE_FORMAT


@pytest.mark.parametrize(
    "data",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg' width='99' height='99'/>",
        b"\0",
        b"BM",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8" + b"\xff" * (1 << 20),
        b"GIF89a" + _file(_scene(), "JPEG"),
        b"\n" + _file(_scene()),
        b"<html>" + _file(_scene(), "BMP"),
    ],
)
def test_what_only_resembles_a_picture_is_refused(data: bytes) -> None:
    assert _refusal(data).problem is Problem.IMAGE_FORMAT


@pytest.mark.parametrize("format", ["PNG", "JPEG", "BMP"])
def test_what_follows_a_picture_does_not_matter(format: str) -> None:
    data = _file(_scene(), format)
    assert decode(data + b"PK\3\4<html><script>" + data, ANY).sign == decode(data, ANY).sign


@pytest.mark.parametrize("format", ["PNG", "JPEG", "BMP"])
def test_a_file_cut_short_anywhere_is_refused(format: str) -> None:
    data = _file(_scene(), format)
    step = max(1, len(data) // 97)
    for length in (*range(1, len(data), step), len(data) - 1, len(data) - 2):
        assert _refusal(data[:length]).problem is Problem.IMAGE_FORMAT


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(_png((4, 4), 8, 0, b"\0\1\2\3\4\0\1"), id="too few pixels"),
        pytest.param(_png((4, 4), 8, 0, b"\7\1\2\3\4" * 4), id="unknown filter"),
        pytest.param(_png((4, 4), 8, 3, b"\0\0\0\0\0" * 4), id="no palette"),
        pytest.param(_png((4, 4), 5, 0, b"\0\0\0\0\0" * 4), id="5 bits"),
        pytest.param(_png((0, 4), 8, 0, b"\0" * 4), id="no width"),
        pytest.param(_file(_scene()).replace(b"IDAT", b"IDAt"), id="no pixels"),
        pytest.param(
            _with_chunks(_file(_scene()), _chunk(b"IHDR", b"\0\0\xff\xff" * 2 + b"\x08\2\0\0\0")),
            id="a second header",
        ),
        pytest.param(
            _with_segment(
                _file(_scene(), "JPEG"), 0xC0, b"\x08\xff\xff\xff\xff\3\1\x11\0\2\x11\0\3\x11\0"
            ),
            id="a second frame",
        ),
        pytest.param(_file(_scene(), "JPEG").replace(b"\xff\xc0", b"\xff\xc9"), id="arithmetic"),
        pytest.param(b"BM" + bytes(12) + struct.pack("<Iii", 40, 0, 3) + bytes(99), id="BMP width"),
        pytest.param(
            b"BM" + bytes(12) + struct.pack("<Iii", 41, 3, 3) + bytes(99), id="BMP header"
        ),
    ],
)
def test_a_broken_file_is_refused(data: bytes) -> None:
    assert _refusal(data).problem is Problem.IMAGE_FORMAT


def test_a_flipped_bit_in_the_pixels_of_a_png_is_noticed() -> None:
    data = bytearray(_file(_scene()))
    data[-20] ^= 1
    assert _refusal(bytes(data)).problem is Problem.IMAGE_FORMAT


def test_a_jpeg_of_a_thousand_scans_is_refused() -> None:
    jpeg = _file(_scene(), "JPEG", progressive=True)
    last_scan = jpeg[jpeg.rindex(b"\xff\xda") : -2]
    assert _refusal(jpeg[:-2] + last_scan * 1000 + jpeg[-2:]).problem is Problem.IMAGE_FORMAT


# Sizes


def test_a_file_of_more_than_4_mib_is_refused() -> None:
    data = _file(_scene(), "BMP")
    assert decode(data + bytes(MOST_BYTES - len(data)), ANY)
    assert _refusal(data + bytes(MOST_BYTES - len(data) + 1)).problem is Problem.IMAGE_SIZE


@pytest.mark.parametrize(
    ("service", "width", "height", "taken"),
    [
        ("same_hq", 50, 50, True),
        ("same_hq", 49, 50, False),
        ("same_hq", 50, 49, False),
        ("similar", 4096, 50, True),
        ("similar", 4097, 50, False),
        ("product", 300, 300, True),
        ("product", 300, 299, False),
        ("picturebook", 1500, 150, True),
        ("picturebook", 150, 1501, False),
        ("materiel", 1, 20, True),
        ("materiel", 21, 1, False),
    ],
)
def test_each_service_has_its_sizes(service: str, width: int, height: int, taken: bool) -> None:
    data = _file(Image.new("1", (width, height)))
    if taken:
        assert decode(data, SERVICES[service]).width == width
    else:
        error = _refusal(data, SERVICES[service])
        assert error.problem is Problem.IMAGE_SIZE
        assert f"{width} x {height}" in error.detail


def test_a_refusal_names_the_size_as_seen_and_the_limit() -> None:
    png = _file(Image.new("1", (40, 60)))
    turned = _with_chunks(png, _chunk(b"eXIf", _exif(6)))
    assert "60 x 40" in _refusal(turned, SERVICES["same_hq"]).detail
    assert "50" in _refusal(turned, SERVICES["same_hq"]).detail


def test_bombs_are_refused_by_their_headers() -> None:
    claims = struct.pack(">HH", 60000, 60000)
    jpeg = bytearray(_file(_scene(), "JPEG"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = claims
    bmp = bytearray(_file(_scene(), "BMP"))
    bmp[18:26] = struct.pack("<ii", 60000, -60000)
    png = _png((60000, 60000), 8, 2, bytes(1 << 20))
    largest = _png((2**31 - 1, 2**31 - 1), 16, 6, b"\0")
    for data in (png, largest, bytes(jpeg), bytes(bmp)):
        assert _refusal(data).problem is Problem.IMAGE_SIZE


def test_a_large_flat_picture_is_no_bomb() -> None:
    picture = decode(_file(Image.new("L", (4096, 4096))), SERVICES["similar"])
    assert picture.rgb.shape == (4096, 4096, 3)
    assert not picture.rgb.any()


# Signs


def test_the_same_pixels_have_the_same_sign_in_any_file() -> None:
    scene = _scene()
    rgba = np.dstack([scene, np.full(scene.shape[:2], 255, np.uint8)])
    turned = _with_chunks(_file(np.rot90(scene, 1).copy()), _chunk(b"eXIf", _exif(6)))
    files = [_file(scene), _file(scene, compress_level=0), _file(scene, "BMP"), _file(rgba), turned]
    assert {decode(data, ANY).sign for data in files} == {sign(scene)}


def test_the_smallest_change_and_another_shape_make_another_sign() -> None:
    scene = _scene()
    changed = scene.copy()
    changed[-1, -1, -1] ^= 1
    shapes = [scene, changed, scene.reshape(48, 32, 3), scene.reshape(1, -1, 3)]
    assert len({sign(shape) for shape in shapes}) == len(shapes)


def test_a_sign_is_the_same_in_another_process() -> None:
    code = (
        "import numpy; from tusou.images.decode import sign;"
        "print(sign(numpy.zeros((2, 3, 3), numpy.uint8)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(sign(np.zeros((2, 3, 3), np.uint8)))


# Robustness

_VALID = [
    _file(_scene(12, 9)),
    _file(_scene(12, 9), "JPEG"),
    _file(_scene(12, 9), "JPEG", progressive=True),
    _file(Image.fromarray(_scene(12, 9)).convert("CMYK"), "JPEG"),
    _with_segment(_file(_scene(12, 9), "JPEG"), 0xE1, b"Exif\0\0" + _exif(5)),
    _file(_scene(12, 9), "BMP"),
    _file(Image.fromarray(_scene(12, 9)).quantize(8), "BMP"),
    _palette(bytes(3) + b"\xff\0\0", b"\0\x80"),
    _file(Image.fromarray(_scene(12, 9)).convert("RGBA")),
    _file(Image.fromarray(_scene(12, 9)[..., 0].astype(np.uint16) * 257)),
]


def _require_decoded_or_refused(data: bytes) -> None:
    problem = None
    try:
        decode(data, ANY)
    except TusouError as error:
        problem = error.problem
    assert problem in (None, Problem.IMAGE_EMPTY, Problem.IMAGE_FORMAT, Problem.IMAGE_SIZE)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([b"", b"BM", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"]), st.binary())
def test_random_bytes_are_decoded_or_refused(magic: bytes, data: bytes) -> None:
    _require_decoded_or_refused(magic + data)


@settings(max_examples=800, deadline=None)
@given(st.data())
def test_a_damaged_picture_is_decoded_or_refused(draw: st.DataObject) -> None:
    data = bytearray(draw.draw(st.sampled_from(_VALID)))
    for _ in range(draw.draw(st.integers(1, 6))):
        start = draw.draw(st.integers(0, len(data)))
        end = start + draw.draw(st.integers(0, 8))
        data[start:end] = draw.draw(st.binary(max_size=8))
    _require_decoded_or_refused(_with_sound_chunks(bytes(data)))


def _with_sound_chunks(data: bytes) -> bytes:
    """Mend the checksums of a damaged PNG, so that the damage gets past them."""
    if not data.startswith(b"\x89PNG"):
        return data
    mended, at = data[:8], 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        mended += _chunk(kind, body)
        at += 12 + length
    return mended


def test_many_threads_decode_at_once() -> None:
    info = PngImagePlugin.PngInfo()
    info.add(b"acTL", bytes(8))  # which Pillow would warn of
    files = [_file(_scene(), pnginfo=info), _file(_scene(), "JPEG"), _file(_scene(), "BMP")] * 30
    with ThreadPoolExecutor(8) as pool:
        signs = list(pool.map(lambda data: decode(data, ANY).sign, files))
    assert signs == [decode(data, ANY).sign for data in files]


# Thumbnails


@pytest.mark.parametrize(
    ("size", "wanted"), [((640, 320), (320, 160)), ((100, 40), (100, 40)), ((4000, 2), (320, 1))]
)
def test_a_thumbnail_fits_its_square(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    data = thumbnail(_scene(*size))
    picture = decode(data, ANY)
    assert (picture.media_type, (picture.width, picture.height)) == ("image/jpeg", wanted)


@pytest.mark.parametrize("size", [(200, 150), (500, 333), (641, 479), (1999, 1401)])
def test_a_thumbnail_shows_all_of_the_picture(size: tuple[int, int]) -> None:
    scene = _scene(*size)
    shown = decode(thumbnail(scene), ANY).rgb.astype(np.int64)
    wanted = Image.fromarray(scene).resize(shown.shape[1::-1], Image.Resampling.BOX)
    assert np.abs(shown - np.asarray(wanted)).mean() < 2


# Enlarging


@pytest.mark.parametrize(
    ("sides", "made"),
    [((150, 100), (450, 300)), ((100, 333), (300, 999)), ((299, 900), (300, 903))],
)
def test_a_picture_that_is_too_small_for_a_service_can_be_enlarged(
    sides: tuple[int, int], made: tuple[int, int]
) -> None:
    service = SERVICES["product"]
    larger = decode(enlarge(_file(_scene(*sides)), service), service)
    assert (larger.width, larger.height) == made
    shown = np.asarray(Image.fromarray(larger.rgb).resize(sides), np.int64)
    assert np.abs(shown - _scene(*sides)).mean() < 3


def test_a_picture_that_is_large_enough_stays_as_it_is() -> None:
    data = _file(_scene(300, 400))
    assert enlarge(data, SERVICES["product"]) == data
    with pytest.raises(TusouError) as caught:
        enlarge(b"text", SERVICES["product"])
    assert caught.value.problem is Problem.IMAGE_FORMAT
