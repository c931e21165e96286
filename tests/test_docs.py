"""The pages say what the tables say, lead somewhere, are all listed, and make a site."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.pages import dead_links, links
from tusou.errors import LocalProblem, Problem

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("**/*.md"), *ROOT.glob("training/**/*.md")])


def test_the_pages_made_from_tables_are_fresh() -> None:
    run = subprocess.run(
        [sys.executable, ROOT / "scripts" / "tables", "--check"], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_is_dead(page: Path) -> None:
    assert dead_links(page) == []


def test_dead_links_are_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text(
        "# One thing\n\n## 两 `b`: c\n\n```\n## No heading\n```\n", "utf-8"
    )
    page = tmp_path / "page.md"
    page.write_text(
        "# Here\n[a](there.md) [b](there.md#one-thing) [c](there.md#两-b-c) [d](#here)\n"
        "[e](https://example.com/gone) `[f](in-code.md)`\n```\n[g](in-code.md)\n```\n"
        "[1](gone.md) [2](there.md#no-heading) ![3](gone.png) [4](#there)\n",
        "utf-8",
    )
    assert dead_links(page) == ["gone.md", "there.md#no-heading", "gone.png", "#there"]


@pytest.mark.parametrize("contents", ["index.md", "index.zh.md"])
def test_every_page_is_in_the_contents_in_its_language(contents: str) -> None:
    english = {page.name for page in DOCS.glob("*.md") if not page.name.endswith(".zh.md")}
    chinese = {name.removesuffix(".md") + ".zh.md" for name in english}
    expected = english
    if contents == "index.zh.md":
        expected = {
            name if (DOCS / name).exists() else name.replace(".zh.md", ".md") for name in chinese
        }
    listed = [link for link in links((DOCS / contents).read_text("utf-8")) if "index" not in link]
    assert sorted(listed) == sorted(expected - {"index.md", "index.zh.md"})


@pytest.mark.parametrize("page", [*Problem, *LocalProblem])
def test_every_error_has_a_cure_in_both_languages(page: Problem | LocalProblem) -> None:
    row = page.value
    assert row.when
    assert row.cure
    for text in (row.chinese_when, row.chinese_cure):
        assert any("\u4e00" <= letter <= "\u9fff" for letter in text)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("docs") / "site"
    run = subprocess.run([ROOT / "scripts" / "docs", made], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr  # a warning is an error
    return made


def test_every_page_is_on_the_site_in_the_frame_of_its_language(site: Path) -> None:
    for page in DOCS.glob("*.md"):
        made = (site / page.with_suffix(".html").name).read_text("utf-8")
        assert f'lang="{"zh-CN" if page.name.endswith(".zh.md") else "en"}"' in made


@pytest.mark.skipif(not shutil.which("node"), reason="the site's own search needs Debian's nodejs")
def test_the_site_is_searched_in_chinese_and_english(site: Path) -> None:
    asked = """
        const read = (name) => require("fs").readFileSync(process.argv[1] + name, "utf8");
        globalThis.window = globalThis;
        globalThis.Search = {setIndex: (made) => { globalThis.index = made; }};
        (0, eval)(read("/_static/language_data.js") + ";globalThis.cut = splitQuery;");
        (0, eval)(read("/searchindex.js"));
        const found = cut("几何校验 SIFT").map((word) => [word, index.terms[word.toLowerCase()]]);
        console.log(JSON.stringify(found));
    """
    run = subprocess.run(["node", "-e", asked, site], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    found = dict(json.loads(run.stdout))
    assert list(found) == ["几何", "何校", "校验", "SIFT"]
    assert all(pages is not None for pages in found.values())
