"""The sample code of the pages does what the pages say."""

import json
import re
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from support.pictures import picture
from support.server import Caller, Server, b64
from support.vendor import connecting
from tusou.services import SERVICES

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ["accounts.md", "accounts.zh.md"]


def sample(page: str, language: str) -> str:
    """The only block of a page in this language."""
    (code,) = re.findall(rf"```{language}\n(.+?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)
    return str(code)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.parametrize("page", PAGES)
def test_a_signature_made_by_hand_holds(server: Server, caller: Caller, page: str) -> None:
    names: dict[str, Any] = {}
    exec(sample(page, "python"), names)
    signed: Callable[..., urllib.request.Request] = names["signed"]
    url = f"{server.address}{SERVICES['similar'].prefix}/search"
    body = urlencode({"image": b64(picture(1))}).encode()
    for secret, key in ((caller.secret_key, "result_num"), ("another", "error_code")):
        with urllib.request.urlopen(signed(url, body, caller.api_key, secret)) as response:
            assert key in json.load(response)


@pytest.mark.parametrize("page", ["migration.md", "migration.zh.md"])
def test_the_official_client_is_pointed_here_as_the_page_says(
    server: Server, caller: Caller, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connecting(monkeypatch) as connect:
        client = connect("https://aip.baidubce.com", caller)  # puts all back when the test ends
        exec(sample(page, "python").replace("http://127.0.0.1:8080", server.address), {})
        assert "result_num" in client.call("similarSearch", picture(1))


@pytest.mark.parametrize("name", ["accounts", "choosing", "migration"])
def test_the_pages_of_both_languages_say_the_same_to_a_machine(name: str) -> None:
    def blocks(page: str) -> list[str]:
        found = re.findall(
            r"```(?:sh|js|php)\n(.+?)```", (DOCS / page).read_text("utf-8"), re.DOTALL
        )
        lines = [line for block in found for line in block.split("\n")]
        return [line.partition("  #")[0].rstrip() for line in lines if "// " not in line]

    english, chinese = blocks(f"{name}.md"), blocks(f"{name}.zh.md")
    assert english == chinese
    assert len(english) > 1
    assert re.findall(
        r"```python\n.+?```", (DOCS / f"{name}.md").read_text("utf-8"), re.DOTALL
    ) == (re.findall(r"```python\n.+?```", (DOCS / f"{name}.zh.md").read_text("utf-8"), re.DOTALL))
