"""Which report goes where: `--format` and `--output` in the order of the command line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import click

from glmlint.choices import STYLES
from glmlint.text import Text, Told, listed

ORDER: Final = "glmlint.app.outputs"
"""Key of a context's `meta`: the names of the parameters, as often and in the order as given."""

FORMAT: Final = "formats"
OUTPUT: Final = "outputs"
STYLE: Final = "output_format"

_UNKNOWN: Final = Text(
    "unknown format {form}: one of {known}", "未知的格式 {form}：可用的有 {known}"
)
_MORE_OUTPUTS: Final = Text("more --output than --format", "--output 比 --format 多")
_BESIDE: Final = Text(
    "{form} on standard output beside {other}: nobody could read it there; "
    "send one of them to a file with --output FILE behind its --format",
    "{form} 与 {other} 同时写到标准输出，将无法解析；请在其中一个 --format 之后用 --output FILE 写入文件",
)
_TWICE: Final = Text(
    "--output {target}: two reports can't go to one file",
    "--output {target}：两份报告不能写入同一个文件",
)


class OutputsFault(Told):
    """Reports that can't be printed so."""


class ReportTarget(NamedTuple):
    """One report that is asked for."""

    form: str
    target: str
    """A file, or "-" for standard output."""


def remember_order(command: click.Command, context: click.Context, args: Sequence[str]) -> None:
    """Keep in which order a command's flags are given: click hands over each flag's values alone."""
    _, _, order = command.make_parser(context).parse_args(args=list(args))
    context.meta[ORDER] = [parameter.name for parameter in order]


def reports_of(
    formats: Sequence[str], outputs: Sequence[str], style: str | None, order: Iterable[str]
) -> list[ReportTarget]:
    """The reports and where each goes.

    An `--output` is that of the `--format` before it; several in a row are those of as many formats
    before them. One before all formats is that of the first.

    Args:
        formats: values of `--format`.
        outputs: values of `--output`.
        style: value of `--output-format`; where it is no style of text it is a format more.
        order: names of the flags, as `remember_order` keeps them; others are passed over.

    Raises:
        OutputsFault: an unknown format, an output too many, or reports in each other's way.
    """
    styled = style is not None and style not in STYLES
    order = [name for name in order if name in (FORMAT, OUTPUT, STYLE)]
    if styled:  # the last one counts
        last = len(order) - 1 - order[::-1].index(STYLE)
        order[last : last + 1] = [FORMAT]
        before = order[:last].count(FORMAT)
        formats = (*formats[:before], str(style), *formats[before:])
    order = [name for name in order if name != STYLE]
    if not formats:
        formats, order = ("text",), [FORMAT, *order]
    if len(outputs) > len(formats):
        raise OutputsFault(_MORE_OUTPUTS)
    targets: list[str | None] = [None] * len(formats)
    given = 0
    waiting: list[str] = []
    names = iter(outputs)
    for place, name in enumerate(order):
        if name == FORMAT:
            given += 1
            continue
        waiting.append(next(names))
        if order[place + 1 : place + 2] != [OUTPUT]:
            free = [index for index in range(given) if targets[index] is None]
            late = [index for index in range(given, len(formats)) if targets[index] is None]
            chosen = sorted((free[::-1] + late)[: len(waiting)])
            for index, target in zip(chosen, waiting, strict=True):
                targets[index] = target
            waiting = []
    found = [ReportTarget(form, to or "-") for form, to in zip(formats, targets, strict=True)]
    _see_to(found, styled=styled)
    return found


def _see_to(reports: list[ReportTarget], *, styled: bool) -> None:
    """Whether the reports can be written as they are asked for. Raises OutputsFault."""
    from glmlint.reporters.base import about, is_format, names

    for report in reports:
        if not is_format(report.form):
            known = listed([*names(), *(STYLES if styled else ())])
            raise OutputsFault(_UNKNOWN, form=report.form, known=known)
    seen: set[str] = set()
    for report in reports:
        real = os.path.realpath(report.target)
        if report.target != "-" and real in seen and not _is_device(real):
            raise OutputsFault(_TWICE, target=report.target)
        seen.add(real)
    printed = [report.form for report in reports if report.target == "-"]
    if len(printed) > 1:
        for place, form in enumerate(printed):
            if about(form).document:
                raise OutputsFault(_BESIDE, form=form, other=printed[place - 1 if place else 1])


def _is_device(path: str) -> bool:
    return os.path.exists(path) and not os.path.isfile(path)  # noqa: PTH110, PTH113  # /dev/null
