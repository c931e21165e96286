"""Templates into pages, and where the console's own files are; the only module that knows Jinja."""

import hashlib
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tusou.accounts.money import shown

STATIC: Final = {
    name: (files("tusou.web.console") / "static" / name).read_bytes()
    for name in sorted(
        path.name for path in (files("tusou.web.console") / "static").iterdir() if path.is_file()
    )
}
"""Styles, scripts and pictures of the console by their names; read once."""

VERSION: Final = hashlib.sha256(b"".join(STATIC.values())).hexdigest()[:12]
"""Changes with the files, so that browsers may keep them for ever."""

MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def media_type(name: str) -> str:
    """What a file of `STATIC` is."""
    return MEDIA_TYPES[PurePosixPath(name).suffix]


def _moment(seconds: int) -> Markup:
    """A time that scripts show by the reader's clock."""
    at = datetime.fromtimestamp(seconds, UTC)
    return Markup('<time datetime="{}">{} UTC</time>').format(
        at.strftime("%Y-%m-%dT%H:%M:%SZ"), at.strftime("%Y-%m-%d %H:%M")
    )


def _megabytes(number: int) -> str:
    for unit in ("B", "KB", "MB"):
        if number < 1000 or unit == "MB":
            return f"{number:,.0f} {unit}" if unit == "B" else f"{number:,.1f} {unit}"
        number = number / 1000  # type: ignore[assignment]
    raise AssertionError


def _icon(name: str) -> Markup:
    """A picture of the sprite, which says nothing to screen readers: a word stands beside it."""
    return Markup(
        '<svg class="icon" aria-hidden="true"><use href="/console/static/{}/icons.svg#{}"/></svg>'
    ).format(VERSION, name)


def _engine() -> Environment:
    jinja = Environment(
        loader=PackageLoader("tusou.web.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.filters["moment"] = _moment
    jinja.filters["size"] = _megabytes
    jinja.filters["money"] = shown
    jinja.filters["number"] = lambda value: f"{value:,}"
    jinja.globals["icon"] = _icon
    jinja.globals["static"] = f"/console/static/{VERSION}"
    return jinja


_JINJA = _engine()


def render(template: str, **facts: Any) -> str:
    """A page from its template."""
    return _JINJA.get_template(template).render(**facts)
