"""Where an import brings pictures to: a library of this process, or a server elsewhere."""

import json
from pathlib import Path
from typing import Protocol

from tusou.client import AipImageSearch, pictures
from tusou.errors import LocalProblem, Problem, TusouError
from tusou.intake.run import Fields
from tusou.library.library import Library
from tusou.runtime import Runtime
from tusou.services import SERVICES
from tusou.web import bodies, inputs

_PROBLEMS = {row.code: row for row in reversed(Problem)}  # of two with one code the first
_LOCAL = {row.code: row for row in LocalProblem}


class Target(Protocol):
    """Takes pictures."""

    def add(self, fields: Fields) -> object:
        """Add a picture.

        Raises:
            TusouError: it is not taken; ConnectionError: nobody is there.
        """
        ...

    def examine(self, fields: Fields) -> object:
        """Pass if a picture would be taken, as far as can be told without adding it; likewise."""
        ...

    def close(self) -> None:
        """Be done with it."""
        ...


class LocalTarget:
    """A library of this process. It takes what the compatible interface takes, and counts no call.

    A file may have 4 MiB itself, as no base64 makes it longer on the way.
    """

    def __init__(self, runtime: Runtime, library: Library) -> None:
        self._runtime, self._library = runtime, library
        self._seen = set[object]()

    def add(self, fields: Fields) -> object:
        """Add a picture."""
        sent = bodies.fields_of(fields)
        brief = inputs.required_brief(sent)
        first, second = inputs.classes(sent, self._library.service)
        return self._library.add(inputs.picture(sent), brief, (first or 0, second or 0))

    def examine(self, fields: Fields) -> object:
        """Pass if it would be taken; a picture that came before is there already."""
        sent = bodies.fields_of(fields)
        inputs.required_brief(sent)
        inputs.classes(sent, self._library.service)
        sign = self._library.examine(inputs.picture(sent))
        if sign in self._seen:
            raise TusouError(Problem.ITEM_EXISTS, str(sign))
        self._seen.add(sign)
        return sign

    def close(self) -> None:
        """Close the server that nobody else could use meanwhile."""
        self._runtime.close()


class RemoteTarget:
    """A server, by the calls of the compatible interface."""

    def __init__(self, host: str, keys: Path, service: str) -> None:
        """Connect with the keys of a file, as `tusou app show --json` writes them."""
        try:
            found = json.loads(keys.read_text("utf-8"))
            app_id, api_key, secret_key = (
                str(found[name]) for name in ("app_id", "api_key", "secret_key")
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{keys} is no output of: tusou app show APP_ID --json") from error
        self._client = AipImageSearch(app_id, api_key, secret_key, host=host)
        self._service = service

    def add(self, fields: Fields) -> object:
        """Add a picture."""
        answer = self._client.call(self._service, "add", fields)
        code = answer.get("error_code")
        if code is None:
            return answer["cont_sign"]
        message = str(answer.get("error_msg", ""))
        local = _LOCAL.get(code)
        problem = local.instead if local else _PROBLEMS.get(code, Problem.UNKNOWN)
        raise TusouError(problem, message.removeprefix(problem.message).removeprefix(": "))

    def examine(self, fields: Fields) -> object:
        """Pass what the client library passes; nothing is sent."""
        service, sent = SERVICES[self._service], bodies.fields_of(fields)
        inputs.required_brief(sent)
        inputs.classes(sent, service)
        picture = inputs.picture(sent)
        if isinstance(picture, bytes):
            try:
                pictures.check(picture, service)
            except pictures.Refused as refusal:
                raise TusouError(refusal.problem.instead) from refusal
        return picture

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
