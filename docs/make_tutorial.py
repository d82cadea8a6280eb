"""Writes the outputs in docs/tutorial.md and docs/zh/tutorial.md: python docs/make_tutorial.py.

The blocks of kind `console` are run one after the other, in a new folder: a line that begins with
`$ ` is a command, what stands below it is what a terminal of 80 columns shows. A block of kind
`json` under a line that names a line of the file is that line's new text.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import click

from glmlint.app.cli import cli

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"en_US.UTF-8": ROOT / "docs/tutorial.md", "zh_CN.UTF-8": ROOT / "docs/zh/tutorial.md"}
BLOCK = re.compile(r"(?ms)^```console\n(.*?)^```$|<!-- line (\d+) -->\n```json\n(.*?)^```$")
DATA = "train.jsonl"
last_code = [0]
"""The exit code of the command before, as the shell keeps it."""


class Screen(io.TextIOWrapper):
    """A stream onto the screen; standard output says that it is a terminal."""

    def __init__(self, pixels: io.BytesIO, *, terminal: bool) -> None:
        super().__init__(pixels, encoding="utf-8", newline="", write_through=True)
        self.terminal = terminal

    def isatty(self) -> bool:
        """Whether it is the terminal's."""
        return self.terminal


def pages() -> dict[Path, str]:
    """Path -> text of both tutorials, with what the commands print now."""
    return {path: page(path.read_text(encoding="utf-8"), lang) for lang, path in PAGES.items()}


def page(text: str, lang: str) -> str:
    """A tutorial whose commands are run in a new folder."""
    with folder(lang):
        return BLOCK.sub(block, text)


@contextlib.contextmanager
def folder(lang: str) -> Iterator[None]:
    """A new folder with the file of the tutorial, the environment of a terminal."""
    before = Path.cwd()
    wanted = {"LC_ALL": lang, "COLUMNS": "80", "NO_COLOR": "1", "TERM": "xterm"}
    with tempfile.TemporaryDirectory() as made, mock.patch.dict(os.environ, wanted):
        shutil.copy(ROOT / "examples" / "broken.jsonl", Path(made) / DATA)
        os.chdir(made)
        try:
            yield
        finally:
            os.chdir(before)


def block(found: re.Match[str]) -> str:
    """A block as it should be: commands with their outputs; a new line is put into the file."""
    commands, number, row = found.groups()
    if number:
        file = Path(DATA)
        lines = file.read_text(encoding="utf-8").splitlines()
        lines[int(number) - 1] = row.strip()
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return found[0]
    shown = [line for line in commands.splitlines() if line.startswith("$ ")]
    return "```console\n" + "".join(f"{line}\n{printed(line[2:])}" for line in shown) + "```"


def printed(command: str) -> str:
    """What the terminal shows of a command: `glmlint …`, `… | head -n N`, `cat` of a file."""
    command, _, head = command.partition(" | head -n ")
    name, *arguments = shlex.split(command, comments=True)
    if command == "echo $?":
        text = f"{last_code[0]}\n"
    elif name == "cat":
        text = Path(arguments[0]).read_text(encoding="utf-8")
    elif name == "glmlint":
        text = ran(arguments, terminal=not head)
    else:
        text = ""  # what the reader does before the file is there
    lines = [line.rstrip() for line in text.splitlines()]
    return "".join(f"{line}\n" for line in (lines[: int(head)] if head else lines))


def ran(arguments: list[str], *, terminal: bool) -> str:
    """What glmlint prints: in a pipe its output alone, on a terminal the errors too, as they come."""
    pixels = io.BytesIO()
    screen = Screen(pixels, terminal=terminal)
    errors = Screen(pixels if terminal else io.BytesIO(), terminal=False)
    with (
        contextlib.redirect_stdout(screen),
        contextlib.redirect_stderr(errors),
        mock.patch.object(sys, "argv", ["glmlint", *arguments]),
    ):
        try:
            code = cli.main(arguments, prog_name="glmlint", standalone_mode=False)
        except click.ClickException as error:
            error.show()
            code = error.exit_code
        except SystemExit as error:
            code = error.code
    last_code[0] = code if isinstance(code, int) else 0
    return pixels.getvalue().decode("utf-8")


def main() -> None:
    """Write both pages."""
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
