"""The official Python client, `baidu-aip`, unmodified except for where it sends."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from inspect import signature
from typing import Any

import pytest
from aip import AipImageSearch
from aip.base import AipBase

from support.server import Answer, Caller

_CLOUD = "https://aip.baidubce.com"


def call(
    client: Any, method: str, subject: object, brief: str | None, options: dict[str, object]
) -> Answer:
    """Some methods take the brief in its own place, the others among the options."""
    function = getattr(client, method)
    if brief is None:
        return dict(function(subject, options))
    if "brief" in signature(function).parameters:
        return dict(function(subject, brief, options))
    return dict(function(subject, options | {"brief": brief}))


class PythonClient:
    """The client and its names; `aip` is the official one."""

    def __init__(self, caller: Caller) -> None:
        self.aip: Any = AipImageSearch(str(caller.app_id), caller.api_key, caller.secret_key)

    def call(
        self, method: str, subject: bytes | str, brief: str | None = None, **options: object
    ) -> Answer:
        """Call a method as all clients of `support.round_trip` do."""
        return call(self.aip, method, subject, brief, options)

    @property
    def token(self) -> str:
        """The access token that the client goes by."""
        return str(self.aip._authObj["access_token"])


Connect = Callable[[str, Caller], PythonClient]


@contextmanager
def connecting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """Point the client at a server: its addresses are private attributes of its classes."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ExitStack() as sessions:

        def make(address: str, caller: Caller) -> PythonClient:
            for owner in (AipBase, AipImageSearch):
                for name, value in list(vars(owner).items()):
                    if isinstance(value, str) and value.startswith(_CLOUD):
                        monkeypatch.setattr(owner, name, address + value.removeprefix(_CLOUD))
            client = PythonClient(caller)
            # The client never closes its session, which warnings as errors would hold against us.
            sessions.callback(client.aip.s.close)
            return client

        yield make
