"""Briefs by a template: `{"id": "$stem"}` gives each picture one of its own."""

import json
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from string import Template
from typing import Any

from tusou.intake.sources import Entry

DEFAULT = "$path"


def template(text: str) -> Callable[[Entry], str]:
    """What makes briefs by a template.

    `$path`, `$name` (the last part of the path), `$stem` (without its suffix) and `$folder` are
    filled in, and the columns of a manifest. Where the template is JSON, what is filled in is
    escaped as JSON needs it.

    Raises:
        ValueError: a `$` that begins no name; `$$` stands for one. Of what is made: ValueError, a
            name that an entry has not.
    """
    if not Template(text).is_valid():
        raise ValueError("in the template a $ begins no name; write $$ for a dollar")
    try:
        document = json.loads(text)
    except ValueError:
        document = None

    def make(entry: Entry) -> str:
        facts = _facts(entry)
        if isinstance(document, dict | list):
            return json.dumps(_filled(document, facts), ensure_ascii=False)
        return _fill(text, facts)

    return make


def _facts(entry: Entry) -> dict[str, str]:
    path = PurePosixPath(entry.name)
    own = {"path": entry.name, "name": path.name, "stem": path.stem, "folder": path.parent.name}
    return own | dict(entry.row)


def _filled(part: Any, facts: Mapping[str, str]) -> Any:
    if isinstance(part, str):
        return _fill(part, facts)
    if isinstance(part, list):
        return [_filled(each, facts) for each in part]
    if isinstance(part, dict):
        return {_fill(name, facts): _filled(each, facts) for name, each in part.items()}
    return part


def _fill(text: str, facts: Mapping[str, str]) -> str:
    try:
        return Template(text).substitute(facts)
    except KeyError as error:
        raise ValueError(f"nothing is known for ${error.args[0]} of the template") from None
