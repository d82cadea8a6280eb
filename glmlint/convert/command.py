"""`glmlint convert`: flags in, the converted file and what was lost on the way out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from glmlint.app.options import Failure, complete_files
from glmlint.convert.base import Format, Kind, formats
from glmlint.convert.columns import TARGETS, mapped
from glmlint.convert.run import (
    Count,
    Outcome,
    as_array,
    as_lines,
    convert_rows,
    write_atomically,
    writers,
)
from glmlint.evidence.json_fault import printable
from glmlint.finding import Pointer, json_pointer, place
from glmlint.output import language, silence
from glmlint.read.source import SourceError, find_inputs, read_chunks
from glmlint.text import Told, system_fault

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
        "kept": "{path} is left as it was: no row could be converted",
        "nothing": "nothing was written: no row could be converted",
        "one-file": "{files} files; convert takes one",
        "endings": "written are .jsonl, .json and .gz of them",
        "itself": "{path} is the input itself; --force replaces it",
        "interrupted": "interrupted: nothing was replaced",
        "map-and-from": "--map says what the columns hold: leave --from out beside it",
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


@click.command("convert")
@click.argument("file", metavar="FILE", shell_complete=complete_files)
@click.option("--to", type=click.Choice(sorted(writers())), required=True, help="What to write.")
@click.option(
    "--from", "source", type=click.Choice(["auto", *sorted(formats())]), default="auto",
    show_default=True, help="What the rows are; auto looks at each.",
)  # fmt: skip
@click.option(
    "--map",
    "columns",
    multiple=True,
    metavar="COLUMN=TARGET",
    help=f"What a column of another name holds ({', '.join(TARGETS)}); give it once for each.",
)
@click.option(
    "--output", "-o", default="-", metavar="FILE|-", show_default=True,
    shell_complete=complete_files,
    help="Where to write: JSON Lines, or one array where the name ends in .json.",
)  # fmt: skip
@click.option("--take", type=click.Choice(["chosen"]), help="The answer of preference rows.")
@click.option("--strict", is_flag=True, help="Exit 1 also when something was lost or guessed.")
@click.option("--force", is_flag=True, help="Let the output replace the input.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True,
    help="Of the report on standard error.",
)  # fmt: skip
@click.option(
    "--lang", type=click.Choice(["en", "zh", "auto"]), default="auto", show_default=True,
    help="Language of the report.",
)  # fmt: skip
@click.pass_context
def convert(context: click.Context, /, **flags: Any) -> None:
    """Convert FILE (- is standard input) between GLM messages and other trainers' formats.

    What could not be carried over is told on standard error. Exit code 1 when a row was not
    converted.
    """
    context.exit(convert_file(flags))


def convert_file(flags: dict[str, Any]) -> int:
    """Convert, write and report; returns the exit code. `flags` are those of `convert`."""
    lang = language(flags["lang"])
    inputs, problems = find_inputs([flags["file"]])
    if problems:
        raise Failure(f"{_shown(problems[0].path)}: {problems[0].say(lang)}")
    if len(inputs) > 1:
        told = _WORDS[lang]["one-file"].format(files=len(inputs))
        raise Failure(f"{_shown(flags['file'])}: {told}")
    output = None if flags["output"] == "-" else Path(flags["output"])
    if output is not None:
        _refuse_output(inputs[0].path, output, flags["force"], lang)
    source = _source(flags, lang)
    outcome = Outcome()
    rows = convert_rows(
        read_chunks(inputs[0]),
        outcome,
        target=writers()[flags["to"]],
        source=source,
        take=flags["take"],
    )
    try:
        if output is None:
            _write_stdout(as_lines(rows))
        else:
            name = output.name.removesuffix(".gz")
            pieces = as_array(rows) if name.endswith(".json") else as_lines(rows)
            write_atomically(output, pieces, lambda: outcome.converted > 0)
    except SourceError as error:
        raise Failure(f"{_shown(inputs[0].path)}: {error.say(lang)}") from None
    except BrokenPipeError:  # the reader of the output, such as head, has enough
        silence()
        return outcome.exit_code(flags["strict"])
    except OSError as error:
        why = system_fault(error).plain(lang)
        raise Failure(f"{_shown(flags['output'])}: {why}") from None
    except KeyboardInterrupt:
        raise ConvertInterrupted(_WORDS[lang]["interrupted"]) from None
    code = outcome.exit_code(flags["strict"])
    if flags["form"] == "json":
        report = _json(outcome, inputs[0].path, flags, code, lang)
        click.echo(msgspec.json.encode(report), err=True)
    else:
        _print(outcome, inputs[0].path, flags, lang)
    return code


def _source(flags: dict[str, Any], lang: str) -> Format | None:
    """The format of the rows; None where each row's looks decide."""
    if flags["columns"]:
        if flags["source"] != "auto":
            raise Failure(_WORDS[lang]["map-and-from"])
        try:
            return mapped(flags["columns"])
        except Told as error:
            raise Failure(printable(error.say(lang))) from None
    return None if flags["source"] == "auto" else formats()[flags["source"]]


class ConvertInterrupted(Failure):
    """The user stopped it: exit code 130."""

    exit_code = 130


def _refuse_output(source: str, output: Path, force: bool, lang: str) -> None:
    if output.name.endswith((".zst", ".parquet")):
        raise Failure(f"{_shown(output)}: {_WORDS[lang]['endings']}")
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
    stream.writelines(pieces)
    stream.flush()


# --- the report ----------------------------------------------------------------------------------


def _shown(path: str | Path) -> str:
    return click.format_filename(path)


def _sentence(kind: Kind, lang: str) -> str:
    return kind.zh if lang == "zh" else kind.en


def _place(pointer: Pointer) -> str:
    # A key may hold half a surrogate pair, which no terminal can show, or a line break.
    return printable(place(pointer)) if pointer else ""


def _print(outcome: Outcome, path: str, flags: dict[str, Any], lang: str) -> None:
    words = _WORDS[lang]
    path = "<stdin>" if path == "-" else _shown(path)
    for defect in outcome.file_defects:
        if not outcome.rows:
            click.echo(f"{path}: {defect.values.get('kind', defect.rule)}", err=True)
    for one in outcome.refusals[:SHOWN_REFUSALS]:
        place_ = f"{path}:{one.line}:{one.column}"
        click.echo(f"{place_}: {words['refused']}{words['colon']}{one.say(lang)}", err=True)
    hidden = outcome.rows - outcome.converted - min(len(outcome.refusals), SHOWN_REFUSALS)
    if hidden:
        click.echo(f"{path}: {words['more'].format(more=hidden)}", err=True)
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
    click.echo(f"{path}: {done}", err=True)
    if not outcome.converted:
        there = flags["output"] != "-" and Path(flags["output"]).exists()
        told = words["kept" if there else "nothing"].format(path=_shown(flags["output"]))
        click.echo(f"{path}: {told}", err=True)


def _print_losses(losses: list[Count], path: str, words: dict[str, Any], lang: str) -> None:
    losses.sort(key=lambda count: (-count.rows, count.kind.name))
    if not sys.stderr.isatty():
        for count in losses:
            times = words["times"].format(times=count.times, rows=count.rows)
            where = words["aside"].format(_place(count.pointer)) if count.pointer else ""
            sentence = _sentence(count.kind, lang) + where + words["brackets"].format(times)
            line = f"{path}:{count.line}: {count.kind.name}: {sentence}"
            click.echo(line, err=True)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=words["title"], title_justify="left")
    for index, column in enumerate(words["columns"]):
        table.add_column(column, justify="right" if index in (1, 2) else "left", overflow="fold")
    for count in losses:
        where = f"{count.line} {_place(count.pointer)}".strip()
        cells = (count.kind.name, str(count.times), str(count.rows), where)
        table.add_row(*map(Text, (*cells, _sentence(count.kind, lang))))
    Console(stderr=True).print(table)


def _json(
    outcome: Outcome, path: str, flags: dict[str, Any], code: int, lang: str
) -> dict[str, Any]:
    def counts(of: dict[str, Count]) -> list[dict[str, Any]]:
        return [
            {
                "kind": name,
                "times": count.times,
                "rows": count.rows,
                "line": count.line,
                "pointer": _pointer(count.pointer),
                "what": _sentence(count.kind, lang),
            }
            for name, count in sorted(of.items())
        ]

    return {
        "path": _shown(path),
        "to": flags["to"],
        "output": _shown(flags["output"]),
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
                "pointer": _pointer(one.pointer),
                "detail": one.detail.encode("utf-8", "replace").decode(),
                "what": one.say(lang).encode("utf-8", "replace").decode(),
            }
            for one in outcome.refusals
        ],
        "exit_code": code,
    }


def _pointer(pointer: Pointer) -> str:
    return json_pointer(pointer).encode("utf-8", "replace").decode()
