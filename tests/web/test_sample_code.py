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


def test_the_pages_of_both_languages_say_the_same_to_a_machine() -> None:
    def commands(page: str) -> list[str]:
        blocks = re.findall(r"```sh\n(.+?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)
        return [line.partition("  #")[0].rstrip() for block in blocks for line in block.split("\n")]

    english, chinese = (commands(page) for page in PAGES)
    assert english == chinese
    assert len(english) > 10
    assert sample(PAGES[0], "python") == sample(PAGES[1], "python")
