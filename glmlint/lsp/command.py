"""`glmlint lsp`: the language server on standard input and output."""

from __future__ import annotations

import logging
import os
import signal
import sys
from types import FrameType

import click

from glmlint.app.flags import lang_option, option
from glmlint.app.help import Command
from glmlint.app.options import Failure
from glmlint.app.process import SIGNALS
from glmlint.extras import install
from glmlint.lsp.words import say
from glmlint.output import language, tell
from glmlint.text import Text


@click.command(
    "lsp",
    cls=Command,
    summary=Text(
        "Language server for editors: findings while you type, fixes, tokens.",
        "编辑器用的语言服务器：边编辑边检查，可修复，可查看 token。",
    ),
    more=Text(
        "An editor starts it; docs/editors.md says how. It needs the extra `lsp` (pygls).",
        "由编辑器启动，方法见 docs/editors.md。需要可选依赖 `lsp`（pygls）。",
    ),
)
@option(
    "--stdio",
    is_flag=True,
    group="general",
    help=Text(
        "Speak on standard input and output: the only way, and the default.",
        "通过标准输入和标准输出通信：唯一的方式，也是默认方式。",
    ),
)
@lang_option()
def lsp(stdio: bool, lang: str | None) -> None:
    """Serve one client."""
    del stdio
    try:
        from glmlint.lsp.features import make_server
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("pygls", "lsprotocol", "cattrs"):
            raise
        raise Failure(say("without-pygls", language(lang or "auto"), how=install("lsp"))) from None
    if sys.stdin.isatty():
        tell(say("waits", language(lang or "auto")))
    logging.getLogger("pygls").addHandler(logging.NullHandler())
    logging.getLogger("pygls").propagate = False
    # Messages alone go to standard output: what anything else prints there goes to standard error.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    server = make_server()
    if lang is not None:
        server.lang, server.keeps_lang = language(lang), True

    def stop(number: int, _frame: FrameType | None) -> None:
        server.shown.remove()
        os._exit(128 + number)  # the thread that reads standard input would wait for ever

    for number in (signal.SIGINT, *SIGNALS):
        signal.signal(number, stop)
    try:
        server.start_io(sys.stdin.buffer, out)
    finally:
        server.shown.remove()
    code = 0 if server.ended else 1
    server.end()
    raise SystemExit(code)
