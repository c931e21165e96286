"""`tusou search`: the same from the folder and from its server, as text, as JSON and as a page."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from support.pictures import picture
from support.server import Server
from tusou.cli import main
from tusou.client import Client

BRIEF = '<script>alert("1")</script> & 猫'


def tusou(*words: object) -> Result:
    return CliRunner().invoke(main, list(map(str, words)))


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("asked")
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(picture(600 + number, 120, 100))
    (folder / "none.jpg").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def there(
    server: Server, asked: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[object, ...]:
    """The words that name a library of the server."""
    caller = server.caller("similar")
    keys = tmp_path_factory.mktemp("keys") / "keys.json"
    words = {"api_key": caller.api_key, "secret_key": caller.secret_key}
    keys.write_text(json.dumps({"app_id": str(caller.app_id), **words}))
    with Client.from_file(keys, server.address) as client:
        for number in range(3):
            client.add("similar", asked / f"{number}.jpg", f"{BRIEF}{number}", tags=(1, 2))
    return "--host", server.address, "--keys", keys, "--service", "similar"


class Page(HTMLParser):
    """What a page holds."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.language = ""
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        facts = dict(attrs)
        self.sources += [text or "" for name, text in attrs if name in ("src", "href")]
        self.language = self.language or facts.get("lang") or ""

    def handle_data(self, data: str) -> None:
        self.words += data


def test_text_names_what_was_found_best_first(asked: Path, there: tuple[object, ...]) -> None:
    done = tusou("search", asked / "1.jpg", asked / "0.jpg", *there, "--limit", 2)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == f"{asked / '1.jpg'}: 2 found"
    assert lines[1].startswith("  1.000 ")
    assert lines[1].endswith(f"  {BRIEF}1")
    assert lines[3] == f"{asked / '0.jpg'}: 2 found"
    done = tusou("search", asked / "none.jpg", asked / "gone.jpg", asked / "1.jpg", *there)
    assert done.exit_code == 3
    assert [line.rpartition("/")[2].split(":")[0] for line in done.stderr.splitlines()] == [
        "none.jpg",
        "gone.jpg",
    ]
    assert "3 found" in done.stdout


def test_a_page_shows_queries_and_results_and_needs_nothing_else(
    asked: Path, there: tuple[object, ...], tmp_path: Path
) -> None:
    path = tmp_path / "page.html"
    files = (asked / "0.jpg", asked / "none.jpg", asked / "gone.jpg")
    words = ("search", *files, *there, "--html", path, "--threshold", 0.99)
    done = tusou(*words, "--language", "chinese")
    assert done.exit_code == 3, done.output
    page = Page(path.read_text("utf-8"))
    assert page.language == "zh-CN"
    assert "检索结果：相似图片" in page.words
    assert f"{BRIEF}0" in page.words
    assert "script" not in page.tags
    assert page.tags.count("section") == 3
    assert page.tags.count("li") == 1
    assert len(page.sources) == 2  # one query is a picture, and has one result
    assert all(source.startswith("data:image/jpeg;base64,/9j/") for source in page.sources)
    tusou(*words, "--language", "english")
    assert Page(path.read_text("utf-8")).language == "en"
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]


def test_the_folder_answers_as_its_server_does(
    asked: Path, there: tuple[object, ...], tmp_path: Path
) -> None:
    data = ("--data", tmp_path / "data")
    made = json.loads(tusou("app", "create", "a", "--services", "similar", "--json", *data).stdout)
    here = ("--app", made["app_id"], "--service", "similar", *data)
    tusou("library", "create", made["app_id"], "similar", *data)
    files = [asked / f"{number}.jpg" for number in range(3)]
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, file in enumerate(files):
        (folder / f"{number}").with_suffix(".jpg").write_bytes(file.read_bytes())
    template = BRIEF + "$stem"
    tusou("import", folder, *here, "--brief-template", template, "--tags", "1,2")

    def lines(*words: object) -> list[Any]:
        done = tusou("search", *files, *words, "--json", "--threshold", 0.3)
        assert done.exit_code == 0, done.output
        return list(map(json.loads, done.stdout.splitlines()))

    for near, far in zip(lines(*here), lines(*there), strict=True):
        assert near["query"] == far["query"]
        for row, same in zip(near["results"], far["results"], strict=True):
            # What is embedded beside others differs in the last digits.
            assert row["score"] == pytest.approx(same["score"], abs=1e-3)
            own = {name: same[name] for name in ("id", "score", "created", "updated")}
            assert row | own == same


def test_what_cannot_be_done_is_told_plainly(
    asked: Path, there: tuple[object, ...], server: Server
) -> None:
    file = asked / "0.jpg"
    served = ("--app", 1, "--service", "similar", "--data", server.data)
    faults = {
        ("search", file, *served): "--host",
        ("search", file, *there[:2], "--service", "similar"): "--host needs --keys",
        ("search", file, *there, "--json", "--html", "x.html"): "--json or --html",
        ("search", file, *there[:-1], "product"): "No permission",
    }
    for words, cause in faults.items():
        done = tusou(*words)
        assert (done.exit_code, cause in done.output) == (1, True), done.output
