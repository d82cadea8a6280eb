"""`glmlint convert`: flags in, the converted file and what was lost on the way out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from glmlint.app.flags import Choice, argument, lang_option, option
from glmlint.app.help import Command
from glmlint.app.options import Failure, complete_files
from glmlint.converters.base import Format, Kind, formats
from glmlint.converters.columns import TARGETS, mapped
from glmlint.converters.padding import surveyed
from glmlint.converters.run import (
    ConvertOutcome,
    Count,
    as_array,
    as_lines,
    convert_rows,
    write_atomically,
    writers,
)
from glmlint.finding import Pointer, json_pointer, place
from glmlint.output import colored, language, silence, tell, tell_json, width
from glmlint.read.paths import find_inputs
from glmlint.read.source import InputFile, SourceError, rereadable
from glmlint.text import Text, Told, system_fault
from glmlint.visible import escaped_json, printable_path, visible

SHOWN_REFUSALS: Final = 20
"""Refused rows that the text report lists; the JSON report has more."""

_WORDS: Final[dict[str, dict[str, Any]]] = {
    "en": {
        "colon": ": ",
        "comma": ", ",
        "brackets": " ({})",
        "aside": " [{}]",
        "into": " -> {}",
        "refused": "not converted",
        "times": "{times} times in {rows} rows",
        "more": "and {more} more rows that were not converted",
        "done": "{converted} of {rows} rows converted to {to}{formats}{target}",
        "kept": "{path} is unchanged: no row could be converted",
        "nothing": "nothing was written: no row could be converted",
        "one-file": "{files} files; convert takes one",
        "endings": "only .jsonl, .json and their .gz can be written",
        "itself": "{path} is the input itself; --force overwrites it",
        "interrupted": "interrupted: nothing was replaced",
        "map-and-from": "--map already says what the columns hold: leave out --from",
        "title": "Lost or guessed on the way",
        "columns": ("what", "times", "rows", "first", ""),
    },
    "zh": {
        "colon": "：",
        "comma": "，",
        "brackets": "（{}）",
        "aside": "【{}】",
        "into": "，写入 {}",
        "refused": "未转换",
        "times": "{rows} 行中共 {times} 次",
        "more": "另有 {more} 行未转换",
        "done": "{rows} 行中有 {converted} 行转换为 {to}{formats}{target}",
        "kept": "{path} 保持原样：没有一行可以转换",
        "nothing": "没有写出任何内容：没有一行可以转换",
        "one-file": "有 {files} 个文件，convert 一次只转换一个",
        "endings": "只能写出 .jsonl、.json 及其 .gz 压缩文件",
        "itself": "{path} 就是输入文件本身；如需覆盖，请加上 --force",
        "interrupted": "已中断：没有替换任何文件",
        "map-and-from": "--map 已说明各列的内容：请不要同时使用 --from",
        "title": "转换中丢失或推测的内容",
        "columns": ("类别", "次数", "行数", "首次出现", ""),
    },
}


@click.command(
    "convert",
    cls=Command,
    summary=Text(
        "Convert FILE (- is standard input) between GLM messages and other trainers' formats.",
        "在 GLM messages 与其他训练框架的格式之间转换 FILE（- 表示标准输入）。",
    ),
    more=Text(
        "What could not be carried over is reported on standard error. Exit code 1 when a row was "
        "not converted.",
        "无法保留的内容会在标准错误上列出。有数据行未能转换时，退出码为 1。",
    ),
)
@argument(
    "file",
    metavar="FILE",
    shell_complete=complete_files,
    help=Text("The file to convert; `-` is standard input.", "要转换的文件；`-` 表示标准输入。"),
)
@option(
    "--to",
    type=Choice(sorted(writers())),
    required=True,
    metavar="FORMAT",
    group="conversion",
    help=Text(
        f"The format to write: {', '.join(sorted(writers()))}.",
        f"要写出的格式：{'、'.join(sorted(writers()))}。",
    ),
)
@option(
    "--from",
    "source",
    type=Choice(["auto", *sorted(formats())]),
    default="auto",
    default_shown="auto",
    metavar="FORMAT",
    group="conversion",
    help=Text(
        f"The format of the rows: auto (looks at each), {', '.join(sorted(formats()))}.",
        f"数据行的格式：auto（逐行判断）、{'、'.join(sorted(formats()))}。",
    ),
)
@option(
    "--map",
    "columns",
    multiple=True,
    metavar="COLUMN=TARGET",
    group="conversion",
    help=Text(
        f"What a column of another name holds ({', '.join(TARGETS)}); give it once for each.",
        f"其他名称的列中是什么内容（{'、'.join(TARGETS)}）；每列给一次。",
    ),
)
@option(
    "--take",
    type=Choice(["chosen"]),
    group="conversion",
    help=Text("Which answer of preference rows to take.", "偏好数据中取哪个回答。"),
)
@option(
    "--strict",
    is_flag=True,
    group="gates",
    help=Text(
        "Exit 1 also when something was lost or guessed.",
        "有内容丢失或靠推测得出时，退出码也为 1。",
    ),
)
@option(
    "--output",
    "-o",
    default="-",
    metavar="FILE|-",
    shell_complete=complete_files,
    group="output",
    default_shown=Text("standard output", "标准输出"),
    help=Text(
        "Where to write: JSON Lines, or one array where the name ends in .json.",
        "写到哪里：JSON Lines；文件名以 .json 结尾时写成一个数组。",
    ),
)
@option(
    "--force",
    is_flag=True,
    group="output",
    help=Text("Let the output replace the input.", "允许用输出覆盖输入文件。"),
)
@option(
    "--format",
    "form",
    type=Choice(["text", "json"]),
    default="text",
    default_shown="text",
    group="output",
    help=Text("Of the report on standard error.", "标准错误上报告的格式。"),
)
@lang_option("auto")
@click.pass_context  # fmt: skip
def convert(context: click.Context, /, **flags: Any) -> None:
    """Convert a file, and exit."""
    context.exit(convert_file(flags))


def convert_file(flags: dict[str, Any]) -> int:
    """Convert, write and report; returns the exit code. `flags` are those of `convert`."""
    lang = language(flags["lang"])
    inputs, problems = find_inputs([flags["file"]])
    if problems:
        raise Failure(problems[0].say(lang), path=problems[0].path)
    if len(inputs) > 1:
        told = _WORDS[lang]["one-file"].format(files=len(inputs))
        raise Failure(told, path=flags["file"])
    output = None if flags["output"] == "-" else Path(flags["output"])
    if output is not None:
        _refuse_output(inputs[0].path, output, flags["force"], lang)
    source = _source(flags, lang)
    outcome = ConvertOutcome()
    try:
        with rereadable(inputs[0]) as file:
            rows = _rows(file, outcome, source, flags)
            if output is None:
                _write_stdout(as_lines(rows))
            else:
                name = output.name.removesuffix(".gz")
                pieces = as_array(rows) if name.endswith(".json") else as_lines(rows)
                write_atomically(output, pieces, lambda: outcome.converted > 0)
    except SourceError as error:
        raise Failure(error.say(lang), path=inputs[0].path) from None
    except BrokenPipeError:  # the reader of the output, such as head, has enough
        silence()
        return outcome.exit_code(flags["strict"])
    except OSError as error:
        if output is None:
            raise
        raise Failure(system_fault(error).plain(lang), path=flags["output"]) from None
    except KeyboardInterrupt:
        raise ConvertInterrupted(_WORDS[lang]["interrupted"]) from None
    code = outcome.exit_code(flags["strict"])
    if flags["form"] == "json":
        report = _json(outcome, inputs[0].path, flags, code, lang)
        tell_json(report)
    else:
        _print(outcome, inputs[0].path, flags, lang)
    return code


def _rows(
    file: InputFile, outcome: ConvertOutcome, source: Format | None, flags: dict[str, Any]
) -> Iterator[bytes]:
    """The converted rows. Nothing is read before the first one is asked for."""
    survey, chunks = surveyed(file)
    target = writers()[flags["to"]]
    yield from convert_rows(chunks, outcome, target, source, flags["take"], survey)


def _source(flags: dict[str, Any], lang: str) -> Format | None:
    """The format of the rows; None where each row's looks decide."""
    if flags["columns"]:
        if flags["source"] != "auto":
            raise Failure(_WORDS[lang]["map-and-from"])
        try:
            return mapped(flags["columns"])
        except Told as error:
            raise Failure(error.say(lang)) from None
    return None if flags["source"] == "auto" else formats()[flags["source"]]


class ConvertInterrupted(Failure):
    """The user stopped it: exit code 130."""

    exit_code = 130


def _refuse_output(source: str, output: Path, force: bool, lang: str) -> None:
    if output.name.endswith((".zst", ".parquet")):
        raise Failure(_WORDS[lang]["endings"], path=output)
    if source == "-" or force:
        return
    try:
        same = output.samefile(source)
    except OSError:
        return
    if same:
        raise Failure(_WORDS[lang]["itself"].format(path=_shown(output)))


def _write_stdout(pieces: Iterator[bytes]) -> None:
    stream = sys.stdout.buffer
    if sys.stdout.isatty():  # a person looks at the rows: the same values, with escapes
        pieces = (escaped_json(piece.decode()).encode() for piece in pieces)
    stream.writelines(pieces)
    stream.flush()


# --- the report ----------------------------------------------------------------------------------


def _shown(path: str | Path) -> str:
    return printable_path(str(path))


def _sentence(kind: Kind, lang: str) -> str:
    return kind.zh if lang == "zh" else kind.en


def _place(pointer: Pointer) -> str:
    return place(pointer) if pointer else ""


def _print(outcome: ConvertOutcome, path: str, flags: dict[str, Any], lang: str) -> None:
    words = _WORDS[lang]
    path = "<stdin>" if path == "-" else path
    for defect in outcome.file_defects:
        if not outcome.rows:
            _tell(str(defect.values.get("kind", defect.rule)), path)
    for one in outcome.refusals[:SHOWN_REFUSALS]:
        sentence = f"{words['refused']}{words['colon']}{one.say(lang)}"
        _tell(sentence, path, one.line, one.column)
    hidden = outcome.rows - outcome.converted - min(len(outcome.refusals), SHOWN_REFUSALS)
    if hidden:
        _tell(words["more"].format(more=hidden), path)
    if outcome.losses:
        _print_losses(list(outcome.losses.values()), path, words, lang)
    was = words["comma"].join(f"{name} {rows}" for name, rows in sorted(outcome.formats.items()))
    into = "" if flags["output"] == "-" else words["into"].format(_shown(flags["output"]))
    values = {"converted": outcome.converted, "rows": outcome.rows, "to": flags["to"]}
    done = words["done"].format(
        **values,
        formats=words["brackets"].format(was) if was else "",
        target=into if outcome.converted else "",
    )
    _tell(done, path)
    if not outcome.converted:
        there = flags["output"] != "-" and Path(flags["output"]).exists()
        _tell(words["kept" if there else "nothing"].format(path=_shown(flags["output"])), path)


def _tell(sentence: str, path: str, line: int | None = None, column: int | None = None) -> None:
    """A line of the report, as editors and grep read it."""
    place_ = ":".join([path, *(str(number) for number in (line, column) if number is not None)])
    tell(sentence, path=place_, name="")


def _print_losses(losses: list[Count], path: str, words: dict[str, Any], lang: str) -> None:
    losses.sort(key=lambda count: (-count.rows, count.kind.name))
    if not sys.stderr.isatty():
        for count in losses:
            times = words["times"].format(times=count.times, rows=count.rows)
            where = words["aside"].format(_place(count.pointer)) if count.pointer else ""
            sentence = _sentence(count.kind, lang) + where + words["brackets"].format(times)
            _tell(f"{count.kind.name}: {sentence}", path, count.line)
        return
    from rich.table import Table
    from rich.text import Text as Styled

    from glmlint.reporters.tables import console_for

    table = Table(title=words["title"], title_justify="left")
    for index, column in enumerate(words["columns"]):
        table.add_column(column, justify="right" if index in (1, 2) else "left", overflow="fold")
    for count in losses:
        where = f"{count.line} {visible(_place(count.pointer))}".strip()
        cells = (count.kind.name, str(count.times), str(count.rows), where)
        table.add_row(*map(Styled, (*cells, _sentence(count.kind, lang))))
    with console_for(sys.stderr, width(), colored("auto", True)) as console:
        console.print(table)


def _json(
    outcome: ConvertOutcome, path: str, flags: dict[str, Any], code: int, lang: str
) -> dict[str, Any]:
    def counts(of: dict[str, Count]) -> list[dict[str, Any]]:
        return [
            {
                "kind": name,
                "times": count.times,
                "rows": count.rows,
                "line": count.line,
                "pointer": json_pointer(count.pointer),
                "what": _sentence(count.kind, lang),
            }
            for name, count in sorted(of.items())
        ]

    return {
        "path": path,
        "to": flags["to"],
        "output": flags["output"],
        "rows": outcome.rows,
        "converted": outcome.converted,
        "formats": outcome.formats,
        "losses": counts(outcome.losses),
        "refused": counts(outcome.refused),
        "refusals": [
            {
                "line": one.line,
                "column": one.column,
                "kind": one.kind.name,
                "pointer": json_pointer(one.pointer),
                "detail": one.detail,
                "what": one.say(lang),
            }
            for one in outcome.refusals
        ],
        "exit_code": code,
    }
