"""What fuzzing begins with, made here: pictures of every kind and with every trick, and bodies."""

import base64
import gzip
import io
import json
import struct
import tarfile
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from tusou.web.private.imgfeature_pb2 import FeatureRequest

Seeds = dict[str, bytes]


def _scene(width: int = 24, height: int = 16) -> Image.Image:
    y, x = np.mgrid[0:height, 0:width]
    planes = (x * 255 // width, y * 255 // height, (x + y) * 255 // (width + height))
    return Image.fromarray(np.stack(planes, axis=-1).astype(np.uint8))


def _file(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    named = kind + content
    return struct.pack(">I", len(content)) + named + struct.pack(">I", zlib.crc32(named))


def png(width: int, height: int, depth: int, colour: int, pixels: bytes, *before: bytes) -> bytes:
    """A PNG whose header and pixels need not agree; `pixels` are compressed already."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = (chunk(b"IHDR", header), *before, chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def segment(jpeg: bytes, marker: int, content: bytes) -> bytes:
    """A JPEG with a segment more at its start."""
    return jpeg[:2] + b"\xff" + struct.pack(">BH", marker, len(content) + 2) + content + jpeg[2:]


def exif(count: int, orientation: int = 6, directory: int = 8) -> bytes:
    """EXIF whose directory says that it has `count` entries, and has one."""
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"Exif\0\0II*\0" + struct.pack("<IH", directory, count) + entry


def bmp(width: int, height: int, bits: int, compression: int, pixels: bytes) -> bytes:
    """A BMP whose header and pixels need not agree."""
    sizes = (width, height, 1, bits, compression, len(pixels), 0, 0, 0, 0)
    header = struct.pack("<IiiHHIIiiII", 40, *sizes)
    return b"BM" + struct.pack("<IHHI", 54 + len(pixels), 0, 0, 54) + header + pixels


def pictures() -> Seeds:
    """Small files, one for each kind of picture, container and trick."""
    scene = _scene()
    seeds = {f"{form}.{form}": _file(scene, form) for form in ("PNG", "JPEG", "BMP")}
    for mode in ("1", "L", "LA", "P", "RGBA", "I;16"):
        seeds[f"{mode.replace(';', '')}.png"] = _file(_in(mode, scene), "PNG")
    for mode in ("1", "L", "P", "RGBA"):
        seeds[f"{mode}.bmp"] = _file(scene.convert(mode), "BMP")
    for mode in ("L", "CMYK"):
        seeds[f"{mode}.jpg"] = _file(scene.convert(mode), "JPEG")
    return seeds | dict(_others(scene)) | dict(_pngs()) | dict(_jpegs()) | dict(_bmps())


def _in(mode: str, scene: Image.Image) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(np.asarray(scene.convert("L")).astype(np.uint16) * 257)
    return scene.convert(mode)


def _others(scene: Image.Image) -> Iterator[tuple[str, bytes]]:
    """Formats that are not taken, animations, files that are two things at once, wrong names."""
    for form in ("GIF", "WEBP", "TIFF", "ICO", "PPM", "TGA"):
        yield f"other.{form.lower()}", _file(scene, form)
    second = scene.rotate(180)
    for form in ("PNG", "GIF", "WEBP", "TIFF", "MPO"):
        both = {"save_all": True, "append_images": [second]}
        yield f"animated.{form.lower()}", _file(scene, form, **both)
    jpeg, plain = _file(scene, "JPEG"), _file(scene, "PNG")
    yield "jpeg-and-zip.jpg", jpeg + b"PK\3\4" + bytes(26)
    yield "png-and-html.png", plain[:33] + chunk(b"tEXt", b"a\0<script>") + plain[33:]
    yield "gif-before-jpeg.gif", b"GIF89a" + jpeg
    yield "jpeg-in-comment.jpg", segment(jpeg, 0xFE, jpeg)
    yield "named-png.png", jpeg
    yield "svg.jpg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"
    for form, data in (("jpg", jpeg), ("png", plain), ("bmp", _file(scene, "BMP"))):
        yield f"truncated.{form}", data[: len(data) * 2 // 3]


def _pngs() -> Iterator[tuple[str, bytes]]:
    pixels = zlib.compress(b"\0" * 4 * 16)
    yield "one-pixel-wide.png", png(1, 250, 8, 0, zlib.compress(bytes(500)))
    yield "one-pixel-high.png", png(250, 1, 8, 0, zlib.compress(bytes(251)))
    yield "no-pixels.png", png(0, 0, 8, 2, pixels)
    yield "says-four-thousand-million.png", png(2**32 - 1, 2**32 - 1, 8, 2, pixels)
    yield "negative.png", png(2**31, 2**31, 16, 6, pixels)
    yield "bomb.png", png(8, 8, 8, 0, zlib.compress(bytes(1 << 20), 9))
    yield "odd-depth.png", png(8, 8, 3, 5, pixels)
    yield "palette-of-none.png", png(8, 8, 8, 3, pixels, chunk(b"PLTE", b""))
    yield "no-palette.png", png(8, 8, 8, 3, pixels)
    yield "clear.png", png(8, 8, 8, 2, pixels, chunk(b"tRNS", b"\0" * 6))
    yield "two-headers.png", png(8, 8, 8, 0, pixels, chunk(b"IHDR", bytes(13)))
    yield "many-chunks.png", png(4, 4, 8, 0, pixels, *[chunk(b"tEXt", b"")] * 50)
    yield (
        "icc-bomb.png",
        png(4, 4, 8, 0, pixels, chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(9999)))),
    )
    yield (
        "text-bomb.png",
        png(4, 4, 8, 0, pixels, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(9999)))),
    )
    yield "exif.png", png(4, 4, 8, 0, pixels, chunk(b"eXIf", exif(1)[6:]))
    yield "animation-of-lies.png", png(4, 4, 8, 0, pixels, chunk(b"acTL", b"\xff" * 8))


def _jpegs() -> Iterator[tuple[str, bytes]]:
    jpeg = _file(_scene(), "JPEG")
    yield "progressive.jpg", _file(_scene(), "JPEG", progressive=True)
    yield "restarts.jpg", _file(_scene(), "JPEG", restart_marker_blocks=1)
    yield "exif.jpg", segment(jpeg, 0xE1, exif(1))
    yield "exif-of-many.jpg", segment(jpeg, 0xE1, exif(65535))
    yield "exif-in-circles.jpg", segment(jpeg, 0xE1, exif(1, 6, 0))
    yield "exif-outside.jpg", segment(jpeg, 0xE1, exif(1, 6, 2**32 - 1))
    yield "icc.jpg", segment(jpeg, 0xE2, b"ICC_PROFILE\0\x01\xff" + bytes(99))
    yield "adobe.jpg", segment(jpeg, 0xEE, b"Adobe\0\x64\0\0\0\0\x02")
    yield "no-tables.jpg", jpeg.replace(b"\xff\xc4", b"\xff\xfe", 1)
    yield "two-frames.jpg", jpeg[:-2] + jpeg[2:]
    yield "arithmetic.jpg", jpeg.replace(b"\xff\xc0", b"\xff\xc9", 1)
    yield "fill.jpg", jpeg[:2] + b"\xff" * 40 + jpeg[2:]
    at = jpeg.index(b"\xff\xc0") + 5
    yield "tall.jpg", jpeg[:at] + b"\xff\xff\x00\x01" + jpeg[at + 4 :]
    start = jpeg.index(b"\xff\xda")
    yield "many-scans.jpg", jpeg[:start] + jpeg[start:-2] * 30 + jpeg[-2:]


def _bmps() -> Iterator[tuple[str, bytes]]:
    yield "run-length.bmp", bmp(8, 8, 8, 1, b"\xff\0" * 20 + b"\0\1")
    yield "run-length-jump.bmp", bmp(8, 8, 8, 1, b"\0\2\xff\xff\0\1")
    yield "top-down.bmp", bmp(4, -4, 24, 0, bytes(48))
    yield "least.bmp", bmp(-(2**31), -(2**31), 24, 0, bytes(48))
    yield "masks.bmp", bmp(4, 4, 16, 3, bytes(48))
    yield "bits.bmp", bmp(4, 4, 7, 0, bytes(48))
    yield "offset.bmp", b"BM" + struct.pack("<IHHI", 99, 0, 0, 2**32 - 1) + bytes(60)


SIDE, FILE = 4096, 4 << 20
"""The longest side, and the largest file, that are taken."""


def costly_pictures() -> Iterator[tuple[str, bytes]]:
    """Files within all limits that cost as much as they can, and bombs."""
    scene = _scene()
    for name, depth, colour, row in (("rgba16", 16, 6, 8), ("rgba", 8, 6, 4)):
        pixels = zlib.compress(bytes((SIDE * row + 1) * SIDE), 1)
        yield f"{name}.png", png(SIDE, SIDE, depth, colour, pixels)
    pixels = zlib.compress(bytes((SIDE * 2 + 1) * SIDE), 1)
    yield "grey16.png", png(SIDE, SIDE, 16, 0, pixels, chunk(b"tRNS", b"\0\1"))
    yield "bomb.png", png(SIDE, SIDE, 8, 0, zlib.compress(bytes(256 << 20), 1))
    inks = _file(Image.new("CMYK", (SIDE, SIDE)), "JPEG")
    yield "turned-inks.jpg", segment(inks, 0xE1, exif(1, 5))
    grey = _file(Image.new("L", (SIDE, SIDE)), "JPEG", progressive=True)
    last = grey[grey.rindex(b"\xff\xda") : -2]
    yield "scans.jpg", grey[:-2] + last * (94 - grey.count(b"\xff\xda")) + grey[-2:]
    jpeg = _file(scene, "JPEG")
    for marker in (b"\xdb", b"\xee"):
        room = (FILE - len(jpeg)) // 4
        yield (
            f"segments-{marker.hex()}.jpg",
            jpeg[:2] + (b"\xff" + marker + b"\0\2") * room + jpeg[2:],
        )
    pixels = zlib.compress(bytes(20))
    for kind in (b"IDAT", b"PLTE"):
        many = chunk(kind, b"\0\0\0") * (FILE // 15 - 10)
        yield f"chunks-{kind.decode()}.png", png(4, 4, 8, 3, pixels, many)
    yield "run-length.bmp", bmp(SIDE, SIDE, 8, 1, b"\1\0" * (FILE // 2 - 50))


def costly_bodies() -> Iterator[tuple[str, str, bytes]]:
    """Name, media type and bytes of bodies that would become many times their size."""
    room = FILE + (100 << 10)
    form, document = "application/x-www-form-urlencoded", "application/json"
    yield "pairs", form, b"".join(b"%x=&" % number for number in range(room // 8))
    yield "one pair", form, b"a&" * (room // 2)
    yield "escapes", form, b"image=" + b"%41" * (room // 16)
    for part in (b"[],", b"{},", b"1,", b'"",', b"[["):
        yield f"JSON of {part.decode()}", document, b'{"a":[' + part * (room // len(part)) + b"1]}"
    names = b",".join(b'"%x":""' % number for number in range(room // 11))
    yield "JSON of names", document, b"{" + names + b"}"
    part = b'--a\r\nContent-Disposition: form-data; name="b"\r\n\r\n1\r\n'
    yield "parts", "multipart/form-data; boundary=a", part * (room // len(part))


def bodies() -> Seeds:
    """Bodies of every kind; the first byte chooses the media type."""
    picture = base64.b64encode(_file(_scene(), "JPEG")).decode()
    facts = {"image": picture, "brief": "书", "tags": "100,11", "pn": "0", "rn": "5"}
    form = "&".join(f"{name}={value}" for name, value in facts.items())
    multipart = "".join(
        f'--a\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{value}\r\n'
        for name, value, more in (
            ("brief", "x", ""), ("image", "abc", '; filename="a.jpg"'), ("tags", "1", ""),
        )
    )  # fmt: skip
    texts = {
        "form": f"\0{form}",
        "form-of-signs": "\0cont_sign=1,2;3,4&brief=%E4%B9%A6&tags=&pn=-1&rn=99999",
        "form-of-none": "\0&&&===&a&%&%4&%zz=%",
        "json": "\x01" + json.dumps(facts | {"tags": [100, 11], "pn": 3, "class_id1": None}),
        "json-of-depth": "\x01" + "[" * 200,
        "json-of-numbers": '\x01{"pn":1e999,"rn":-0,"tags":[1.5,true],"brief":NaN,"a":'
        + "9" * 99
        + "}",
        "json-of-halves": '\x01{"brief":"\\ud800","image":"\\u0000"}',
        "json-within-form": "\0" + json.dumps(facts),
        "multipart": f"\x02{multipart}--a--\r\n",
        "multipart-open": f"\x02{multipart}",
        "multipart-odd": '\x02--a\r\nContent-Disposition: form-data; name="brief"\r\n'
        "Content-Transfer-Encoding: base64\r\nContent-Type: a; charset=utf-7\r\n\r\n+\r\n--a--",
        "nothing": "\x03",
        "data-url": "\0image=data:image/jpeg;base64,/9j/",
    }
    return {name: text.encode() for name, text in texts.items()}


def private_bodies() -> Seeds:
    """Bodies of the private interface."""
    brief = base64.b64encode("书".encode()).decode()
    classes = base64.b64encode(struct.pack("<II", 100, 11)).decode()
    whole = {
        "appid": "a", "sub_lib": "1", "logid": 1, "from": "x", "format": "json", "image": "/9j/",
        "contsign": {"sign1": 1, "sign2": 2}, "contsigns": [{"sign1": 1, "sign2": "2"}],
        "features": [{"fea_id": 1000, "fea_data": brief}, {"fea_id": 999, "fea_data": classes}],
        "pn": 1, "rn": 2, "featureids": "1,3", "data": brief,
    }  # fmt: skip
    raw = whole | {"format": "", "features": [{"fea_id": "999", "fea_data": "\x64\0\0\0\1\0\0\0"}]}
    odd = {name: {"a": [None, -1, 1e9, True]} for name in whole}
    return {
        str(number): json.dumps(each).encode() for number, each in enumerate((whole, raw, odd, []))
    }


def requests() -> Seeds:
    """FeatureRequests."""
    whole = FeatureRequest(image=b"\xff\xd8\xff", query_sign="1")
    whole.info.texts.add(key="featureids", value="1,2")
    data = whole.SerializeToString()
    groups = b"\x0b" * 300  # groups within groups
    return {"whole": data, "cut": data[:-3], "long": b"\x0a\xff\xff\xff\xff\x0f", "deep": groups}


def archives() -> Seeds:
    """Tar archives; the first byte chooses the compression."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in ("a.jpg", "../b.jpg", "/c.jpg", "书" * 60 + ".png", ".hidden.jpg"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
        link = tarfile.TarInfo("link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        liar = tarfile.TarInfo("liar.jpg")
        liar.size = 1 << 40
        archive.addfile(liar, None)
    data = file.getvalue()
    sparse = bytearray(tarfile.TarInfo("s.jpg").tobuf(tarfile.GNU_FORMAT))
    sparse[156:157] = b"S"
    return {
        "tar": b"\0" + data,
        "gz": b"\x01" + gzip.compress(data),
        "gz-cut": b"\x01" + gzip.compress(data)[:-30],
        "bz2": b"\x02BZh9",
        "xz": b"\x03\xfd7zXZ\0",
        "sparse": b"\0" + bytes(sparse) + bytes(512),
    }


SIGNED = (
    b"bce-auth-v1/ak/2015-04-27T08:23:49Z/1800/host;x-bce-date/"
    + b"0" * 64
    + b"\n/rest/2.0/a%2Fb\n"
    b"a=1&b=%20+&authorization=x\nhost:localhost\nx-bce-date:2015-04-27T08:23:49Z\nContent-Type: a"
)
URLS = (
    "http://example.com/a.jpg?b=1#c\n/d e", "https://[::ffff:127.0.0.1]:443/\n//b/c",
    "http://0x7f.1/\nhttp://2130706433/", "http://图.example/书.jpg\nhttps://017700000001",
    "http://a@b:80/\n\\\\c", "file:///etc/passwd\n", "http://169.254.169.254/latest\n..//x",
    "127.0.0.1\n64:ff9b::7f00:1", "http://a%00b/%zz\n?%", "HTTP://EXAMPLE.COM:8080\n#", "::1%e\n",
)  # fmt: skip
ROWS = (
    '{"file":"a.jpg","brief":"书","tags":[1,2]}\n{"url":"http://a/b.jpg","id":3}\n\n[]\nnull\n{',
    '{"file":"../../etc/passwd"}\n{"file":""}\n{"file":"\\u0000"}\n{"file":{"a":1}}',
)
TABLES = (
    'file,brief,tags\na.jpg,"x, y","1,2"\n,,\n"unclosed\n',
    "url,class_id1,class_id2\nhttp://a/b.jpg,1,2,3,4\n",
)


def seeds() -> dict[str, Seeds]:
    """Seeds of every target."""
    return {
        "picture": pictures(),
        "body": bodies(),
        "base64": _numbered(
            "/9j/4AAQ", "data:image/png;base64,iVBO Rw0=", "a-_b=\r\n ", "====", "A"
        ),
        "private_body": private_bodies(),
        "protobuf": requests(),
        "signature": {"whole": SIGNED, "parts": b"bce-auth-v1/" + b"/" * 9, "none": b""},
        "url": _numbered(*URLS),
        "rows": _numbered(*ROWS),
        "table": _numbered(*TABLES),
        "archive": archives(),
        "template": _numbered(
            '{"id": "$stem", "$n": [1, "${folder}"]}', "$$ $name", "$path $gone", "$"
        ),
    }


def _numbered(*texts: str) -> Seeds:
    return {str(number): text.encode() for number, text in enumerate(texts)}
