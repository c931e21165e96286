"""Fetching: what comes back from honest servers, and how little others can do."""

import datetime
import ipaddress
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpcore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tusou.errors import Problem, TusouError
from tusou.images.fetch import _PROBLEMS, MOST_REDIRECTS, Fetcher

Answer = bytes | Callable[[socket.socket], None]
"""What a site sends when it has read a request: bytes, or as it pleases."""
LOOPBACK = "127.0.0.0/8"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"


class Site(socketserver.ThreadingTCPServer):
    """A server on this machine; keeps what it was asked."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: str, port: int, tls: ssl.SSLContext | None) -> None:
        self.answers: dict[str, Answer] = {}
        self.requests: list[str] = []
        self.connections = 0
        self.tls = tls
        super().__init__((address, port), _Handler)

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{path}"

    @property
    def paths(self) -> list[str]:
        return [request.split()[1] for request in self.requests]


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        site = self.server
        assert isinstance(site, Site)
        site.connections += 1
        with suppress(OSError):
            connection = self.request
            if site.tls:
                connection = site.tls.wrap_socket(connection, server_side=True)
            with connection:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    part = connection.recv(65536)
                    if not part or not (head + part).startswith(b"GET"):
                        return  # such as a TLS greeting
                    head += part
                site.requests.append(head.decode())
                answer = site.answers.get(head.split()[1].decode(), OK)
                if isinstance(answer, bytes):
                    connection.sendall(answer)
                else:
                    answer(connection)


@contextmanager
def _serving(
    address: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[Site]:
    with Site(address, port, tls) as site:
        thread = threading.Thread(target=site.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield site
        finally:
            site.shutdown()
            thread.join()


@contextmanager
def _fetching(*allowed: str, **options: Any) -> Iterator[Fetcher]:
    networks = [ipaddress.ip_network(network) for network in allowed]
    fetcher = Fetcher(allowed_networks=networks, **options)
    try:
        yield fetcher
    finally:
        fetcher.close()


@pytest.fixture
def site() -> Iterator[Site]:
    with _serving() as site:
        yield site


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    with _fetching(LOOPBACK, seconds=5) as fetcher:
        yield fetcher


def _problem(fetcher: Fetcher, url: str) -> Problem:
    with pytest.raises(TusouError) as caught:
        fetcher.fetch(url)
    return caught.value.problem


def _redirect(location: str, status: int = 302, more: str = "") -> bytes:
    return (
        f"HTTP/1.1 {status} Go\r\nLocation: {location}\r\n{more}Content-Length: 0\r\n\r\n".encode()
    )


class Names:
    """A resolver with its own idea of names; each lookup of a name takes its next answer."""

    def __init__(self, **answers: Sequence[Iterable[str]]) -> None:
        self.answers = {name: iter(rounds) for name, rounds in answers.items()}
        self.asked: list[str] = []

    def __call__(self, host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        self.asked.append(host)
        if host not in self.answers:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, 1, 6, "", (address, port))
            for address in next(self.answers[host])
        ]


# Honest servers


def test_a_body_comes_back(site: Site, fetcher: Fetcher) -> None:
    assert fetcher.fetch(site.url("/a.jpg?b=c")) == b"body"
    assert site.paths == ["/a.jpg?b=c"]


def test_a_request_tells_nothing_but_what_it_wants(site: Site, fetcher: Fetcher) -> None:
    fetcher.fetch(site.url())
    names = {line.split(":")[0].lower() for line in site.requests[0].split("\r\n")[1:] if line}
    assert names == {"host", "user-agent", "accept", "accept-encoding", "connection"}
    assert f"Host: 127.0.0.1:{site.port}\r\n" in site.requests[0]
    assert "Accept-Encoding: identity\r\n" in site.requests[0]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nbody",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\nContent-Encoding: Identity\r\nContent-Length: 4\r\n\r\nbody",
    ],
)
def test_a_body_may_come_in_any_proper_way(site: Site, fetcher: Fetcher, answer: bytes) -> None:
    site.answers["/"] = answer
    assert fetcher.fetch(site.url()) == b"body"


def test_chinese_paths_are_sent_as_utf_8(site: Site, fetcher: Fetcher) -> None:
    assert fetcher.fetch(site.url("/图片 1.jpg?名=鱼")) == b"body"
    assert site.paths == ["/%E5%9B%BE%E7%89%87%201.jpg?%E5%90%8D=%E9%B1%BC"]


def test_chinese_names_are_looked_up_as_idna(site: Site) -> None:
    names = Names(**{"xn--fsqu00a.xn--0zwm56d": [["127.0.0.1"]]})
    with _fetching(LOOPBACK, resolve=names) as fetcher:
        assert fetcher.fetch(site.url(host="例子.测试")) == b"body"
    assert f"Host: xn--fsqu00a.xn--0zwm56d:{site.port}\r\n" in site.requests[0]


def test_the_next_address_is_tried_where_one_does_not_answer(site: Site) -> None:
    names = Names(two=[["127.0.0.3", "127.0.0.3", "127.0.0.1"]])
    with _fetching(LOOPBACK, resolve=names) as fetcher:
        assert fetcher.fetch(site.url(host="two")) == b"body"


def test_proxies_of_the_environment_are_not_asked(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _serving() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url())
        with _fetching(LOOPBACK) as fetcher:
            assert fetcher.fetch(site.url()) == b"body"
        assert proxy.connections == 0


def test_many_threads_fetch_at_once(site: Site, fetcher: Fetcher) -> None:
    with ThreadPoolExecutor(16) as pool:
        bodies = list(pool.map(fetcher.fetch, [site.url(f"/{n}") for n in range(80)]))
    assert bodies == [b"body"] * 80
    assert sorted(site.paths) == sorted(f"/{n}" for n in range(80))


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed(site: Site, fetcher: Fetcher, status: int) -> None:
    site.answers["/"] = _redirect("/图?x", status)
    assert fetcher.fetch(site.url()) == b"body"
    assert site.paths == ["/", "/%E5%9B%BE?x"]


def test_a_redirect_may_lead_to_another_server(site: Site, fetcher: Fetcher) -> None:
    with _serving("127.0.0.2") as other:
        site.answers["/"] = _redirect(other.url("/x", "127.0.0.2"), more="Set-Cookie: a=b\r\n")
        assert fetcher.fetch(site.url()) == b"body"
        assert "ookie" not in other.requests[0]


def test_three_redirects_are_followed_and_no_more(site: Site, fetcher: Fetcher) -> None:
    site.answers |= {f"/{n}": _redirect(f"/{n - 1}") for n in range(1, 9)}
    assert fetcher.fetch(site.url(f"/{MOST_REDIRECTS}")) == b"body"
    assert _problem(fetcher, site.url(f"/{MOST_REDIRECTS + 1}")) is Problem.URL_RESPONSE


def test_a_loop_ends(site: Site, fetcher: Fetcher) -> None:
    site.answers["/"] = _redirect("/")
    assert _problem(fetcher, site.url()) is Problem.URL_RESPONSE
    assert len(site.requests) == MOST_REDIRECTS + 1


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.2:{port}/",
        "http://[::1]:{port}/",
        "http://0.0.0.0:{port}/",
        "http://2130706434:{port}/",
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "//192.168.0.1/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{port}/_x",
        "ftp://127.0.0.1:{port}/",
        "http://user@127.0.0.1:{port}/",
    ],
)
def test_a_redirect_to_what_is_refused_is_refused(site: Site, location: str) -> None:
    site.answers["/"] = _redirect(location.format(port=site.port))
    with _serving("127.0.0.2", site.port) as inside, _fetching("127.0.0.1/32") as fetcher:
        assert _problem(fetcher, site.url()) is Problem.URL_ILLEGAL
        assert inside.connections == 0
    assert site.paths == ["/"]


# Addresses


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "0",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "１２７.0.0.1",
        "①②⑦.0.0.1",
    ],
)
def test_no_spelling_of_this_machine_is_connected_to(site: Site, host: str) -> None:
    with _fetching() as fetcher:
        assert _problem(fetcher, site.url(host=host)) is Problem.URL_ILLEGAL
    assert site.connections == 0


@pytest.mark.parametrize(
    "addresses", [["10.0.0.1"], ["1.1.1.1", "10.0.0.1"], ["2400:3200::1", "::1"], ["fe80::1%2"]]
)
def test_a_name_with_one_refused_address_is_refused_without_naming_it(addresses: list[str]) -> None:
    with (
        _fetching(resolve=Names(intranet=[addresses])) as fetcher,
        pytest.raises(TusouError) as caught,
    ):
        fetcher.fetch("http://intranet/")
    assert caught.value.problem is Problem.URL_ILLEGAL
    assert caught.value.detail == "this address is refused"


def test_a_name_that_changes_its_mind_gains_nothing(site: Site) -> None:
    with _serving("127.0.0.2", site.port) as inside:
        names = Names(rebinding=[["127.0.0.1"], ["127.0.0.2"]])
        with _fetching("127.0.0.1/32", resolve=names) as fetcher:
            url = site.url(host="rebinding")
            # One lookup for check and connection, so that the second answer is not asked for.
            assert fetcher.fetch(url) == b"body"
            assert names.asked == ["rebinding"]
            assert _problem(fetcher, url) is Problem.URL_ILLEGAL
        assert (site.connections, inside.connections) == (1, 0)


def test_a_name_that_changes_its_mind_between_redirects_gains_nothing(site: Site) -> None:
    with _serving("127.0.0.2", site.port) as inside:
        names = Names(rebinding=[["127.0.0.1"], ["127.0.0.2"]])
        site.answers["/"] = _redirect("/again")
        with _fetching("127.0.0.1/32", resolve=names) as fetcher:
            assert _problem(fetcher, site.url(host="rebinding")) is Problem.URL_ILLEGAL
        assert (site.connections, inside.connections) == (1, 0)


def test_urls_that_are_none_are_refused_without_a_lookup() -> None:
    names = Names()
    with _fetching(LOOPBACK, resolve=names) as fetcher:
        for url in ("", "x", "file:///etc/passwd", "gopher://a/", "http://u:p@a/", "http://a/\n"):
            assert _problem(fetcher, url) is Problem.URL_ILLEGAL
    assert names.asked == []


# Other servers' faults


def test_a_name_that_is_unknown_is_no_answer() -> None:
    with _fetching(resolve=Names()) as fetcher:
        assert _problem(fetcher, "http://nowhere.example/") is Problem.URL_RESPONSE


def test_a_closed_port_is_no_answer(fetcher: Fetcher) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert _problem(fetcher, f"http://127.0.0.1:{port}/") is Problem.URL_RESPONSE


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nbody", id="404"),
        pytest.param(b"HTTP/1.1 500 Oh\r\nContent-Length: 4\r\n\r\nbody", id="500"),
        pytest.param(b"HTTP/1.1 206 Part\r\nContent-Length: 4\r\n\r\nbody", id="206"),
        pytest.param(b"HTTP/1.1 204 None\r\n\r\n", id="204"),
        pytest.param(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", id="to nowhere"),
        pytest.param(b"HTTP/1.1 304 Same\r\nLocation: /x\r\n\r\n", id="304"),
        pytest.param(b"HTTP/1.1 101 Switch\r\nUpgrade: x\r\n\r\n", id="101"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", id="empty"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbody", id="cut short"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\nbody", id="negative"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nbody", id="gzip"
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", id="in transit"
        ),
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", id="not HTTP"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, id="endless header"),
    ],
)
def test_anything_but_a_whole_200_is_no_answer(site: Site, fetcher: Fetcher, answer: bytes) -> None:
    site.answers["/"] = answer
    assert _problem(fetcher, site.url()) is Problem.URL_RESPONSE


def _endless(start: bytes, part: bytes) -> Answer:
    def answer(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(part)

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(
            lambda connection: (
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n"),
                connection.recv(1),
            ),
            id="announced",
        ),
        pytest.param(_endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 500), id="unannounced"),
        pytest.param(
            _endless(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"5\r\nxxxxx\r\n" * 99
            ),
            id="chunked",
        ),
    ],
)
def test_too_much_is_cut_off(site: Site, answer: Answer) -> None:
    site.answers["/"] = answer
    with _fetching(LOOPBACK, most_bytes=1000) as fetcher:
        assert _problem(fetcher, site.url()) is Problem.URL_SIZE


def test_just_as_much_as_allowed_is_taken(site: Site) -> None:
    site.answers["/"] = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000
    with _fetching(LOOPBACK, most_bytes=1000) as fetcher:
        assert len(fetcher.fetch(site.url())) == 1000


def _dripping(start: bytes, drop: bytes) -> Answer:
    def answer(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            time.sleep(0.02)
            connection.sendall(drop)

    return answer


def _slowly_redirecting(connection: socket.socket) -> None:
    time.sleep(0.15)
    connection.sendall(_redirect("/"))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(
            _dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"x"), id="body"
        ),
        pytest.param(_dripping(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), id="headers"),
        pytest.param(_dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), id="continues"),
        pytest.param(lambda connection: connection.recv(1), id="silence"),
        pytest.param(_slowly_redirecting, id="redirects"),
    ],
)
def test_a_slow_server_is_left(site: Site, answer: Answer) -> None:
    site.answers["/"] = answer
    with _fetching(LOOPBACK, seconds=0.4) as fetcher:
        assert _problem(fetcher, site.url()) is Problem.URL_TIMEOUT


def test_a_slow_lookup_is_left() -> None:
    release = threading.Event()

    def resolve(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        release.wait(60)
        return []

    with _fetching(LOOPBACK, resolve=resolve, seconds=0.2) as fetcher:
        assert _problem(fetcher, "http://slow.example/") is Problem.URL_TIMEOUT
        release.set()


def test_a_name_without_addresses_is_no_answer() -> None:
    with _fetching(resolve=Names(none=[[]])) as fetcher:
        assert _problem(fetcher, "http://none/") is Problem.URL_RESPONSE


# TLS


def _signs_certificates() -> x509.KeyUsage:
    uses = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    return x509.KeyUsage(digital_signature=True, key_cert_sign=True, **uses)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of pictures.example, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pictures.example")])
    now = datetime.datetime.now(datetime.UTC)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("pictures.example")]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .add_extension(identifier, False)
        .add_extension(_signs_certificates(), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


@pytest.fixture
def tls_site(certificate: Path) -> Iterator[Site]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with _serving(tls=context) as site:
        yield site


def test_a_certificate_is_checked_against_the_name_not_the_address(
    tls_site: Site, certificate: Path
) -> None:
    names = {"pictures.example": [["127.0.0.1"]], "other.example": [["127.0.0.1"]]}
    trust = ssl.create_default_context(cafile=str(certificate))
    with _fetching(LOOPBACK, resolve=Names(**names), trust=trust) as fetcher:
        assert fetcher.fetch(tls_site.url(host="pictures.example")) == b"body"
        assert _problem(fetcher, tls_site.url(host="other.example")) is Problem.URL_RESPONSE
    assert len(tls_site.requests) == 1


def test_a_certificate_that_nobody_vouches_for_is_refused(tls_site: Site) -> None:
    names = Names(**{"pictures.example": [["127.0.0.1"]]})
    with _fetching(LOOPBACK, resolve=names) as fetcher:
        assert _problem(fetcher, tls_site.url(host="pictures.example")) is Problem.URL_RESPONSE
    assert tls_site.requests == []


def test_a_redirect_may_take_up_encryption_but_not_give_it_up(
    site: Site, tls_site: Site, certificate: Path
) -> None:
    name = "pictures.example"
    site.answers["/"] = _redirect(tls_site.url(host=name))
    tls_site.answers["/back"] = _redirect(site.url("/plain"))
    names = Names(**{name: [["127.0.0.1"]] * 2, "127.0.0.1": [["127.0.0.1"]] * 2})
    trust = ssl.create_default_context(cafile=str(certificate))
    with _fetching(LOOPBACK, resolve=names, trust=trust) as fetcher:
        assert fetcher.fetch(site.url()) == b"body"
        assert _problem(fetcher, tls_site.url("/back", name)) is Problem.URL_ILLEGAL
    assert site.paths == ["/"]


def test_a_server_without_tls_is_no_answer_to_https(site: Site, fetcher: Fetcher) -> None:
    assert _problem(fetcher, f"https://127.0.0.1:{site.port}/") is Problem.URL_RESPONSE


# The table of errors


def test_every_exception_of_httpcore_is_in_the_table() -> None:
    foreign = [
        value
        for name in httpcore.__all__
        if isinstance(value := getattr(httpcore, name), type) and issubclass(value, Exception)
    ]
    assert len(foreign) > 10
    assert [kind for kind in foreign if not issubclass(kind, tuple(_PROBLEMS))] == []
