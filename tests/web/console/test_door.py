"""Signing in and out: who gets in, who is slowed down, what the browser is told to keep to."""

from collections.abc import Iterator

import httpx
import pytest

from support.console import PASSWORD, Visit, form_of
from support.server import Server
from tusou.web.console.door import inside
from tusou.web.console.guards import HEADERS


@pytest.fixture
def browser(server: Server) -> Iterator[httpx.Client]:
    base = f"{server.address}/console"
    with httpx.Client(base_url=base, trust_env=False, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def user(server: Server) -> str:
    with server.office() as office:
        return office.users.add("门卫.lin", PASSWORD, "operator").name


def sign_in(browser: httpx.Client, name: str, password: str, **headers: str) -> httpx.Response:
    form = form_of(browser.get("/sign-in"))
    fields = {"form": form, "name": name, "password": password, "next": "/console/account"}
    return browser.post("/sign-in", data=fields, headers=headers)


def test_a_visitor_is_sent_to_sign_in_and_on_to_where_they_wanted(
    browser: httpx.Client, user: str
) -> None:
    sent = browser.get("/applications?x=1")
    assert sent.status_code == 303
    assert sent.headers["location"] == "/console/sign-in?next=/console/applications%3Fx%3D1"
    answer = sign_in(browser, user, PASSWORD)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/console/account"
    assert user in browser.get("/account").text


def test_the_session_cookie_is_kept_from_scripts_and_other_sites(
    browser: httpx.Client, user: str
) -> None:
    cookie = sign_in(browser, user, PASSWORD).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/console" in cookie
    assert "Secure" not in cookie


def test_behind_https_cookies_are_secure_and_the_browser_is_told_to_stay(
    browser: httpx.Client, user: str
) -> None:
    page = browser.get("/sign-in", headers={"x-forwarded-proto": "https"})
    assert "Secure" in page.headers["set-cookie"]
    assert "max-age" in page.headers["strict-transport-security"]


def test_a_wrong_password_and_an_unknown_name_are_told_alike(
    browser: httpx.Client, user: str
) -> None:
    wrong = sign_in(browser, user, "not it", **{"x-forwarded-for": "192.0.2.9"})
    unknown = sign_in(browser, "nobody", "not it", **{"x-forwarded-for": "192.0.2.9"})
    assert wrong.status_code == unknown.status_code == 403
    assert "User name or password is wrong." in wrong.text
    assert "User name or password is wrong." in unknown.text
    assert "tusou_session" not in wrong.headers.get("set-cookie", "")


def test_guessing_is_slowed_down_by_address(browser: httpx.Client) -> None:
    answers = [
        sign_in(browser, f"guess{number}", "x", **{"x-forwarded-for": "198.51.100.7"})
        for number in range(22)
    ]
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) > 0
    other = sign_in(browser, "guess", "x", **{"x-forwarded-for": "198.51.100.8"})
    assert other.status_code == 403


def test_guessing_is_slowed_down_by_name_from_wherever_it_comes(
    browser: httpx.Client, server: Server
) -> None:
    with server.office() as office:
        name = office.users.add("victim", PASSWORD, "viewer").name
    answers = [
        sign_in(browser, name, "x", **{"x-forwarded-for": f"203.0.113.{number}"})
        for number in range(11)
    ]
    assert [answer.status_code for answer in answers] == [403] * 10 + [429]
    # The right password helps no more until tries come back: nobody learns that it is right.
    assert sign_in(browser, name, PASSWORD).status_code == 429


def test_who_guesses_at_a_name_does_not_keep_its_user_out(
    browser: httpx.Client, server: Server
) -> None:
    with server.office() as office:
        name = office.users.add("target", PASSWORD, "viewer").name
    assert sign_in(browser, name, PASSWORD).status_code == 303
    known = browser.cookies["tusou_known"]
    with httpx.Client(base_url=f"{server.address}/console", trust_env=False) as other:
        other.cookies.set("tusou_known", f"{known[:-1]}{'a' if known[-1] != 'a' else 'b'}")
        for number in range(11):
            last = sign_in(other, name, "x", **{"x-forwarded-for": f"203.0.113.{number + 20}"})
        assert last.status_code == 429
        # The mark of another user is none of this one.
        other.cookies.set("tusou_known", known)
        assert sign_in(other, "victim-too", "x").status_code == 403
    assert sign_in(browser, name, PASSWORD).status_code == 303
    answers = [sign_in(browser, name, "x").status_code for _ in range(11)]
    assert answers == [403] * 10 + [429]  # and a stolen browser guesses no faster


def test_a_form_that_was_not_given_to_this_browser_signs_nobody_in(
    browser: httpx.Client, server: Server, user: str
) -> None:
    with httpx.Client(base_url=f"{server.address}/console", trust_env=False) as other:
        foreign = form_of(other.get("/sign-in"))
    fields = {"form": foreign, "name": user, "password": PASSWORD}
    assert browser.post("/sign-in", data=fields).status_code == 403
    browser.get("/sign-in")
    assert browser.post("/sign-in", data=fields).status_code == 403


def test_signing_in_again_ends_the_session_before(browser: httpx.Client, user: str) -> None:
    sign_in(browser, user, PASSWORD)
    before = browser.cookies["tusou_session"]
    sign_in(browser, user, PASSWORD)
    assert browser.cookies["tusou_session"] != before
    old = httpx.get(browser.base_url.join("/console/account"), cookies={"tusou_session": before})
    assert old.status_code == 303


@pytest.mark.parametrize(
    "path",
    [
        None,
        "https://elsewhere.example",
        "//elsewhere.example",
        "/console//elsewhere.example",
        "/consoles",
        "/console/\\elsewhere",
        "/console/a\r\nset-cookie: x",
        "javascript:alert(1)",
    ],
)
def test_nobody_is_sent_elsewhere(path: str | None) -> None:
    assert inside(path) == "/console/libraries"


def test_a_path_of_the_console_is_kept() -> None:
    assert inside("/console/libraries/1/similar?q=a") == "/console/libraries/1/similar?q=a"


def test_signing_out_ends_the_session_on_the_server(visit: Visit) -> None:
    visitor = visit("viewer")
    assert visitor.post("/account/sign-out").status_code == 303
    visitor.http.cookies.set("tusou_session", visitor.token, "127.0.0.1", "/console")
    assert visitor.get("/account").status_code == 303
    assert visitor.get("/libraries", headers={"accept": "application/json"}).status_code == 401


def test_a_new_password_signs_out_everybody_else(server: Server, visit: Visit) -> None:
    visitor = visit("viewer")
    with server.office() as office:
        other = office.sessions.open(office.users.get(visitor.name), "10.0.0.1", "phone")
    new = "another long password"
    fields = {"old": PASSWORD, "new": new, "again": new}
    wrong = visitor.post("/account/password", data=fields | {"old": "no"})
    assert wrong.status_code == 400
    assert visitor.post("/account/password", data=fields | {"again": "no"}).status_code == 400
    assert visitor.post("/account/password", data=fields).status_code == 303
    assert visitor.get("/account").status_code == 200
    with server.office() as office:
        assert office.sessions.user(other) is None
        assert office.users.with_password(visitor.name, PASSWORD) is None
        assert office.users.with_password(visitor.name, new) is not None


def test_other_browsers_can_be_signed_out(server: Server, visit: Visit) -> None:
    visitor = visit("viewer")
    with server.office() as office:
        other = office.sessions.open(office.users.get(visitor.name), "10.0.0.1", "phone")
    assert "10.0.0.1" in visitor.get("/account").text
    visitor.post("/account/sign-out-others")
    with server.office() as office:
        assert office.sessions.user(other) is None
    assert visitor.get("/account").status_code == 200


@pytest.mark.parametrize("path", ["/sign-in", "/account", "/nowhere", "/static/x/y.js", "/"])
def test_every_answer_keeps_other_sites_and_injected_scripts_out(
    browser: httpx.Client, path: str
) -> None:
    headers = browser.get(path).headers
    for name, value in HEADERS.items():
        assert headers[name] == value
    policy = headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy


def test_language_and_theme_are_kept_in_cookies(browser: httpx.Client) -> None:
    assert 'lang="en"' in browser.get("/sign-in").text
    answer = browser.post("/show", data={"language": "zh", "here": "/console/sign-in"})
    assert answer.headers["location"] == "/console/sign-in"
    browser.post("/show", data={"theme": "dark", "here": "https://elsewhere.example"})
    browser.post("/show", data={"theme": "pink", "language": "xx"})
    page = browser.get("/sign-in").text
    assert 'lang="zh-CN"' in page
    assert 'data-theme="dark"' in page
    assert "登录" in page


def test_a_change_that_another_site_sends_is_refused(browser: httpx.Client) -> None:
    for path in ("/show", "/sign-in"):
        answer = browser.post(path, data={}, headers={"sec-fetch-site": "cross-site"})
        assert answer.status_code == 403


def test_a_message_in_the_address_is_one_of_ours_or_none(visit: Visit) -> None:
    visitor = visit("viewer")
    assert "Saved." in visitor.get("/libraries?said=app_changed").text
    assert "<b>" not in visitor.get("/libraries?said=<b>call this number</b>").text
    assert "call this" not in visitor.get("/libraries?said=call this number").text


def test_files_of_the_console_may_be_kept_for_ever_under_their_version(visit: Visit) -> None:
    visitor = visit("viewer")
    found = visitor.get("/libraries").text.split('rel="stylesheet" href="/console')[1].split('"')[0]
    answer = visitor.get(found)
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert visitor.get("/static/other/console.css").status_code == 404
    assert visitor.get(found.replace("console.css", "..%2Fconsole.py")).status_code == 404


def test_a_head_request_is_answered_as_a_get_is(browser: httpx.Client, visit: Visit) -> None:
    assert browser.head("/sign-in").status_code == 200
    assert browser.head("/account").status_code == 303
    assert visit("viewer").http.head("/account").status_code == 200
