"""The programs on the pages of the native interface work as they stand there."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.native import added, asking
from support.pictures import EXAMPLES
from support.server import Server
from tusou.tasks.webhooks import sign

DOCS = Path(__file__).parents[3] / "docs"
PAGES = "native.md", "native.zh.md"


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
@pytest.mark.parametrize("page", PAGES)
def test_the_recipes_of_a_page_work(server: Server, tmp_path: Path, page: str) -> None:
    caller = server.caller("similar", "same_hq")
    pictures = {name: (EXAMPLES / name).read_bytes() for name in ("cat.jpg", "clock.jpg")}
    number = added(asking(caller), "same_hq", pictures["cat.jpg"], "b")
    for name, data in [*pictures.items(), ("crop.jpg", pictures["cat.jpg"])]:
        (tmp_path / name).write_bytes(data)
    script = "\n".join(blocks(page, "sh"))
    assert script.count("curl ") > 10
    script = re.sub(r"^HOST=.*", f"HOST={server.address}", script, flags=re.MULTILINE)
    (tmp_path / "recipes.sh").write_text(
        'set -euo pipefail\ncurl() { command curl --fail-with-body --no-progress-meter "$@"; }\n'
        + script,
        "utf-8",
    )
    environ = {"API_KEY": caller.api_key, "SECRET_KEY": caller.secret_key, "ID": str(number)}
    run = subprocess.run(
        ["bash", "recipes.sh"],
        cwd=tmp_path,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", **environ},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert (tmp_path / "match.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("page", PAGES)
def test_the_program_of_a_page_knows_what_is_genuine(page: str) -> None:
    (program,) = blocks(page, "python")
    names: dict[str, object] = {}
    exec(program, names)
    is_genuine = names["is_genuine"]
    assert callable(is_genuine)
    signature = sign("secret", "1700000000", b"{}")
    assert is_genuine("secret", "1700000000", b"{}", signature)
    assert not is_genuine("secret", "1700000001", b"{}", signature)


@pytest.mark.parametrize("page", PAGES)
def test_every_call_is_on_the_page(server: Server, page: str) -> None:
    text = (DOCS / page).read_text("utf-8")
    paths = server.http.get("/openapi.json").json()["paths"]
    ours = [path for path in paths if path.startswith("/v1/libraries/{service}/")]
    ours = [path for path in ours if "duplicates" not in path]  # which have a page of their own
    for path in ours:
        told = path.removeprefix("/v1/libraries/{service}").replace("{task}", "{id}")
        assert f"{told}`" in text, told
