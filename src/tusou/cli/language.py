"""The language of what a command tells at length: asked for, or that of the terminal."""

import locale
from typing import Literal

import click

Language = Literal["english", "chinese"]

LANGUAGE = click.option(
    "--language",
    type=click.Choice(["english", "chinese"]),
    help="Language of the report, by default that of the terminal.",
)


def spoken() -> Language:
    """The terminal's language, where it is one of the two."""
    try:
        locale.setlocale(locale.LC_ALL, "")
    except locale.Error:  # one that is not installed here
        return "english"
    name = locale.getlocale(locale.LC_MESSAGES)[0] or ""
    return "chinese" if name.startswith("zh") else "english"
