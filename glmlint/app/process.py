"""What stands around every command: its streams, its signals, the lines that errors become, its code."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

import click

from glmlint.app.flags import MISSING_ARGUMENT, UsageFault, asked_language
from glmlint.app.options import Failure
from glmlint.output import OutputError, silence, tell
from glmlint.temporary import remove_made
from glmlint.text import RunStopped, Text, nearest

INTERRUPTED: Final = 130
"""Exit code after Ctrl-C: 128 and the signal's number, as shells count."""

SIGNALS: Final = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""What ends a run from outside: a scheduler or `timeout`, and a terminal that is closed."""


class StoppedBySignal(BaseException):
    """A signal ends the run; what is being written is taken away on the way out."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def run(command: click.Command) -> int:
    """Run a command line to its exit code: clear errors, no tracebacks, quiet on a broken pipe."""
    _make_streams()
    try:
        with _stopping():
            return _run(command)
    except StoppedBySignal as stopped:
        silence()  # whoever reads may read no more: nothing waits for him
        tell(_word("stopped-by", name=signal.Signals(stopped.number).name))
        return 128 + stopped.number
    finally:
        remove_made()


def _run(command: click.Command) -> int:
    code = 0
    streams = sys.stdout, sys.stderr
    try:
        returned = command.main(prog_name="glmlint", standalone_mode=False)
        code = returned if isinstance(returned, int) else 0
    except (click.exceptions.Abort, KeyboardInterrupt):
        tell(_word("interrupted-line"))
        code = INTERRUPTED
    except click.UsageError as error:
        name = error.ctx.command_path if error.ctx is not None else "glmlint"
        hint = _word("usage-hint", command=name)
        tell(_sentence(error, asked_language(sys.argv[1:])) + hint, name=name)
        code = 2
    except click.ClickException as error:
        error.show()
        code = error.exit_code if isinstance(error, Failure) else 2
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(bool(error.code))
        if sys.stdout is not streams[0]:  # click's own end of a closed pipe
            sys.stdout, sys.stderr = streams
            code = 0
    except BrokenPipeError:
        code = 0
    except RunStopped as stopped:
        tell(stopped.say())
        code = 2
    except OSError as error:
        if "--debug" in sys.argv:
            raise
        code = _refused(error)
    except Exception as error:  # a fault of glmlint itself: one line, or the traceback on request
        if "--debug" in sys.argv:
            raise
        tell(_word("bug", error=f"{type(error).__name__}: {error}"))
        code = 2
    return _flushed(code)


def _sentence(error: click.UsageError, lang: str) -> str:
    """What is wrong with the command line; only a name that is clearly meant is suggested."""
    if isinstance(error, UsageFault):
        return error.say(lang)
    if isinstance(error, click.NoSuchOption):
        options = error.ctx.command.params if error.ctx is not None else ()
        flags = (flag[2:] for one in options for flag in one.opts if flag.startswith("--"))
        near = nearest(error.option_name.lstrip("-"), flags)
        meant = (
            Text(f"; did you mean --{near}?", f"；是否应为 --{near}？") if near else Text("", "")
        )
        return _NO_OPTION.say(lang, name=error.option_name, meant=meant)
    if isinstance(error, click.BadOptionUsage):
        options = error.ctx.command.params if error.ctx is not None else ()
        flag = any(
            isinstance(one, click.Option) and one.is_flag and error.option_name in one.opts
            for one in options
        )
        return (_NO_VALUE if flag else _NEEDS_VALUE).say(lang, name=error.option_name)
    if isinstance(error, click.MissingParameter) and error.param is not None:
        if isinstance(error.param, click.Option):
            return _MISSING_OPTION.say(lang, name=max(error.param.opts, key=len))
        return MISSING_ARGUMENT.say(lang, name=error.param.human_readable_name)
    return error.format_message()  # a kind that our commands do not raise


_NO_OPTION: Final = Text("no option {name}{meant}", "没有选项 {name}{meant}")
_NO_VALUE: Final = Text("{name} takes no value", "{name} 不带值")
_NEEDS_VALUE: Final = Text("{name} needs a value", "{name} 需要一个值")
_MISSING_OPTION: Final = Text("missing option {name}", "缺少选项 {name}")


def _flushed(code: int) -> int:
    """The code, once what was printed is out."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        silence()
    except OSError as error:
        return _refused(error)
    return code


def _refused(error: OSError) -> int:
    """Say what the system refused: standard output, as on a full disk, or a file by its name."""
    from glmlint.text import system_fault

    silence()
    key = "stdout-fault" if isinstance(error, OutputError) else "system-fault"
    path = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else None
    tell(_word(key, why=system_fault(error)), path=path)
    return 2


class _Out(io.FileIO):
    """The raw stream under standard output: its errors are kept apart from those of files."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(error.errno, error.strerror) from None


def _make_streams() -> None:
    """See that both streams are there and take any text."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever called: `>&-`
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        elif hasattr(stream, "reconfigure"):  # paths and data may hold what a terminal can't show
            stream.reconfigure(errors="backslashreplace")
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout is sys.__stdout__:
        number = sys.stdout.fileno()
        sys.stdout.flush()
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(_Out(number, "wb", closefd=False), 1 << 16),
            encoding=sys.stdout.encoding,
            errors="backslashreplace",
            line_buffering=sys.stdout.isatty(),
        )


@contextmanager
def _stopping() -> Iterator[None]:
    """Signals that end a run raise `StoppedBySignal`; one that is ignored, as under `nohup`, stays so."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise StoppedBySignal(number)

    before: dict[int, Any] = {}
    try:
        for number in SIGNALS:
            if signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, stop)
    except ValueError:  # not in the main thread, where signals can't be taken
        pass
    after = before
    try:
        yield
    except StoppedBySignal:  # a terminal that closes says so twice: what is left to do is short
        after = dict.fromkeys(before, signal.SIG_IGN)
        raise
    finally:
        for number, handler in after.items():
            signal.signal(number, handler)


def _word(key: str, **values: object) -> str:
    """What is said outside of any command, in the language of the command line."""
    from glmlint.reporters.words import say

    return say(key, asked_language(sys.argv[1:]), **values)
