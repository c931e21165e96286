"""Programs that make one call, in eight languages, each from one pattern and one description."""

import json
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

PLACEHOLDER: Final = "YOUR_SECRET_KEY"
"""Stands where the Secret Key belongs: nobody's is in a page that they did not ask for it."""


class Field(NamedTuple):
    """One parameter of the call."""

    name: str
    value: str
    is_file: bool = False
    """The value is the path of a picture, which is sent in base64."""


class Call(NamedTuple):
    """What a program does: take a token for the keys, send the fields, print the answer."""

    server: str
    """Such as `http://127.0.0.1:8080`."""
    api_key: str
    secret_key: str
    path: str
    fields: tuple[Field, ...]


class Language(NamedTuple):
    """One language; its pattern is the file `samples/NAME.txt`."""

    name: str
    title: str
    file: str
    """What the program is to be saved as."""
    run: str
    """How it is run then."""
    quote: Callable[[str], str]
    """A text as the language writes it."""


def _json(text: str) -> str:
    """A string of JSON, which is one of most languages too.

    What a reader would not see, and what some languages take for the end of a line, is escaped.
    """
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(
        sign if sign.isprintable() or ord(sign) > 0xFFFF else f"\\u{ord(sign):04x}"
        for sign in quoted
    )


def _php(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


LANGUAGES: Final = (
    Language("curl", "curl", "sample.sh", "bash sample.sh", shlex.quote),
    Language("python", "Python", "sample.py", "python3 sample.py", _json),
    Language("java", "Java", "Sample.java", "java Sample.java", _json),
    Language("php", "PHP", "sample.php", "php sample.php", _php),
    Language(
        "cpp",
        "C++",
        "sample.cpp",
        "g++ -std=c++17 sample.cpp -lcurl -o sample && ./sample",
        _json,
    ),
    Language(
        "csharp",
        "C#",
        "Sample.cs",
        "mcs -r:System.Net.Http Sample.cs && mono Sample.exe",
        _json,
    ),
    Language("node", "Node.js", "sample.mjs", "node sample.mjs", _json),
    Language("go", "Go", "sample.go", "go run sample.go", _json),
)
"""In the order of the page."""


def write(language: Language, call: Call, keep: str) -> str:
    """The program; `keep` is the comment that says to keep the token."""
    constants = {
        "SERVER": language.quote(call.server),
        "API_KEY": language.quote(call.api_key),
        "SECRET_KEY": language.quote(call.secret_key),
        "PATH": language.quote(call.path),
        "KEEP": keep,
    }
    lines: list[str] = []
    for line in _pattern(language.name):
        if isinstance(line, str):
            lines.append(_fill(line, constants))
        else:
            lines += _fields(language, line, call.fields)
    return "\n".join(lines) + "\n"


def _fields(language: Language, patterns: Mapping[str, str], fields: Iterable[Field]) -> list[str]:
    return [
        _fill(
            patterns["file" if field.is_file else "text"],
            {"NAME": language.quote(field.name), "VALUE": language.quote(field.value)},
        )
        for field in fields
    ]


def _fill(line: str, values: Mapping[str, str]) -> str:
    """Put values in; in one go, as a value may look like a place for another."""
    return re.sub(r"@([A-Z_]+)@", lambda place: values[place[1]], line)


@cache
def _pattern(name: str) -> tuple[str | Mapping[str, str], ...]:
    """Lines, and where neighbours begin with `%file` and `%text`, one mapping for both."""
    source = files("tusou.web.console") / "samples" / f"{name}.txt"
    lines: list[str | dict[str, str]] = []
    for line in source.read_text("utf-8").splitlines():
        found = re.match(r"%(file|text)(.*)", line)
        if found is None:
            lines.append(line)
        elif lines and isinstance(last := lines[-1], dict):
            last[found[1]] = found[2]
        else:
            lines.append({found[1]: found[2]})
    return tuple(lines)
