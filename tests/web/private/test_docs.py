"""The pages of the private interface say what the code does."""

import re
from pathlib import Path

import pytest

from tusou.errors import ERR_MSGS, Problem

DOCS = Path(__file__).parents[3] / "docs"
PAGES = "private.md", "private.zh.md"


@pytest.mark.parametrize("page", PAGES)
def test_the_err_nos_of_a_page_are_those_that_occur(page: str) -> None:
    rows = re.findall(r"^\| (-?\d+) \| ([^|]+) \|", (DOCS / page).read_text("utf-8"), re.MULTILINE)
    told = {int(number): message for number, message in rows if message in ERR_MSGS.values()}
    assert told == {problem.err_no: problem.err_msg for problem in Problem}


@pytest.mark.parametrize("page", [*PAGES, "install.md", "install.zh.md"])
def test_links_of_a_page_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", (DOCS / page).read_text("utf-8"))
    assert links
    assert not [link for link in links if not (DOCS / link).exists()]
