"""What the console says, in each of its languages: catalogues of texts, and who gets which."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

LANGUAGES: Final = {"zh": "中文", "en": "English"}
_DEFAULT = "en"


class Texts:
    """The texts of one language."""

    def __init__(self, language: str, texts: Mapping[str, str]) -> None:
        self.language = language
        self._texts = texts

    def __call__(self, key: str, **facts: object) -> str:
        """A text by its key, with facts put in.

        Raises:
            KeyError: there is none, or a fact is missing.
        """
        text = self._texts[key]
        return text.format(**facts) if facts else text

    def count(self, key: str, number: int, **facts: object) -> str:
        """A text about a number of things: `key.one` for a single one, otherwise `key.many`."""
        return self(f"{key}.{'one' if number == 1 else 'many'}", n=f"{number:,}", **facts)

    def below(self, prefix: str) -> dict[str, str]:
        """All texts whose keys begin so, for scripts."""
        return {key: text for key, text in self._texts.items() if key.startswith(prefix)}

    @property
    def known(self) -> set[str]:
        """All keys."""
        return set(self._texts)


@cache
def texts(language: str) -> Texts:
    """The texts of a language."""
    source = files("tusou.web.console") / "texts" / f"{language}.toml"
    return Texts(language, dict(_flat(tomllib.loads(source.read_text("utf-8")))))


def choose(cookie: str | None, accepted: str) -> str:
    """The language for a browser: what was switched to, then what it accepts, best first."""
    if cookie in LANGUAGES:
        return cookie
    wishes = []
    for part in accepted.split(",")[:20]:
        tag, _, rest = part.strip().partition(";")
        wishes.append((_quality(rest.strip().removeprefix("q=")), tag.partition("-")[0].lower()))
    for wish, language in sorted(wishes, key=lambda pair: -pair[0]):
        if language in LANGUAGES and wish > 0:
            return language
    return _DEFAULT


def _quality(text: str) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        return 0.0


def _flat(tree: Mapping[str, Any], path: str = "") -> Any:
    for name, value in tree.items():
        if isinstance(value, str):
            yield path + name, value
        else:
            yield from _flat(value, f"{path}{name}.")
