"""Writes docs/commands.md and docs/zh/commands.md from the flags themselves: python docs/make_commands.py."""

from __future__ import annotations

import re
from pathlib import Path

import click

from glmlint.app.cli import cli
from glmlint.app.flags import GROUPS, LANGUAGE, Argument, Option
from glmlint.text import Text

FOLDER = Path(__file__).resolve().parent
PAGES = {"en": FOLDER / "commands.md", "zh": FOLDER / "zh" / "commands.md"}

TITLE = Text("Commands", "命令")
INTRO = Text(
    "Every command and flag, as `glmlint COMMAND --help` prints them. Written by "
    "`python docs/make_commands.py`. Most flags are also keys of `glmlint.toml`: "
    "[settings.md](settings.md).",
    "所有命令和参数，内容与 `glmlint COMMAND --help` 相同，由 `python docs/make_commands.py` 生成。"
    "大多数参数也是 `glmlint.toml` 的键：[配置](settings.md)。",
)
COMMAND = Text("command", "命令")
DOES = Text("what it does", "作用")
ARGUMENT = Text("argument", "参数")
DEFAULT = Text("default", "默认")
EXIT_TITLE = Text("Exit codes", "退出码")
EXIT = (
    (
        "0",
        Text(
            "nothing at or over `--fail-on` (default: `error`)",
            "没有达到 `--fail-on`（默认 `error`）级别的问题",
        ),
    ),
    ("1", Text("findings at or over it, or a limit exceeded", "有这样的问题，或者超过了某个上限")),
    (
        "2",
        Text(
            "something could not be done: a bad flag, an unreadable path, a full disk. The other "
            "paths are still reported",
            "未能完成：参数错误、有路径无法读取，或磁盘已满（其余路径照常检查和报告）",
        ),
    ),
    (
        "130",
        Text("interrupted; what was found so far is printed", "被中断；已经发现的问题照常输出"),
    ),
    (
        "129, 143",
        Text(
            "ended by SIGHUP or SIGTERM; files that were being written are removed",
            "被 SIGHUP 或 SIGTERM 终止；正在写的文件会被清除",
        ),
    ),
)


def pages() -> dict[Path, str]:
    """Path -> text of both pages; the same flags always give the same text."""
    return {path: page(lang) for lang, path in PAGES.items()}


def page(lang: str) -> str:
    """All commands in that language."""
    context = click.Context(cli, info_name="glmlint", **cli.context_settings)
    context.meta[LANGUAGE] = lang
    names = cli.list_commands(context)
    summaries = dict(cli.summaries())
    parts = [f"# {TITLE.plain(lang)}", INTRO.plain(lang)]
    head = [COMMAND.plain(lang), DOES.plain(lang)]
    rows = [[f"[`glmlint {name}`](#glmlint-{name})", summaries[name].plain(lang)] for name in names]
    parts += [table(head, rows), *command(cli, context, lang)]
    for name in names:
        found = cli.get_command(context, name)
        assert found is not None
        inner = click.Context(found, info_name=name, parent=context)
        parts += [f"## glmlint {name}", summaries[name].plain(lang), *more(found, lang)]
        parts += command(found, inner, lang)
    parts.append(f"## {EXIT_TITLE.plain(lang)}")
    parts.append(table(["", ""], [[code, text.plain(lang)] for code, text in EXIT]))
    return "\n\n".join(parts) + "\n"


def more(command: click.Command, lang: str) -> list[str]:
    """The further paragraphs of a command's help."""
    text: Text | None = getattr(command, "more", None)
    found = []
    for paragraph in text.plain(lang).split("\n\n") if text else []:
        kept = paragraph.startswith("\b\n")
        found.append(f"```text\n{paragraph[2:]}\n```" if kept else paragraph.replace("\n", " "))
    return found


def command(command: click.Command, context: click.Context, lang: str) -> list[str]:
    """The tables of a command's arguments and flags, by group."""
    params = command.get_params(context)
    parts = []
    arguments = [
        [f"`{one.make_metavar(context)}`", cell(one.text.plain(lang))]
        for one in params
        if isinstance(one, Argument)
    ]
    if arguments:
        parts.append(table([ARGUMENT.plain(lang), ""], arguments))
    for group, title in GROUPS.items():
        found = [
            one.record(context, lang)
            for one in params
            if isinstance(one, Option) and one.group == group
        ]
        rows = [[f"`{one[0]}`", cell(one[1]), cell(default(one[2]))] for one in found if one]
        if rows:
            parts.append(table([title.plain(lang), "", DEFAULT.plain(lang)], rows))
    return parts


def default(shown: str) -> str:
    """The default alone, without the words that `--help` puts around it."""
    return re.sub(r"^\s*(?:\[default: |\[|（默认：|（)(.*)[\]）]$", r"\1", shown)


def cell(text: str) -> str:
    """A text in a table: flags are code, and what is no code stands for itself."""
    text = re.sub(r"(?<![\w`-])(--[a-z][a-z-]+)(?!`)", r"`\1`", text.replace("\n", " "))
    pieces = text.split("`")
    for place in range(0, len(pieces), 2):
        pieces[place] = re.sub(r"([<*_\[\]])", r"\\\1", pieces[place])
    return "`".join(pieces)


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += [f"| {' | '.join(escaped(one) for one in row)} |" for row in rows]
    return "\n".join(lines)


def escaped(text: str) -> str:
    """A cell: a pipe in it does not end it."""
    return re.sub(r"(?<!\\)\|", r"\\|", text)


def main() -> None:
    """Write both pages."""
    for path, text in pages().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
