"""One HTML file that needs nothing else: template, style, script and data, and the way out of it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from glmlint import __version__
from glmlint.visible import json_text, visible

ASSETS: Final = Path(__file__).parent / "_page"


def render(template: str, script: str, data: dict[str, Any], lang: str, **values: Any) -> str:
    """A page.

    Args:
        template: a file of `_page`; every value that it prints is escaped.
        script: a file of `_page`, run behind `common.js`.
        data: what the script shows; it stands in the page as JSON.
        lang: "en" or "zh".
        values: for the template.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    code = "".join((_asset("common.js"), _asset(script)))
    style = _asset("page.css")
    page = environment.get_template(template)
    return page.render(
        lang={"zh": "zh-CN"}.get(lang, lang),
        version=__version__,
        style=_raw(style),
        script=_raw(code),
        style_hash=_digest(style),
        script_hash=_digest(code),
        data=_raw(page_json(data)),
        **values,
    )


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """What the page's policy says of the one script, or the one style sheet, that it may use."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _raw(text: str) -> Any:
    from markupsafe import Markup

    return Markup(text)


def _shown(value: Any) -> Any:
    """Everything that a template prints: text on one line, unseen characters written as escapes."""
    from markupsafe import Markup, escape

    if isinstance(value, Markup):
        return value
    return Markup(str(escape(visible(str(value)))).replace("##", "#&#35;"))


def page_json(data: Any) -> str:
    """JSON that ends no element and begins none, wherever it stands in a page."""
    text = json_text(data)
    for char in "<>&":  # they stand in texts alone, where JSON has an escape for each
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def numbers_text(columns: Iterable[Iterable[int]]) -> str:
    """Whole numbers, column after column, as base64 of variable-length integers (zigzag, LEB128)."""
    data = bytearray()
    for column in columns:
        for number in column:
            rest = number << 1 if number >= 0 else (-number << 1) - 1
            while rest > 127:
                data.append(rest & 127 | 128)
                rest >>= 7
            data.append(rest)
    return base64.b64encode(bytes(data)).decode()


def code_parts(text: str) -> list[tuple[bool, str]]:
    """A sentence of Markdown as (is code, text) parts, for what stands between backticks."""
    parts = text.split("`")
    return [(bool(place % 2), part) for place, part in enumerate(parts) if part]
