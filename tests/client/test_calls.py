"""No route of the native interface is forgotten, nor a call in one of the clients."""

import inspect
from pathlib import Path
from typing import Any, get_args, get_origin
from urllib.parse import unquote

import pytest

from tusou.client import AsyncClient, Client, calls
from tusou.client.call import Call, following
from tusou.client.results import Found
from tusou.web.rest.routes import ROWS

MADE = {
    name: make
    for name, make in vars(calls).items()
    if inspect.isfunction(make) and get_origin(inspect.signature(make).return_annotation) is Call
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Call[Any]]:
    """Each call with its necessary parameters, which are what the routes call them."""
    file = tmp_path_factory.mktemp("sent") / "pictures.tar"
    file.write_bytes(b"tar")
    samples: dict[str, Any] = {
        **{name: f"{{{name}}}" for name in ("service", "id", "task")},
        **{"pack": "p", "capacity": 1, "pictures": (), "first": 1, "second": 2},
        **{"file": file, "manifest": "http://h/", "to": file},
    }

    def make_one(make: Any) -> Call[Any]:
        needed = [
            name
            for name, parameter in inspect.signature(make).parameters.items()
            if parameter.default is parameter.empty
        ]
        call: Call[Any] = make(**{name: samples[name] for name in needed})
        return call

    return {name: make_one(make) for name, make in MADE.items()}


def test_every_route_has_a_call(made: dict[str, Call[Any]]) -> None:
    called = {(call.method, unquote(call.path)) for call in made.values()}
    assert called == {(row.method, row.path) for row in ROWS}


@pytest.mark.parametrize("name", MADE)
def test_every_call_is_a_method_that_says_what_it_brings(name: str) -> None:
    (brings,) = get_args(inspect.signature(MADE[name]).return_annotation)
    for kind in (Client, AsyncClient):
        method = getattr(kind, name)
        assert method.__doc__ == MADE[name].__doc__
        assert inspect.signature(method).return_annotation == brings


def test_what_may_not_be_done_twice_is_told_so(made: dict[str, Call[Any]]) -> None:
    assert {name for name, call in made.items() if call.once} == {
        *("create_library", "resize_library", "release_library", "move_library"),
        *("rebuild_library", "add_batch", "delete_pictures", "retag_pictures"),
        *("import_file", "import_manifest", "export", "part_duplicates", "delete_duplicates"),
    }
    assert all(call.method != "GET" for call in made.values() if call.once)


def test_the_next_page_of_a_search_is_asked_for_in_its_body() -> None:
    page = Found((), True, 1, None, next="20.17")
    call = following(calls.search("similar", b"x", limit=20), page)
    assert call is not None
    assert call.body.fields == {"limit": "20", "cursor": "20.17"}
    assert call.body.files == {"image": b"x"}
    assert following(call, Found((), False, 1, None)) is None


def test_values_are_written_as_the_server_reads_them(tmp_path: Path) -> None:
    call = calls.export("similar", features=True, tags=(1, 2), filter="id in (1)")
    assert call.body.fields == {"features": "true", "tags": "1,2", "filter": "id in (1)"}
    assert calls.search("similar", b"", region=(1, 2, 3, 4)).body.fields == {"region": "1,2,3,4"}
    for name, media in (("a.JSONL", "application/x-ndjson"), ("a.tar.gz", "application/x-tar")):
        (tmp_path / name).write_bytes(b"12345")
        sent = calls.import_file("similar", tmp_path / name)
        assert sent.headers == {"content-type": media, "content-length": "5"}
    with pytest.raises(FileNotFoundError):
        calls.import_file("similar", tmp_path / "gone.tar")
