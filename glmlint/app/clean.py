"""`glmlint clean`: takes the cache away."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from glmlint.app.flags import lang_option, option
from glmlint.app.help import Command
from glmlint.app.options import Failure, complete_files
from glmlint.output import language, put
from glmlint.text import Text, is_folder, system_fault
from glmlint.visible import printable_path


@click.command(
    "clean",
    cls=Command,
    summary=Text("Remove the cache of earlier checks.", "清除以往检查的缓存。"),
)
@option("--cache-dir", metavar="FOLDER", shell_complete=complete_files, group="running",
        default_shown=Text("the user's cache folder", "用户的缓存文件夹"),
        help=Text("Where the cache is.", "缓存所在的文件夹。"))  # fmt: skip
@lang_option("auto")
def clean(cache_dir: str | None, lang: str) -> None:
    """Remove the entries of the cache."""
    from glmlint.runners.cache import clean as clean_folder
    from glmlint.runners.cache import default_folder

    lang = language(lang)
    folder = Path(cache_dir) if cache_dir else default_folder()
    if folder is None or not is_folder(folder):
        put(sys.stdout, _NOTHING.plain(lang))
        return
    try:
        number, size = clean_folder(folder)
    except OSError as error:
        raise Failure(system_fault(error).plain(lang), path=folder) from None
    where = printable_path(str(folder))
    put(sys.stdout, _GONE.say(lang, n=number, mb=f"{size / 1e6:.1f}", folder=where))


_NOTHING = Text("there is no cache", "没有缓存")
_GONE = Text(
    "removed from {folder}: {n:file}, {mb} MB", "已从 {folder} 清除 {n} 个文件，共 {mb} MB"
)
