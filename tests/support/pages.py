"""The Markdown pages of the repository: their links, and the anchors of their headings."""

import re
from pathlib import Path
from urllib.parse import unquote

_FENCED = re.compile(r"^(`{3,}|~{3,}).*?^\1`*\s*?$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]+`")
_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?[^)]*\)")
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)


def links(text: str) -> list[str]:
    """Where the links and pictures of a page lead, those in code left out."""
    return _LINK.findall(_CODE.sub("", _FENCED.sub("", text)))


def anchors(text: str) -> set[str]:
    """What `#…` may name on a page, by GitHub's rule, which the site follows too."""
    found: set[str] = set()
    for heading in _HEADING.findall(_FENCED.sub("", text)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        base = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        name, again = base, 0
        while name in found:
            again += 1
            name = f"{base}-{again}"
        found.add(name)
    return found


def dead_links(page: Path) -> list[str]:
    """Links of a page to files that are not there or headings that they don't have; others' sites
    are not looked at."""
    dead = []
    for link in links(page.read_text("utf-8")):
        if re.match(r"[a-z+]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / unquote(path) if path else page
        if not target.exists() or (anchor and not _has(target, unquote(anchor))):
            dead.append(link)
    return dead


def _has(page: Path, anchor: str) -> bool:
    return anchor in anchors(page.read_text("utf-8"))


def programs(page: Path) -> list[str]:
    """The Python programs of a page, in their order."""
    return re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
