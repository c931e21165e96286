"""Request signatures: what official clients make holds, and nothing else does."""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

import pytest
from baidubce.auth import bce_credentials, bce_v1_signer
from hypothesis import given
from hypothesis import strategies as st

from support.clock import Clock
from tusou.accounts.apps import App, Apps
from tusou.accounts.signatures import (
    Claim,
    Signatures,
    SignedRequest,
    canonical_requests,
    signed_with,
)
from tusou.errors import Problem, TusouError

AK, SK = "0b0f67dfb88244b289b72b142befad0c", "bad522c2126a4618a8125f4b6cf6356f"
T = "2015-04-27T08:23:49Z"
DATE = ("x-bce-date", T)
FORM = ("content-type", "application/x-www-form-urlencoded")
SAME = "/rest/2.0/realtime_search/same_hq/search"
PRODUCT = "/rest/2.0/image-classify/v1/realtime_search/product/"
SIMILAR = "/rest/2.0/image-classify/v1/realtime_search/similar/search"
FILE = "/v1/test/myfolder/readme.txt?partNumber=9&uploadId=VXBsb2FkIElpZXMgbWVlZ"
FILE_HEADERS = (
    ("host", "bj.bcebos.com"),
    ("date", "Mon, 27 Apr 2015 16:23:49 +0800"),
    ("content-type", "text/plain"),
    ("content-length", "8"),
    ("content-md5", "NFzcPqhviddjRNnSOGo4rw=="),
    DATE,
)
BAIDU = ("host", "aip.baidubce.com")
AIP_QUERY = "?aipSdk=python&aipVersion=4.15.13"
AIP_DATE = ("x-bce-date", "2026-01-02T03:04:05Z")
AIP = "bce-auth-v1/AK123/2026-01-02T03:04:05Z/1800/host;x-bce-date/"


def request(method: str, target: str, *headers: tuple[str, str]) -> SignedRequest:
    """A request as a server receives it."""
    path, _, query = target.partition("?")
    lines = tuple((name.encode(), value.encode()) for name, value in headers)
    return SignedRequest(
        method, path.encode(), query.encode(), lines, (dict(lines).get(b"host", b""),)
    )


# Shared contract, wire facts, section 4: all made by the official clients.
VECTORS = {
    "V0, default headers": (
        request("PUT", FILE, *FILE_HEADERS),
        SK,
        f"bce-auth-v1/{AK}/{T}/1800//"
        "944ea98dcab6b759e60a58699b88dfa4809bae4164c0d438260cd5166ff08ef1",
    ),
    "V1, GET": (
        request("GET", FILE, *FILE_HEADERS),
        SK,
        f"bce-auth-v1/{AK}/{T}/1800//"
        "b8f960f5f31a5e78b0015fa0d42ad20e54eb7180c5f5d8a8c8c25ed26e6fab77",
    ),
    "V2, two headers": (
        request("POST", SAME, BAIDU, FORM, DATE),
        SK,
        f"bce-auth-v1/{AK}/{T}/1800/host;x-bce-date/"
        "0241b3bc35ee1a45ba4d910bd1bbc5b93ce5cb86508827e90229258ef0b07474",
    ),
    "V3, x-bce-date signed, not listed": (
        request("POST", SAME, ("host", "127.0.0.1:8080"), DATE),
        SK,
        f"bce-auth-v1/{AK}/{T}/1800/host/"
        "de30dd92caeef8181a49abbd87b63efea7aae148f1f17ac0cc8cd79ed89cfa61",
    ),
    "V4, names unsorted, an hour": (
        request("POST", f"{PRODUCT}search{AIP_QUERY}", BAIDU, FORM, DATE),
        SK,
        f"bce-auth-v1/{AK}/{T}/3600/x-bce-date;host;content-type/"
        "2d8a5d784dbd4efacd0e8b20a62053a000c31cb90b38a1abe441ea21f0d6f1ad",
    ),
    "V5, a query of everything": (
        request(
            "GET",
            "/v1/libs?"
            + urlencode({"name": "绘本 图库~", "a": "x/y+z=1&2"}, quote_via=quote)
            + "&empty",
            ("host", "localhost:8080"),
        ),
        SK,
        f"bce-auth-v1/{AK}/{T}/1800//"
        "90b6d63a17f559b753b71a0b1e2fc51bcdefd04bdaf0a6fd13d0ab542b3458c3",
    ),
    "V6, an empty body": (
        request("POST", "/v1/libs", ("host", "localhost:8080"), ("content-length", "0"), DATE),
        SK,
        f"bce-auth-v1/{AK}/{T}/1800//"
        "471701a199be0c954161b7b31b41abcb69a082a50e30d3f010be0f833021126a",
    ),
    "baidu-aip, delete": (
        request("POST", f"{PRODUCT}delete{AIP_QUERY}", BAIDU, FORM, AIP_DATE),
        "SK456",
        AIP + "4eb00bf8a91f0eda7cac7cd5c0998e8ecd7dd2dda8aa6973aafcb181a7543f54",
    ),
    "baidu-aip, search": (
        request("POST", f"{PRODUCT}search{AIP_QUERY}", BAIDU, FORM, AIP_DATE),
        "SK456",
        AIP + "0cd3b15113f42fd0725759c0cfe26ca81c65593ab33d32c20ecca79af4345043",
    ),
    "baidu-aip, a host of one's own": (
        request("POST", f"{PRODUCT}search{AIP_QUERY}", ("host", "127.0.0.1"), FORM, AIP_DATE),
        "SK456",
        AIP + "74521edd8d0a61017bbce76bbceb4f3e959e2cadd48589c8f3ca57a33db210ee",
    ),
    "baidu-aip-sdk": (
        request(
            "POST",
            f"{SIMILAR}?aipSdk=node",
            BAIDU,
            FORM,
            ("x-bce-date", "2026-11-22T02:20:54Z"),
        ),
        "SK456",
        "bce-auth-v1/AK123/2026-11-22T02:20:54Z/1800/content-type;host;x-bce-date/"
        "2be64554375bf51b737170381ccead5b05c1ed6ab57d7262344a184f72cf807b",
    ),
}


@pytest.mark.parametrize(("signed", "secret", "header"), VECTORS.values(), ids=VECTORS)
def test_what_official_clients_made_holds(signed: SignedRequest, secret: str, header: str) -> None:
    assert signed_with(secret, Claim.parse(header), signed)


CHANGES: dict[str, Callable[[SignedRequest], SignedRequest]] = {
    "method": lambda signed: replace(signed, method="DELETE"),
    "path": lambda signed: replace(signed, path=signed.path + b"/x"),
    "query": lambda signed: replace(signed, query=signed.query + b"&rn=1"),
    "host": lambda signed: replace(signed, hosts=(b"other.example",)),
    "no host": lambda signed: replace(signed, hosts=()),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize(("signed", "secret", "header"), VECTORS.values(), ids=VECTORS)
def test_whatever_is_changed_breaks_the_signature(
    signed: SignedRequest,
    secret: str,
    header: str,
    change: Callable[[SignedRequest], SignedRequest],
) -> None:
    claim = Claim.parse(header)
    assert not signed_with(secret, claim, change(signed))
    assert not signed_with(secret + "x", claim, signed)
    for number in range(len(claim.signature)):
        other = "0" if claim.signature[number] != "0" else "1"
        changed = claim.signature[:number] + other + claim.signature[number + 1 :]
        assert not signed_with(secret, replace(claim, signature=changed), signed)
    for signature in ("", claim.signature[:-1], claim.signature + "0", "é" * 64):
        assert not signed_with(secret, replace(claim, signature=signature), signed)


def test_a_header_that_was_signed_cannot_be_changed() -> None:
    for title, name in (
        ("V0, default headers", b"content-md5"),
        ("V3, x-bce-date signed, not listed", b"x-bce-date"),
    ):
        signed, secret, header = VECTORS[title]
        headers = [(key, b"other" if key == name else value) for key, value in signed.headers]
        assert not signed_with(secret, Claim.parse(header), replace(signed, headers=headers))


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("V2, two headers", f"POST\n{SAME}\n\nhost:aip.baidubce.com\nx-bce-date:{quote(T, '')}"),
        (
            "V5, a query of everything",
            "GET\n/v1/libs\na=x%2Fy%2Bz%3D1%262&empty="
            "&name=%E7%BB%98%E6%9C%AC%20%E5%9B%BE%E5%BA%93~\nhost:localhost%3A8080",
        ),
    ],
)
def test_what_is_signed_is_the_text_of_the_rules(title: str, words: str) -> None:
    signed, _, header = VECTORS[title]
    assert next(canonical_requests(Claim.parse(header).signed, signed)).decode() == words


# Against the official signer, whatever is signed

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
TOKENS = st.text("abcxyz-", min_size=1, max_size=6)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)


@given(
    query=st.dictionaries(NAMES.filter(lambda name: name.lower() != "authorization"), TEXTS),
    extra=st.dictionaries(TOKENS.map("x-bce-".__add__), VALUES),
    listed=st.sampled_from([None, ["host"], ["Content-Type", "host", "x-bce-date"]]),
    path=st.lists(TEXTS.filter(lambda part: "/" not in part), max_size=3),
    space=st.sampled_from(["%20", "+"]),
)
def test_whatever_the_official_signer_signs_holds(
    query: dict[str, str],
    extra: dict[str, str],
    listed: list[str] | None,
    path: list[str],
    space: str,
) -> None:
    raw = quote("/" + "/".join(path), safe="/~")
    headers = {"Host": "search.example:8080", "Content-Type": "text/plain", "x-bce-date": T}
    headers |= extra
    header = bce_v1_signer.sign(
        bce_credentials.BceCredentials(AK, SK),
        b"POST",
        raw.encode(),
        {name.encode(): value.encode() for name, value in headers.items()},
        {name.encode(): value.encode() for name, value in query.items()},
        timestamp=1430123029,
        headers_to_sign=None if listed is None else {name.encode() for name in listed},
    ).decode()
    sent = urlencode(query, quote_via=quote, safe="~").replace("%20", space)
    lines = tuple((name.lower(), value) for name, value in headers.items())
    assert signed_with(SK, Claim.parse(header), request("POST", f"{raw}?{sent}", *lines))


@given(st.dictionaries(NAMES.filter(lambda name: name.lower() != "authorization"), TEXTS))
def test_the_python_clients_way_with_spaces_holds(query: dict[str, str]) -> None:
    """The official client for image search signs its query as it sends it (aip/base.py)."""
    prefix = f"bce-auth-v1/{AK}/{T}/1800"
    sent = urlencode(query)
    text = "\n".join(
        [
            "POST",
            SAME,
            "&".join(sorted(sent.split("&"))),
            "host:a.example",
            f"x-bce-date:{quote(T, '')}",
        ]
    )
    key = hmac.new(SK.encode(), prefix.encode(), hashlib.sha256).hexdigest()
    signature = hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()
    claim = Claim.parse(f"{prefix}/host;x-bce-date/{signature}")
    assert signed_with(SK, claim, request("POST", f"{SAME}?{sent}", ("host", "a.example"), DATE))


# Who it is, and until when


def _stamp(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Signer:
    """An application that signs, and the register that knows it."""

    def __init__(self, apps: Apps, clock: Clock) -> None:
        self.app, self.secret = apps.create("shop", ["similar"])
        self.clock = clock
        self.signatures = Signatures(apps, skew=300, longest=3600, clock=clock)

    def header(self, made: float | None = None, seconds: int = 1800, secret: str = "") -> str:
        """The header of a search that was signed some time ago."""
        header = bce_v1_signer.sign(
            bce_credentials.BceCredentials(self.app.api_key, secret or self.secret),
            b"POST",
            SIMILAR.encode(),
            {b"host": b"a.example"},
            {},
            timestamp=int(self.clock.now if made is None else made),
            expiration_in_seconds=seconds,
            headers_to_sign={b"host"},
        )
        return str(header.decode())

    def signer(self, header: str, hosts: Sequence[bytes] = (b"a.example",)) -> App:
        return self.signatures.signer(
            header, replace(request("POST", SIMILAR, ("host", "a.example")), hosts=hosts)
        )

    def refused(self, header: str) -> str:
        """What is said to a header that must not hold."""
        with pytest.raises(TusouError) as caught:
            self.signer(header)
        assert caught.value.problem is Problem.SIGNATURE
        assert self.secret not in caught.value.message
        return caught.value.message


@pytest.fixture
def signer(apps: Apps, clock: Clock) -> Signer:
    return Signer(apps, clock)


def test_a_signature_leads_to_its_application(signer: Signer) -> None:
    assert signer.signer(signer.header()) == signer.app
    assert signer.signer(signer.header(), (b"inner:8080", b"a.example")) == signer.app


def test_a_signature_holds_from_a_little_ahead_until_it_ends(signer: Signer) -> None:
    made = signer.clock.now
    header = signer.header(made, 60)
    for moment, held in ((-301, False), (-300, True), (0, True), (60, True), (61, False)):
        signer.clock.now = made + moment
        if held:
            assert signer.signer(header) == signer.app
        else:
            words = signer.refused(header)
            assert _stamp(made) in words
            assert _stamp(signer.clock.now) in words


def test_a_signature_for_years_is_taken_for_an_hour(signer: Signer) -> None:
    made = signer.clock.now
    header = signer.header(made, 10 * 365 * 86_400)
    signer.clock.now = made + 3600
    assert signer.signer(header) == signer.app
    signer.clock.now += 1
    assert "3600 at most" in signer.refused(header)


def test_an_unknown_key_and_a_wrong_secret_are_told_alike(signer: Signer) -> None:
    header = signer.header()
    wrong = signer.refused(signer.header(secret="other"))
    assert signer.refused(header.replace(signer.app.api_key, "nobody")) == wrong


BROKEN = {
    "not this scheme": ("Bearer abc", "must be bce-auth-v1/"),
    "another version": ("bce-auth-v2/{ak}/{t}/1800/host/00", "must be bce-auth-v1/"),
    "a part too few": ("bce-auth-v1/{ak}/{t}/1800/host", "must be bce-auth-v1/"),
    "a part too many": ("bce-auth-v1/{ak}/{t}/1800/host/00/00", "must be bce-auth-v1/"),
    "no key": ("bce-auth-v1//{t}/1800/host/00", "must be bce-auth-v1/"),
    "no time": ("bce-auth-v1/{ak}//1800/host/00", "must be UTC"),
    "no such time": ("bce-auth-v1/{ak}/2026-02-30T00:00:00Z/1800/host/00", "must be UTC"),
    "words for seconds": ("bce-auth-v1/{ak}/{t}/long/host/00", "seconds"),
    "negative seconds": ("bce-auth-v1/{ak}/{t}/-1/host/00", "seconds"),
    "endless seconds": ("bce-auth-v1/{ak}/{t}/" + "9" * 400 + "/host/00", "seconds"),
    "host not signed": ("bce-auth-v1/{ak}/{t}/1800/x-bce-date/00", "host header must be"),
    "no signature": ("bce-auth-v1/{ak}/{t}/1800/host/", "another signature"),
    "an odd signature": ("bce-auth-v1/{ak}/{t}/1800/host/\udcff", "another signature"),
}


@pytest.mark.parametrize(("header", "words"), BROKEN.values(), ids=BROKEN)
def test_a_header_that_makes_no_sense_is_told_in_plain_words(
    signer: Signer, header: str, words: str
) -> None:
    told = signer.refused(header.format(ak=signer.app.api_key, t=_stamp(signer.clock.now)))
    assert told.startswith("IAM Certification failed: ")
    assert words in told


@given(st.text())
def test_any_header_is_read_or_refused(header: str) -> None:
    for text in (header, f"bce-auth-v1/{header}", f"bce-auth-v1/a/{T}/1/{header}/b"):
        with pytest.raises(TusouError) as caught:
            claim = Claim.parse(text)
            claim.made()
            if not signed_with(SK, claim, request("POST", SAME, BAIDU)):
                raise TusouError(Problem.SIGNATURE)
        assert caught.value.problem is Problem.SIGNATURE


@pytest.mark.parametrize("end", ["disable", "delete"])
def test_an_application_that_was_stopped_is_told_so_only_to_who_has_its_secret(
    signer: Signer, apps: Apps, end: str
) -> None:
    if end == "disable":
        apps.enable(signer.app.id, False)
    else:
        apps.delete(signer.app.id)
    with pytest.raises(TusouError) as caught:
        signer.signer(signer.header())
    assert caught.value.problem is Problem.APP_GONE
    signer.refused(signer.header(secret="other"))


def test_a_new_key_ends_signatures_of_the_old_one(signer: Signer, apps: Apps) -> None:
    header = signer.header()
    renewed = apps.reset_key(signer.app.id)
    signer.refused(header)
    assert signer.signer(signer.header(secret=renewed)) == signer.app
