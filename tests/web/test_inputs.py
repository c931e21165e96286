"""What clients send is read whatever form it has, and nothing sent raises but a TusouError."""

import asyncio
import base64
import json
import socket
import string
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import httpx
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from support.server import Caller, Server
from tusou.errors import Problem, TusouError
from tusou.services import SERVICES
from tusou.types import ClassFilter, ClassTerm, ContSign, Url
from tusou.web import bodies, inputs
from tusou.web.bodies import Fields, Value

FORM = "application/x-www-form-urlencoded"
BODY_LIMIT = (4 << 20) + (256 << 10)
# The machine is shared: an example that is slow once says nothing.
settings.register_profile(
    "inputs", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
PATIENT = settings(settings.get_profile("inputs"), max_examples=150)


class Body:
    """A request's body that comes in pieces; counts how many were asked for."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self.pieces = list(pieces)
        self.taken = 0

    async def receive(self) -> Message:
        piece = self.pieces[self.taken]
        self.taken += 1
        more = self.taken < len(self.pieces)
        return {"type": "http.request", "body": piece, "more_body": more}


def read(media: str | bytes | None, *pieces: bytes) -> Fields:
    headers = [] if media is None else [(b"content-type", _bytes(media))]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers, "app": object()}
    return asyncio.run(bodies.read_fields(Request(scope, Body(pieces or [b""]).receive)))


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")


def multipart(**options: Any) -> tuple[str, bytes]:
    """Media type and body as httpx writes them."""
    request = httpx.Request("POST", "http://a/", **options)
    return request.headers["content-type"], request.read()


def fields(**values: str) -> Fields:
    return Fields({name: Value(text.encode(), len(text)) for name, text in values.items()})


def problem(function: Any, *arguments: Any) -> Problem | None:
    """Why it is refused; None where it is taken."""
    try:
        function(*arguments)
    except TusouError as error:
        error.message.encode()  # and it can be told
        return error.problem
    return None


# Base64

QUIRKS = st.fixed_dictionaries(
    {
        "header": st.sampled_from(["", "data:image/jpeg;base64,", "DATA:,", " data:a;b;c,"]),
        "padding": st.booleans(),
        "urlsafe": st.booleans(),
        "line": st.sampled_from([None, 4, 60, 76]),
        "end": st.sampled_from(["\n", "\r\n"]),
        "blank": st.sampled_from(["", "\n", "\r\n", "\t"]),
        "spaces": st.booleans(),
    }
)


def written(data: bytes, quirks: Mapping[str, Any]) -> str:
    encode = base64.urlsafe_b64encode if quirks["urlsafe"] else base64.b64encode
    text = encode(data).decode()
    if not quirks["padding"]:
        text = text.rstrip("=")
    if quirks["line"]:
        size = quirks["line"]
        text = quirks["end"].join(text[at : at + size] for at in range(0, len(text), size))
    text = f"{quirks['blank']}{quirks['header']}{text}{quirks['blank']}"
    return text.replace("+", " ") if quirks["spaces"] else text


@given(st.binary(), QUIRKS)
@PATIENT
def test_base64_in_any_quirk_decodes_to_the_same_bytes(
    data: bytes, quirks: Mapping[str, Any]
) -> None:
    # A first "+" that became a blank may be taken for one; no picture file begins with such a byte.
    assume(not (quirks["spaces"] and base64.b64encode(data).startswith(b"+")))
    assert inputs.decode_base64(written(data, quirks).encode()) == data


@pytest.mark.parametrize("end", [b"\xfb\xef\xbe", b"\xff\xff\xfe"])
@pytest.mark.parametrize("count", range(4))
def test_a_last_plus_that_became_a_blank_is_not_lost(count: int, end: bytes) -> None:
    data = bytes(range(count)) + end
    text = base64.b64encode(data).replace(b"+", b" ")
    assert inputs.decode_base64(text) == data
    assert inputs.decode_base64(text.rstrip(b"=")) == data


@pytest.mark.parametrize("text", ["AAAA", "AAA=", "AA==", "/9j/4AAQ+/+="])
@pytest.mark.parametrize("form", ["{} ", " {}", "\n {} \n"])
def test_blanks_around_base64_are_none_of_it(text: str, form: str) -> None:
    assert inputs.decode_base64(form.format(text).encode()) == base64.b64decode(text)


@given(st.binary())
@PATIENT
def test_what_is_no_base64_is_refused(data: bytes) -> None:
    assert problem(inputs.decode_base64, data) in (None, Problem.BASE64)


# Fields in bodies

NAMES = st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=12)
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=80)
FORMS = st.dictionaries(NAMES, TEXTS, min_size=1, max_size=6)


def texts(read_fields: Fields) -> dict[str, str | None]:
    return {name: read_fields.text(name) for name in read_fields}


@given(FORMS, st.sampled_from([quote, quote_plus]), st.sampled_from([FORM, None, "text/plain"]))
@PATIENT
def test_text_survives_a_form(form: dict[str, str], escape: Any, media: str | None) -> None:
    body = urlencode(form, quote_via=escape).encode()
    assert texts(read(media, body)) == form


@given(FORMS, st.booleans(), st.sampled_from(["application/json", "Application/JSON; x=1", FORM]))
@PATIENT
def test_text_survives_json(form: dict[str, str], ascii_only: bool, media: str) -> None:
    body = json.dumps(form, ensure_ascii=ascii_only).encode()
    assert texts(read(media, body)) == form


@given(FORMS)
@PATIENT
def test_text_survives_multipart(form: dict[str, str]) -> None:
    media, body = multipart(files={name: (None, text) for name, text in form.items()})
    assert texts(read(media, body)) == form


@given(st.binary(min_size=1, max_size=5000), FORMS)
@PATIENT
def test_a_file_survives_multipart(data: bytes, form: dict[str, str]) -> None:
    assume("image" not in form)
    media, body = multipart(files={"image": ("a.jpg", data)}, data=form)
    sent = read(media, body)
    assert inputs.image(sent["image"]) == data
    assert {name: sent.text(name) for name in form} == form


@given(FORMS, st.integers(1, 9))
@PATIENT
def test_a_body_in_pieces_is_the_same_body(form: dict[str, str], size: int) -> None:
    body = urlencode(form).encode()
    assert texts(read(FORM, *(body[at : at + size] for at in range(0, len(body), size)))) == form


@pytest.mark.parametrize(
    ("media", "body"),
    [
        (FORM, b"a=1&" * 1000),
        ("application/json", json.dumps(dict.fromkeys(map(str, range(1001)), 1)).encode()),
        ("application/json", b'{"a":[' + b"1," * 200_000 + b"1]}"),
    ],
)
def test_parameters_and_values_are_counted_before_they_are_read(media: str, body: bytes) -> None:
    assert problem(read, media, body) is Problem.INVALID_PARAM


def test_reports_are_counted(server: Server, caller: Caller) -> None:
    path = "/rpc/2.0/feedback/v1/report"
    for number, code in ((100, None), (101, Problem.INVALID_PARAM.code)):
        sent = {"feedback": json.dumps([{"text": "x"}] * number)}
        assert caller.post(path, data=sent).get("error_code") == code


def test_the_first_of_a_name_counts() -> None:
    assert texts(read(FORM, b"a=1&a=2&&b&=3")) == {"a": "1", "b": None}


def test_an_empty_parameter_counts_as_not_sent() -> None:
    sent = read(FORM, b"brief=&tags=&pn=&image=&url=")
    assert inputs.brief(sent) is None
    assert inputs.classes(sent, SERVICES["similar"]) == (None, None)
    assert inputs.page(sent, SERVICES["similar"]) == (0, 300)
    assert problem(inputs.picture, sent) is Problem.IMAGE_EMPTY
    assert problem(inputs.picture, read(FORM, b"url=")) is Problem.MISSING_PARAM


def test_json_values_become_what_a_form_would_hold() -> None:
    sent = read("application/json", b'{"a": 1, "b": [1, "2"], "c": null, "d": {"e": [1]}, "f": ""}')
    assert texts(sent) == {"a": "1", "b": "1,2", "d": '{"e": [1]}', "f": None}


# Nothing raises but a TusouError

MEDIA = st.sampled_from(
    [
        None,
        FORM,
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=a",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary="a',
        "multipart/form-data; boundary=a; charset=utf-16",
        "multipart/form-data; boundary=a; charset=punycode",
        "multipart/form-data; boundary=a; charset=nothing",
        "Multipart/Form-Data; Boundary=a",
        b"\xff",
    ]
)
PIECES = st.sampled_from(
    [
        b"--a\r\n",
        b"--a--",
        b"\r\n",
        b'Content-Disposition: form-data; name="image"',
        b'Content-Disposition: form-data; name="image"; filename="\xff"',
        b"Content-Disposition: form-data",
        b"Content-Type: text/plain; charset=x",
        b": ",
        b'{"image": ',
        b'"\\ud800"',
        b"[[",
        b"1e999",
        b"}",
        b"image=%",
        b"&brief=%zz%ff&",
        b"\x00\xff",
        b"\xff\xfe{",
    ]
)
BODIES = st.binary(max_size=300) | st.lists(PIECES | st.binary(max_size=9)).map(b"".join)


def use(sent: Fields) -> None:
    """Read every parameter, as the calls do."""
    for service in SERVICES.values():
        for of_service in (inputs.classes, inputs.class_filter, inputs.page):
            problem(of_service, sent, service)
    for reader in (inputs.picture, inputs.update_signs, inputs.delete_signs, inputs.required_brief):
        problem(reader, sent)


@given(MEDIA, BODIES)
@settings(PATIENT, max_examples=600)
def test_any_body_is_read_or_refused(media: str | bytes | None, body: bytes) -> None:
    refused = problem(read, media, body)
    assert refused in (None, Problem.INVALID_PARAM)
    if refused is None:
        use(read(media, body))


PARAMETERS = st.sampled_from(
    ["image", "url", "cont_sign", "brief", "tags", "tag_logic", "pn", "rn", "class_id1"]
)
NUMBERS = st.integers().map(lambda number: str(number).encode())


@given(st.dictionaries(PARAMETERS, st.binary(max_size=40) | NUMBERS))
@settings(PATIENT, max_examples=300)
def test_any_parameters_are_read_or_refused(values: dict[str, bytes]) -> None:
    use(Fields({name: Value(data, len(data)) for name, data in values.items()}))


@pytest.mark.parametrize("depth", [100, 900, 960, 980, 1000, 10_000, 200_000])
def test_json_of_any_depth_is_read_or_refused(depth: int) -> None:
    for count in range(depth, depth + 20):
        body = b'{"brief":' + b"[" * count + b"]" * count + b"}"
        assert problem(read, "application/json", body) in (None, Problem.INVALID_PARAM)


# Limits


def test_a_body_at_the_limit_is_read_and_one_byte_more_refused() -> None:
    def body(size: int) -> bytes:
        return b"image=".ljust(size, b"A")

    assert len(read(FORM, body(BODY_LIMIT))["image"].data) == BODY_LIMIT - 6
    assert problem(read, FORM, body(BODY_LIMIT + 1)) is Problem.IMAGE_SIZE
    half = BODY_LIMIT // 2 + 1
    assert problem(read, FORM, body(half), body(half)) is Problem.IMAGE_SIZE


@pytest.mark.parametrize("sent", [0, 1])
def test_an_image_has_4_mib_at_most_as_sent(sent: int) -> None:
    size = (4 << 20) + sent
    for value in (
        Value(b"A" * size, size),
        Value(bytes(size), size, is_file=True),
        Value(b"A" * 400, size),  # escaped, as it was sent
    ):
        if sent:
            assert problem(inputs.image, value) is Problem.IMAGE_SIZE
        else:
            assert inputs.image(value)


def test_a_body_too_long_is_drained_so_that_its_sender_reads_the_answer() -> None:
    body = Body([bytes(1 << 20)] * 20)
    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    with pytest.raises(TusouError) as caught:
        asyncio.run(bodies.read_fields(Request(scope, body.receive)))
    assert caught.value.problem is Problem.IMAGE_SIZE
    assert body.taken == 20


def test_a_body_without_end_is_not_drained_for_ever() -> None:
    body = Body([bytes(1 << 20)] * 1000)
    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    with pytest.raises(TusouError):
        asyncio.run(bodies.read_fields(Request(scope, body.receive)))
    assert body.taken < 100


# Parameters


def test_pages_by_default_and_to_the_limit() -> None:
    for service in SERVICES.values():
        most = service.most_results
        assert inputs.page(Fields(), service) == (0, service.default_results)
        assert inputs.page(fields(pn=str(most - 1), rn=str(most)), service) == (most - 1, most)
        for wrong in (fields(pn=str(most)), fields(rn=str(most + 1)), fields(rn="0")):
            assert problem(inputs.page, wrong, service) is Problem.INVALID_PARAM
    defaults = {name: service.default_results for name, service in SERVICES.items()}
    assert defaults == {
        "same_hq": 300,
        "similar": 300,
        "product": 300,
        "picturebook": 1,
        "materiel": 1,
    }


@given(st.integers(-(10**6), 10**6))
@PATIENT
def test_a_class_is_taken_from_1_to_65535_and_nothing_else(number: int) -> None:
    for name in ("similar", "product"):
        sent = fields(**{SERVICES[name].class_fields[0]: str(number)})
        if 1 <= number <= 65535:
            assert inputs.classes(sent, SERVICES[name])[0] == number
        else:
            assert problem(inputs.classes, sent, SERVICES[name]) is Problem.INVALID_PARAM


def test_filters_are_conditions_on_either_class_or_on_their_own() -> None:
    similar, product = SERVICES["similar"], SERVICES["product"]
    assert inputs.class_filter(Fields(), similar) is None
    assert inputs.class_filter(fields(tags="3,4"), similar) == ClassFilter(
        (ClassTerm(3, None), ClassTerm(4, None)), "all"
    )
    assert inputs.class_filter(fields(tags="3", tag_logic="1"), similar) == ClassFilter(
        (ClassTerm(3, None),), "any"
    )
    assert inputs.class_filter(fields(class_id2="4"), product) == ClassFilter(
        (ClassTerm(4, 1),), "all"
    )
    assert inputs.class_filter(fields(tags="3,4"), product) == ClassFilter(
        (ClassTerm(3, 0), ClassTerm(4, 1)), "all"
    )


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)), min_size=1))
@PATIENT
def test_signs_are_read_once_each_in_their_order(pairs: list[tuple[int, int]]) -> None:
    assume(len(pairs) <= 100)
    sent = fields(cont_sign=" ; ".join(f"{high} , {low}" for high, low in pairs) + ";")
    signs = tuple(ContSign(*pair) for pair in dict.fromkeys(pairs))
    assert inputs.delete_signs(sent) == signs
    if len(pairs) == 1:
        assert inputs.update_signs(sent) == signs


def test_an_image_comes_before_a_url_and_a_url_before_a_sign() -> None:
    everything = {"image": "AAAA", "url": "http://a/", "cont_sign": "1,2"}
    assert inputs.delete_signs(fields(**everything)) == bytes(3)
    assert inputs.delete_signs(fields(**everything | {"image": ""})) == Url("http://a/")
    without = everything | {"image": "", "url": ""}
    assert inputs.delete_signs(fields(**without)) == (ContSign(1, 2),)


def test_a_url_has_1024_bytes_at_most() -> None:
    url = "http://a/".ljust(1024, "x")
    assert inputs.picture(fields(url=url)) == url
    assert problem(inputs.picture, fields(url=url + "x")) is Problem.PARAM_TOO_LONG
    chinese = "http://a/" + "字" * 339  # 1026 bytes in fewer characters
    assert problem(inputs.picture, fields(url=chinese)) is Problem.PARAM_TOO_LONG


def test_an_upload_called_off_is_no_failure_of_the_server(server: Server, caller: Caller) -> None:
    path = f"/rest/2.0/realtime_search/same_hq/add?access_token={caller.token}"
    host, port = server.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            f"POST {path} HTTP/1.1\r\nHost: x\r\n"
            "X-Called: off\r\nContent-Length: 1000\r\n\r\nimage=".encode()
        )
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if any("went away" in str(line.get("detail")) for line in server.log_lines()):
            break
        time.sleep(0.05)
    else:
        raise AssertionError("the log does not tell")
    assert not [
        line for line in server.log_lines() if "trace" in line and "Disconnect" in str(line)
    ]
