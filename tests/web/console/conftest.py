"""What the tests of the console share: users of each role around one application."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack

import pytest

from support.console import Place, Visit, Visitor
from support.pictures import picture
from support.server import Server


@pytest.fixture(scope="module")
def place(server: Server) -> Iterator[Place]:
    caller = server.caller("same_hq", "similar", "product")
    sign = caller.call("same_hq", "add", image=picture(1), brief="a brief", tags="7")["cont_sign"]
    operator = Visitor(server, "operator")
    owner = Visitor(server, "owner", [caller.app_id])
    viewer = Visitor(server, "viewer", [caller.app_id])
    stranger = Visitor(server, "owner")
    listed = operator.get(f"/libraries/{caller.app_id}/same_hq/pictures").json()["items"]
    yield Place(server, caller, operator, owner, viewer, stranger, sign, listed[0]["key"])
    for person in (operator, owner, viewer, stranger):
        person.http.close()


@pytest.fixture
def visit(server: Server) -> Iterator[Visit]:
    with ExitStack() as people:

        def make(role: str, apps: Iterable[int] = ()) -> Visitor:
            visitor = Visitor(server, role, apps)
            people.callback(visitor.http.close)
            return visitor

        yield make
