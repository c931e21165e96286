"""The commands on model packs, as users run them, and a server that moves a library when told."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from support.hub import Hub
from support.models import make_pack
from support.pictures import encoded, scene
from support.server import Answer, Caller, Server
from tusou.cli import main

SEEDS = range(34)
ENVIRON = {"NO_PROXY": "127.0.0.1"}


def run(data: Path, *words: object, **variables: str) -> Result:
    """Run a command in this process."""
    arguments = [*map(str, words), "--data", str(data)]
    return CliRunner().invoke(main, arguments, env={**ENVIRON, **variables})


def told(data: Path, *words: object, **variables: str) -> str:
    """What a command prints, which must succeed."""
    done = run(data, *words, **variables)
    assert done.exit_code == 0, done.output
    return done.output


def refused(data: Path, *words: object, **variables: str) -> str:
    """What a command says that must fail."""
    done = run(data, *words, **variables)
    assert done.exit_code == 1, done.output
    return done.output


def test_a_pack_is_added_listed_shown_used_and_removed(tmp_path: Path) -> None:
    data, source = tmp_path / "data", make_pack(tmp_path / "source")
    assert told(data, "model", "add", source) == "tiny@1 added: Apache-2.0, the tests\n"
    facts = {row["id"]: row for row in json.loads(told(data, "model", "list", "--json"))}
    assert facts["tiny@1"] == {
        "id": "tiny@1",
        "dimension": 16,
        "size": 8,
        "licence": "Apache-2.0",
        "added": True,
        "libraries": 0,
    }
    assert [name for name, row in facts.items() if not row["added"]] != []
    assert told(data, "model", "card", "tiny") == "# tiny\n\nMade by the tests.\n"

    keys = json.loads(told(data, "app", "create", "shop", "--json"))
    told(data, "library", "create", keys["app_id"], "similar", "--pack", "tiny")
    told(data, "library", "create", keys["app_id"], "product", TUSOU_PACK="tiny@1")
    told(data, "library", "create", keys["app_id"], "materiel")
    packs = {
        row["service"]: row["pack"] for row in json.loads(told(data, "library", "list", "--json"))
    }
    made_for_it = next(name for name in facts if name.startswith("materiel@"))
    assert packs == {"similar": "tiny@1", "product": "tiny@1", "materiel": made_for_it}
    assert "used by libraries: " in refused(data, "model", "remove", "tiny")
    (line,) = (row for row in told(data, "model", "list").splitlines() if row.startswith("tiny@1"))
    assert line.split() == ["tiny@1", "16", "8", "Apache-2.0", "added", "2"]


def test_a_pack_that_nobody_uses_can_be_removed(tmp_path: Path) -> None:
    told(tmp_path / "data", "model", "add", make_pack(tmp_path / "source"))
    assert told(tmp_path / "data", "model", "remove", "tiny") == "tiny@1 removed\n"
    assert "tiny" not in told(tmp_path / "data", "model", "list")
    assert "no model pack tiny" in refused(tmp_path / "data", "model", "card", "tiny")


def test_what_is_done_to_packs_is_in_the_record(tmp_path: Path) -> None:
    data, source = tmp_path / "data", make_pack(tmp_path / "source")
    told(data, "model", "add", source)
    keys = json.loads(told(data, "app", "create", "shop", "--json"))
    told(data, "library", "create", keys["app_id"], "similar")
    told(data, "library", "move", keys["app_id"], "similar", "--pack", "tiny")
    refused(data, "model", "remove", "tiny")
    base = json.loads(told(data, "library", "list", "--json"))[0]["pack"]
    told(data, "library", "move", keys["app_id"], "similar", "--pack", base)
    told(data, "model", "remove", "tiny")
    acts = [row["act"] for row in json.loads(told(data, "audit", "--json"))]
    assert acts == [
        "pack.add",
        "app.create",
        "library.create",
        "library.move",
        "library.move",
        "pack.remove",
    ]


def test_a_pack_comes_from_the_hub_that_the_settings_name(tmp_path: Path) -> None:
    files = {file.name: file.read_bytes() for file in make_pack(tmp_path / "source").iterdir()}
    with Hub({"some/tiny": files}) as hub:
        text = told(tmp_path / "data", "model", "add", "hf:some/tiny", TUSOU_HUB=hub.url)
    assert text == "tiny@1 added: Apache-2.0, the tests\n"
    assert (tmp_path / "data" / "packs" / "tiny@1" / "tiny.onnx").is_file()


def test_mistakes_with_packs_are_told_in_plain_words(tmp_path: Path) -> None:
    data = tmp_path / "data"
    app_id = json.loads(told(data, "app", "create", "shop", "--json"))["app_id"]
    gone = refused(data, "model", "add", tmp_path / "gone")
    assert gone == f"Error: {tmp_path / 'gone'} is no folder, no wheel and no hf:OWNER/REPO\n"
    text = refused(data, "library", "create", app_id, "similar", "--pack", "dino")
    assert "there is no model pack dino; there are " in text
    assert json.loads(told(data, "library", "list", "--json")) == []
    assert "came with tusou" in refused(data, "model", "remove", "base")
    assert "there is no model pack dino" in refused(data, "serve", "--port", 0, TUSOU_PACK="dino")
    told(data, "library", "create", app_id, "similar")
    text = refused(data, "library", "move", app_id, "similar", "--pack", "similar")
    assert "already" in text
    assert "not initialized" in refused(
        data, "library", "move", app_id, "product", "--pack", "base"
    )


def _large(seed: int) -> bytes:
    return encoded(scene(seed, 900, 700), "JPEG", quality=90)


def _copy(seed: int) -> bytes:
    return encoded(scene(seed, 900, 700)[::2, ::2], "JPEG", quality=70)


def _best(caller: Caller, seed: int) -> Answer:
    rows = caller.call("similar", "search", image=_copy(seed), rn=1)["result"]
    assert len(rows) == 1
    return dict(rows[0])


@contextmanager
def _serving(data: Path) -> Iterator[Server]:
    server = Server(data)
    try:
        yield server
    finally:
        server.kill()


def _standing(data: Path) -> Answer:
    (row,) = json.loads(told(data, "library", "list", "--json"))
    return dict(row)


def test_a_move_goes_on_in_the_background_and_survives_a_kill(tmp_path: Path) -> None:
    data = tmp_path / "data"
    make_pack(data / "packs" / "one@1", "one", dimension=32, seed=1)
    make_pack(data / "packs" / "two@1", "two", dimension=48, seed=2)
    with _serving(data) as server:
        caller = server.caller("similar", libraries=False)
        told(data, "library", "create", caller.app_id, "similar", "--pack", "one")
        for seed in SEEDS:
            assert "cont_sign" in caller.call("similar", "add", image=_large(seed), brief=str(seed))
        told(data, "library", "move", caller.app_id, "similar", "--pack", "two")
        with server.office() as office:
            while not (done := office.moves.list()[0].done):
                time.sleep(0.01)
    assert 0 < done < len(SEEDS)
    found = _standing(data)
    assert (found["pack"], found["move"]["pack"], found["move"]["problem"]) == (
        "one@1",
        "two@1",
        "",
    )
    assert f"(moving to two@1: {found['move']['done']} of {len(SEEDS)})" in told(
        data, "library", "list"
    )

    with _serving(data) as server:
        caller = replace(caller, http=server.http)
        turn = 0
        while _standing(data)["move"] is not None:  # searches during the move find everything
            seed = turn % len(SEEDS)
            assert _best(caller, seed)["brief"] == str(seed)
            new = 1000 + turn
            assert "cont_sign" in caller.call("similar", "add", image=_large(new), brief=str(new))
            assert _best(caller, new)["brief"] == str(new)
            turn += 1
        assert _standing(data)["pack"] == "two@1"
        seeds = [*SEEDS, *range(1000, 1000 + turn)]
        assert [_best(caller, seed)["brief"] for seed in seeds] == list(map(str, seeds))
        assert server.stop() == 0

    told(data, "model", "remove", "one")  # nothing needs it any more
    with _serving(data) as server:
        assert _best(replace(caller, http=server.http), 3)["brief"] == "3"


@pytest.fixture
def protocol(tmp_path: Path) -> Path:
    """Two kinds of pictures, three each: one kind are copies of one scene, one of another."""
    folder = tmp_path / "sets"
    (folder / "protocols").mkdir(parents=True)
    labels = {}
    for seed in (1, 2):
        for turn in range(3):
            data = encoded(scene(seed)[turn : 300 + turn], "JPEG", quality=90 - turn)
            (folder / f"{seed}{turn}.jpg").write_bytes(data)
            labels[f"{seed}{turn}.jpg"] = str(seed)
    file = folder / "protocols" / "similar_scenes.json"
    file.write_text(json.dumps({"labels": labels}), "utf-8")
    return file


def test_eval_prints_packs_side_by_side(tmp_path: Path, protocol: Path) -> None:
    data = tmp_path / "data"
    make_pack(data / "packs" / "one@1", "one", dimension=32)
    words = ["eval", protocol, "--pack", "one", "--pack", "base"]
    head, _, *rows = [line.strip("| ").split(" | ") for line in told(data, *words).splitlines()]
    assert head[:4] == ["protocol", "pack", "service", "queries"]
    assert [row[1].partition("@")[0] for row in rows] == ["one", "base"]
    for row in rows:
        # Two of two are right, and come first: the other kind's three follow.
        assert row[0] == "similar_scenes"
        assert row[2:8] == ["similar", "6", "1.000", "1.000", "0.200", "1.000"]
        assert all(float(cell) > 0 for cell in row[8:])
    assert [file.name for file in data.iterdir()] == ["packs"]  # it measures in a folder of its own


def test_eval_takes_the_service_that_is_said(tmp_path: Path, protocol: Path) -> None:
    file = protocol.rename(protocol.with_name("scenes.json"))
    text = refused(tmp_path / "data", "eval", file)
    assert text == "Error: for which service is scenes? Say it with --service\n"
    words = ["eval", file, "--service", "product", "--json"]
    (row,) = (json.loads(line) for line in told(tmp_path / "data", *words).splitlines())
    assert (row["service"], row["queries"], row["recall@1"]) == ("product", 6, 1.0)


def test_eval_tells_what_is_no_protocol_and_which_picture_is_not_there(
    tmp_path: Path, protocol: Path
) -> None:
    (protocol.parents[1] / "11.jpg").unlink()
    assert "11.jpg: No such file" in refused(tmp_path / "data", "eval", protocol)
    protocol.write_text("[]", "utf-8")
    assert "is not a protocol" in refused(tmp_path / "data", "eval", protocol)
    assert "is not a protocol" in refused(tmp_path / "data", "eval", protocol)
