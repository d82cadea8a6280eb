"""Writes what the rules declare into the settings' schema and pages: python docs/make_settings.py."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click

from glmlint.app.cli import cli
from glmlint.app.flags import Option
from glmlint.app.limits import declared
from glmlint.text import Text

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = ROOT / "schemas" / "config.schema.json"
PAGES = {"en": ROOT / "docs" / "settings.md", "zh": ROOT / "docs" / "zh" / "settings.md"}

_LIMITS = Text("| limit | value | default | |", "| 上限 | 取值 | 默认 | |")
_KEYS = Text("| key | |", "| 键 | |")
_OFF = Text("off", "关闭")
_KINDS = {"share": Text("share", "比例"), "count": Text("count", "整数")}
_PER_FILE = Text("Other rules for some files.", "部分文件使用另外的规则。")


def schema_text() -> str:
    """The schema of the settings with a line for each limit, between its two neighbours."""
    text = SCHEMA.read_text(encoding="utf-8")
    lines = "".join(
        f"    {json.dumps(one.name)}: {json.dumps(one.schema, ensure_ascii=False)},\n"
        for one in declared()
    )
    known = r'    "[a-z-]+": \{"description": .*, "\$ref": "#/\$defs/(share|count)"\},\n'
    text = re.sub(known, "", text)
    return text.replace('    "eval":', lines + '    "eval":', 1)


def page_text(lang: str = "en") -> str:
    """The page with the tables of limits and of all keys."""
    text = PAGES[lang].read_text(encoding="utf-8")
    return _between(_between(text, "limits", _limits(lang)), "keys", _keys(lang))


def _limits(lang: str) -> list[str]:
    rows = [_LIMITS.plain(lang), "|---|---|---|---|"]
    for one in declared():
        default = _OFF.plain(lang) if one.default is None else str(one.default)
        kind = _KINDS[one.kind].plain(lang)
        rows.append(f"| `{one.name}` | {kind} | {default} | {one.zh if lang == 'zh' else one.en} |")
    return rows


def _keys(lang: str) -> list[str]:
    """What each key does, in the words of its flag."""
    context = click.Context(cli)
    check = cli.get_command(context, "check")
    assert check is not None
    flags = {
        flag: one.text
        for one in check.get_params(context)
        if isinstance(one, Option)
        for flag in one.opts
    }
    rows = [_KEYS.plain(lang), "|---|---|"]
    for key in json.loads(SCHEMA.read_text(encoding="utf-8"))["properties"]:
        text = flags.get(f"--{key}", _PER_FILE)
        said = re.sub(r"(?<![\w`-])(--[a-z][a-z-]+)(?!`)", r"`\1`", text.plain(lang))
        said = re.sub(r"\[\[[a-z-]+\]\]", r"`\g<0>`", said).replace("|", "\\|")
        rows.append(f"| `{key}` | {said} |")
    return rows


def _between(text: str, mark: str, rows: list[str]) -> str:
    """The text with a table between two comments."""
    start, stop = f"<!-- {mark} -->\n", f"<!-- end of {mark} -->"
    before, _, rest = text.partition(start)
    table = "\n".join(rows)
    return f"{before}{start}{table}\n{stop}{rest.partition(stop)[2]}"


def main() -> None:
    """Write the schema, then the pages, which are read from it."""
    SCHEMA.write_text(schema_text(), encoding="utf-8")
    for lang, path in PAGES.items():
        path.write_text(page_text(lang), encoding="utf-8")


if __name__ == "__main__":
    main()
