"""URLs: what they are read as, and which are refused."""

from ipaddress import IPv6Address

import pytest

from tusou.errors import Problem, TusouError
from tusou.images.urls import MOST_URL_BYTES, Target


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://a.example", ("http", "a.example", 80, "/")),
        ("HTTPS://A.Example/B", ("https", "a.example", 443, "/B")),
        ("  http://a.example/x\u3000", ("http", "a.example", 80, "/x")),
        ("http://a.example:/x", ("http", "a.example", 80, "/x")),
        ("http://a.example:8080?q=1#here", ("http", "a.example", 8080, "/?q=1")),
        ("http://[::1]:81/", ("http", "::1", 81, "/")),
        ("http://[::FFFF:127.0.0.1]/", ("http", str(IPv6Address("::ffff:127.0.0.1")), 80, "/")),
        ("http://例子.测试/", ("http", "xn--fsqu00a.xn--0zwm56d", 80, "/")),
        ("http://１２７。0.0.1/", ("http", "127.0.0.1", 80, "/")),
        (
            "http://a.example/图片 1.jpg?名=鱼",
            ("http", "a.example", 80, "/%E5%9B%BE%E7%89%87%201.jpg?%E5%90%8D=%E9%B1%BC"),
        ),
        ("http://a.example/%E5%9B%BE.jpg", ("http", "a.example", 80, "/%E5%9B%BE.jpg")),
        ("http://a.example/50%.jpg?a=%zz", ("http", "a.example", 80, "/50%25.jpg?a=%25zz")),
        ("http://a.example/<\"^`{|}\\'>", ("http", "a.example", 80, "/%3C%22%5E%60%7B|%7D%5C'%3E")),
        ("http://my_host.example/", ("http", "my_host.example", 80, "/")),
    ],
)
def test_a_url_is_read_as_people_mean_it(url: str, target: tuple[str, str, int, str]) -> None:
    assert Target.parse(url) == target


@pytest.mark.parametrize(
    "url",
    [
        "",
        " ",
        "a.example/x.jpg",
        "//a.example/x.jpg",
        "/etc/passwd",
        "http:",
        "http:x",
        "http://",
        "http:///x",
        "http://?x",
        "file:///etc/passwd",
        "file://a.example/x",
        "ftp://a.example/x",
        "gopher://a.example/_x",
        "data:image/png;base64,AA==",
        "javascript:alert(1)",
        "http://user@a.example/",
        "http://user:pass@a.example/",
        "http://@a.example/",
        "http://b.example\\@a.example/",
        "http://a.example:0/",
        "http://a.example:22/",
        "http://a.example:65536/",
        "http://a.example:-1/",
        "http://a.example:80:80/",
        "http://a.example:八/",
        "http://a b.example/",
        "http://a..example/",
        "http://.a.example/",
        "http://-a.example/",
        "http://a.example%2f/",
        "http://%31%32%37.0.0.1/",
        "http://[::1/",
        "http://::1/",
        "http://[::1]x/",
        "http://[:::]/",
        "http://[fe80::1%25eth0]/",
        "http://[127.0.0.1]/",
        f"http://{'a' * 64}.example/",
        "http://a.example/\r\nHost: b.example",
        "http://a.example/\tx",
        "http://a.example/\0",
        "http://a.example/\ud800",
        "http://a.example\uff0fb.example/",
    ],
)
def test_any_other_url_is_refused(url: str) -> None:
    with pytest.raises(TusouError) as caught:
        Target.parse(url)
    assert caught.value.problem is Problem.URL_ILLEGAL


def test_a_url_has_at_most_1024_bytes() -> None:
    url = "http://a.example/图"
    url += "x" * (MOST_URL_BYTES - len(url.encode()))
    assert len(Target.parse(url).path) > 900
    with pytest.raises(TusouError):
        Target.parse(url + "x")


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("http://a.example:80", "a.example"),
        ("http://a.example:443", "a.example:443"),
        ("https://a.example:443", "a.example"),
        ("http://[::1]", "[::1]"),
        ("http://[::1]:8080", "[::1]:8080"),
    ],
)
def test_the_authority_names_a_port_that_is_not_the_usual_one(url: str, authority: str) -> None:
    assert Target.parse(url).authority == authority


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/y", "http://a.example:8080/y"),
        ("y?z#w", "http://a.example:8080/d/y?z"),
        ("?z", "http://a.example:8080/d/x?z"),
        ("//b.example/y", "http://b.example/y"),
        ("https://b.example", "https://b.example/"),
        ("/图.jpg", "http://a.example:8080/%E5%9B%BE.jpg"),
        ("/a b", "http://a.example:8080/a%20b"),
        ("", "http://a.example:8080/d/x?q"),
        ("/" + "y" * 4000, "http://a.example:8080/" + "y" * 4000),
    ],
)
def test_a_redirect_is_followed_from_where_it_is(location: str, url: str) -> None:
    start = Target.parse("http://a.example:8080/d/x?q")
    assert str(start.redirect(location.encode())) == url


def test_a_redirect_may_be_in_any_encoding() -> None:
    assert Target.parse("http://a.example").redirect("/图".encode("gbk")).path == "/%CD%BC"


@pytest.mark.parametrize(
    "location",
    ["http://a.example/", "file:///x", "ftp://a.example", "//u@a.example/", "//[/", "/" * 9000],
)
def test_a_redirect_keeps_the_rules_and_the_encryption(location: str) -> None:
    with pytest.raises(TusouError) as caught:
        Target.parse("https://a.example").redirect(location.encode())
    assert caught.value.problem is Problem.URL_ILLEGAL
