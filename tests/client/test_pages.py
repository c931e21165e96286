"""The programs of the page about the clients, run against a server."""

import ast
from pathlib import Path

import pytest

from support.pages import programs
from support.pictures import picture
from support.server import Caller, Server

DOCS = Path(__file__).parents[2] / "docs"


def test_the_pages_programs_do_what_they_say(
    server: Server,
    caller: Caller,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "photos").mkdir()
    names = ("cat", "kitten", "a", "b", "photos/one", "photos/two")
    for number, name in enumerate(names):
        (tmp_path / f"{name}.jpg").write_bytes(picture(700 + number, 120, 100))
    (tmp_path / "photos" / "wrong.jpg").write_bytes(b"no picture")
    monkeypatch.chdir(tmp_path)
    names_of_keys = {
        "app_id": str(caller.app_id),
        "api_key": caller.api_key,
        "secret_key": caller.secret_key,
    }
    for program in programs(DOCS / "client.md"):
        exec(program.replace("https://search.example.com", server.address), names_of_keys)
    told = capsys.readouterr().out.splitlines()
    assert told[0].endswith("  cat")  # of the quick start: a kitten finds the cat
    assert told[1:4] == ["cat.jpg 0", "kitten.jpg 0", "[]"]
    assert [line.partition(" is ")[2][:8] for line in told[4:6]] == ["picture "] * 2
    assert told[6].startswith("2 was not taken: image format error")
    assert told[7:9] == ["done 2", "photos/wrong.jpg was not taken"]
    assert told[9] == "same_hq.jsonl"
    assert len((tmp_path / told[9]).read_text().splitlines()) == 2
    assert told[10:] == ["it was gone already"]


@pytest.mark.parametrize("page", ["client", "export"])
def test_both_languages_show_the_same_programs(page: str) -> None:
    def bones(path: Path) -> list[str]:
        return [ast.dump(_WithoutTexts().visit(ast.parse(text))) for text in programs(path)]

    assert bones(DOCS / f"{page}.md") == bones(DOCS / f"{page}.zh.md") != []


class _WithoutTexts(ast.NodeTransformer):
    """What programs print is translated."""

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        return ast.Constant("") if isinstance(node.value, str) else node
