"""The one way from a template to a page that needs nothing else, for every room that has one."""

from __future__ import annotations

import re
from importlib import resources

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup


def environment() -> Environment:
    """Templates are named ROOM/FILE, as ``part`` names them. What a page is given is escaped; what it lacks is an error.

    The filter ``soft`` lets a long name break after its joints, where a column is narrow.
    """
    made = Environment(
        loader=FunctionLoader(part),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["soft"] = _soft
    return made


def part(name: str) -> str:
    """The text of a file of this package: "report/page.css"."""
    room, _, file = name.partition("/")
    return (resources.files("spoofproof") / room / file).read_text(encoding="utf-8")


def _soft(name: str) -> Markup:
    return Markup("").join(
        Markup("{}<wbr>").format(piece) if piece in "/:@_." else Markup("{}").format(piece)
        for piece in re.split(r"([/:@_.])", name)
        if piece
    )
