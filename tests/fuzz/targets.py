"""What is fuzzed: each target takes any bytes, and raises only where tusou has a fault."""

import asyncio
import contextlib
import os
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from starlette.requests import Request
from starlette.types import Message as Part

from tusou.accounts.signatures import Claim, SignedRequest, signed_with
from tusou.errors import TusouError
from tusou.images.addresses import is_allowed
from tusou.images.decode import decode
from tusou.images.urls import Target
from tusou.intake import briefs
from tusou.intake.sources import Entry, open_source
from tusou.services import SERVICES
from tusou.web import bodies, inputs
from tusou.web.private import features
from tusou.web.private import inputs as private

ANY_SERVICE = replace(SERVICES["materiel"], largest_aspect=None)
"""Takes all that a service may take: sides of 1–4096 pixels, any aspect."""
_SMALL = replace(ANY_SERVICE, longest_side=256)
"""The same faults are found in small pictures, a hundred times as fast."""
_LOOP = asyncio.new_event_loop()
"""One for all: to make one takes longer than most bodies do."""
_MEDIA = (
    "application/x-www-form-urlencoded",
    "application/json",
    "multipart/form-data; boundary=a",
    "multipart/form-data",
    "text/plain",
)


def picture(data: bytes) -> None:
    """Decoding, of any container; of a PNG also with its checksums put right, or none is passed."""
    for file in {data, _mended(data)}:
        with contextlib.suppress(TusouError):
            seen = decode(file, _SMALL)
            assert seen.rgb.shape == (seen.height, seen.width, 3)
            assert seen.rgb.flags.c_contiguous


def body(data: bytes) -> None:
    """A body of any kind, and every parameter in it; the first byte chooses the media type."""
    media = _MEDIA[data[0] % len(_MEDIA)] if data else ""
    with contextlib.suppress(TusouError):
        _look_at(_LOOP.run_until_complete(bodies.read_fields(_request(media, data[1:]))))


def base64(data: bytes) -> None:
    """The picture parameter."""
    with contextlib.suppress(TusouError):
        assert len(inputs.decode_base64(data)) <= len(data)


def private_body(data: bytes) -> None:
    """A body of the private interface, and every field in it."""
    with contextlib.suppress(TusouError):
        message = private.Message.parse(data)
        for read in (
            private.sender, private.name, private.required_brief, private.classes,
            private.required_picture, private.update_source, private.remove_source,
            lambda message: private.page(message, ANY_SERVICE),
            lambda message: private.feature_numbers(message.text("featureids") or "", (1, 2, 3)),
            features.request_of,
        ):  # fmt: skip
            with contextlib.suppress(TusouError):
                read(message)


def protobuf(data: bytes) -> None:
    """A FeatureRequest."""
    message = private.Message({"data": data.decode("latin-1")}, as_base64=False)
    with contextlib.suppress(TusouError):
        request = features.request_of(message)
        for text in request.info.texts:
            private.feature_numbers(text.value, (1, 2, 3))


def signature(data: bytes) -> None:
    """An authorization header, and the request it signs: a line each, then its headers."""
    head, path, query, *headers = [*data.split(b"\n"), b"", b"", b""][:40]
    pairs = [(name.lower(), value) for name, _, value in (line.partition(b":") for line in headers)]
    with contextlib.suppress(TusouError):
        claim = Claim.parse(head.decode("latin-1"))
        claim.made()
        request = SignedRequest("POST", path, query, pairs, (b"localhost", b"a"))
        assert not signed_with("a key nobody knows", claim, request)


def url(data: bytes) -> None:
    """A picture's URL; a redirect from it to what follows a line's end; the same as addresses."""
    first, _, rest = data.partition(b"\n")
    text = first.decode("utf-8", errors="surrogateescape")
    for address in (text, rest.decode("latin-1")):
        with contextlib.suppress(ValueError):
            is_allowed(address)
    with contextlib.suppress(TusouError):
        target = Target.parse(text)
        _check(target)
        _check(target.redirect(rest))


def rows(data: bytes) -> None:
    """A manifest as JSON lines."""
    _bring("jsonl", data)


def table(data: bytes) -> None:
    """A manifest as CSV."""
    _bring("csv", data)


def archive(data: bytes) -> None:
    """A tar archive; the first byte chooses its compression."""
    _bring(("tar", "tar.gz", "tar.bz2", "tar.xz")[data[0] % 4] if data else "tar", data[1:])


def template(data: bytes) -> None:
    """A template of briefs."""
    with contextlib.suppress(ValueError):
        briefs.template(data.decode(errors="replace"))(Entry("a/b.jpg", None, row={"n": "1"}))


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        picture, body, base64, private_body, protobuf, signature, url, rows, table, archive,
        template,
    )
}  # fmt: skip


def _mended(data: bytes) -> bytes:
    file, at = bytearray(data), 8
    while data.startswith(b"\x89PNG") and at + 12 <= len(file):
        end = at + 8 + int.from_bytes(file[at : at + 4], "big")
        file[end : end + 4] = zlib.crc32(file[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(file)


def _look_at(fields: bodies.Fields) -> None:
    for service in SERVICES.values():
        for read in (
            lambda fields, _: inputs.required_brief(fields),
            inputs.classes, inputs.changed_classes, inputs.class_filter, inputs.page,
            lambda fields, _: inputs.picture(fields),
            lambda fields, _: inputs.delete_signs(fields),
        ):  # fmt: skip
            with contextlib.suppress(TusouError):
                read(fields, service)


def _request(media: str, content: bytes) -> Request:
    async def receive() -> Part:
        return {"type": "http.request", "body": content, "more_body": False}

    headers = [(b"content-type", media.encode())]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


def _check(target: Target) -> None:
    assert str(target).isascii()
    assert str(target).isprintable()
    assert " " not in str(target)
    assert Target.parse(str(target)) == target or len(str(target)) > 1024


def _bring(suffix: str, data: bytes) -> None:
    with tempfile.TemporaryDirectory(
        dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    ) as folder:
        path = Path(folder) / f"a.{suffix}"
        path.write_bytes(data)
        with contextlib.suppress(ValueError):
            source = open_source(path)
            source.count()
            for number, entry in enumerate(source.entries(lambda _: False)):
                assert entry.key
                if number < 100 and entry.read is not None:
                    with contextlib.suppress(OSError, ValueError):
                        assert len(entry.read()) <= (4 << 20) + 1
