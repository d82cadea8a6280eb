"""`--jobs`: the report of several processes is that of one, whatever the cut and the order."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import LIMIT, started, until
from row_families import STRUCTURES, line_of

from glmlint.engine.check import check_file
from glmlint.engine.finish import finish
from glmlint.evidence.report import Report
from glmlint.plan import Plan
from glmlint.read.source import InputFile, SourceError
from glmlint.reporters.base import ReporterOptions, get
from glmlint.rules.base import all_rules
from glmlint.runners.cpus import usable_cpus
from glmlint.runners.local import check_files
from glmlint.runners.packed import pack, unpack
from glmlint.runners.processes import Processes
from glmlint.runners.tasks import Bench, Done, Sizes, Task, check_tasks
from glmlint.text import RunStopped, Text
from glmlint.trainer.base import Context, open_context

PLAN = Plan(
    rules={
        name: loaded.rule.severity
        for name, loaded in all_rules().items()
        if not loaded.rule.opt_in and loaded.rule.family != "score"
    }
)
CONTEXT = open_context(PLAN)
OPTIONS = ReporterOptions(
    width=100, color=False, terminal=False, quiet=False, statistics=True, max_findings=20_000
)

ROWS = [
    *(line_of(family, 3) for family in STRUCTURES),
    b"\n", b"  \n", b"{\n", b'{"messages": []}\r\n', b"[1, 2]\n", b"\xff\n", b"null\n",
    b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n',
    b'{"messages": [{"role": "user", "content": "a", "metadata": ""}, '
    b'{"role": "assistant", "content": "b"}], "id": 7}\n',
    b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], '
    b'"id": "x", "glmlint": {"ignore": ["placeholder"]}}\n',
    b'{"messages": [{"role": "user", "content": 1}], "n": 1.5} {"messages": 2}\n',
]  # fmt: skip


LOADED = [
    b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n',
    b'{"messages": [{"role": "user", "content": "[NAME]"}, '
    b'{"role": "assistant", "content": "b", "metadata": ""}]}\n',
    *(
        b'{"messages": [{"role": "system", "content": "", "tools": [{"type": "function", '
        b'"function": {"name": "f", "description": "d", "parameters": {"type": "object", '
        b'"properties": {"a": %s}}}}]}, {"role": "user", "content": "a"}, '
        b'{"role": "assistant", "content": "b"}]}\n' % schema
        for schema in (
            b'{"type": "number", "default": 1.50}',
            b'{"type": "number", "default": null}',
            b'{"type": "array", "items": {"type": "string"}, "default": ["x"]}',
        )
    ),
]
"""Rows that are loaded together, some of them changed by it."""


class Shuffled:
    """An engine that does some tasks ahead, in any order, and sends them as processes do."""

    def __init__(self, plan: Plan, context: Context, seed: int) -> None:
        self.random = random.Random(seed)
        self.benches = [Bench(plan, replace(context, loads={}, _loaded={})) for _ in range(2)]

    def expect(self, size: int) -> None:
        """Nothing is to be prepared."""

    def run(self, tasks: Iterator[Task]) -> Iterator[Done]:
        done: dict[int, Done] = {}
        waiting: list[tuple[int, Task]] = []
        turn = given = 0
        failure: Exception | None = None
        while True:
            try:
                for task in tasks:
                    waiting.append((given, pickle.loads(pickle.dumps(task))))
                    given += 1
                    if len(waiting) == 4:
                        break
            except SourceError as error:
                failure = error
            if not waiting:
                break
            number, task = waiting.pop(self.random.randrange(len(waiting)))
            found = self.random.choice(self.benches).check(task)
            done[number] = pickle.loads(pickle.dumps(found))
            while turn in done:
                yield done.pop(turn)
                turn += 1
        if failure is not None:
            raise failure


def printed(report: Report, plan: Plan, context: Context, form: str = "json") -> str:
    out = io.StringIO()
    get(form).write(finish(report, plan, context), out, OPTIONS)
    return out.getvalue()


def checked(
    path: Path, plan: Plan, context: Context, run: Any, kept: bool = False
) -> tuple[str, str]:
    """What is printed of a file; `kept`: after it has been in the cache."""
    report = Report()
    try:
        check_file(InputFile(str(path)), plan, context, report, None, None, run)
    except SourceError as error:
        report.problems.append((str(path), error.say("en")))
    if kept:
        known = [unpack(pack(stats)) for stats in report.files.values()]
        report.files, report.remembered = {}, 0
        for stats in known:
            report.add(stats, plan.max_findings)
    return printed(report, plan, context), printed(report, plan, context, "text")


def one_process(plan: Plan, context: Context, sizes: Sizes) -> Callable[..., None]:
    """The reference: chunks as large as ever, the loader's borders where `sizes` has them."""
    from glmlint.engine.check import check_lines
    from glmlint.read.source import read_chunks

    def run(file: InputFile, report: Report, pass_: Any, progress: Any, lines: Any) -> None:
        chunks = read_chunks(file, 8 << 20, sizes.max_line, sizes.loader_bytes)
        if lines is not None:
            chunks = (some for chunk in chunks if (some := chunk.among(lines)).lines)
        check_lines(chunks, plan, context, progress, report, pass_)

    return run


@settings(max_examples=60)
@given(
    rows=st.sampled_from([ROWS, LOADED]).flatmap(
        lambda rows: st.lists(st.sampled_from(rows), min_size=1, max_size=40)
    ),
    start=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    ended=st.booleans(),
    packed=st.sampled_from([False, False, False, True]),
    sizes=st.builds(
        Sizes,
        chunk_bytes=st.integers(20, 900),
        max_line=st.sampled_from([200, 1 << 20]),
        loader_bytes=st.sampled_from([100, 1500, 10 << 20]),
    ),
    kept=st.booleans(),
    settings_=st.sampled_from(
        [{}, {"max_findings": 3}, {"excerpts": True}, {"datasets": "4.6.1"},
         {"datasets": "4.6.1", "max_findings": 5}, {"write_baseline": True}]
    ),
    seed=st.integers(0, 999),
)  # fmt: skip
def test_any_cut_and_any_order_prints_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[bytes],
    start: bytes,
    ended: bool,
    packed: bool,
    sizes: Sizes,
    kept: bool,
    settings_: dict[str, Any],
    seed: int,
) -> None:
    content = start + b"".join(rows)
    content = content if ended else content.rstrip(b"\n")
    path = tmp_path_factory.getbasetemp() / "jobs.jsonl"
    path.write_bytes(gzip.compress(content, 1) if packed else content)
    plan = replace(PLAN, **settings_)
    whole = replace(CONTEXT, plan=plan, loads={}, _loaded={})
    apart = replace(CONTEXT, plan=plan, loads={}, _loaded={})
    run = partial(check_tasks, Shuffled(plan, apart, seed), plan, apart, sizes=sizes)
    assert checked(path, plan, apart, run, kept) == checked(
        path, plan, whole, one_process(plan, whole, sizes)
    )


# --- real processes ------------------------------------------------------------------------------

CHAT = b'{"messages": [{"role": "user", "content": "%d"}, {"role": "human", "content": "b"}]}\n'


def test_workers_give_the_report_of_one_process(tmp_path: Path) -> None:
    files = []
    for number in range(3):
        files.append(str(tmp_path / f"{number}.jsonl"))
        Path(files[-1]).write_bytes(b"".join(CHAT % (row // 2) for row in range(number, 40)))
    files.insert(1, str(tmp_path / "broken.gz"))
    Path(files[1]).write_bytes(gzip.compress(CHAT * 9)[:-9])
    alone = printed(check_files(files, PLAN, CONTEXT), PLAN, CONTEXT)
    with Processes(PLAN, CONTEXT, 2, worth=0) as workers:
        together = check_files(files, PLAN, CONTEXT, engine=workers)
        assert printed(together, PLAN, CONTEXT) == alone
        assert json.loads(alone)["problems"][0]["path"] == files[1]


def test_what_ended_a_task_comes_back_with_its_words() -> None:
    fault = SourceError(Text("{why}", "{why}"), why=Text("cut off", "不完整"))
    again = pickle.loads(pickle.dumps(fault))
    assert type(again) is SourceError and again.say("zh") == "不完整"
    stopped = RunStopped(Text("it ends", "结束")).at("a", 3, "zh")
    assert pickle.loads(pickle.dumps(stopped)).say() == "a:3: 结束"


SLOW = """
import os, sys
os.environ["OPENBLAS_NUM_THREADS"] = "1"
from glmlint.app.cli import main
from glmlint.runners import processes, tasks
if __name__ == "__main__":
    processes.WORTH = 1
    if sys.argv.pop(1) == "slow":
        check = tasks.Bench.check
        def slow(self, task):
            import time
            time.sleep(0.5)
            return check(self, task)
        tasks.Bench.check = slow
    main()
"""
"""glmlint that starts workers for any file; where it is slow, there is time to do something to them."""


def children(process: subprocess.Popen[bytes]) -> list[int]:
    try:
        return [
            int(one)
            for one in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        ]
    except OSError:
        return []


def few(tmp_path: Path) -> list[str]:
    """Eight small files, each a task of its own."""
    files = [tmp_path / f"{number}.jsonl" for number in range(8)]
    for file in files:
        file.write_bytes(b"".join(CHAT % row for row in range(5)))
    return [*map(str, files)]


linux = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")


@linux
@pytest.mark.parametrize("what", ["a worker is killed", "Ctrl-C", "it is killed itself"])
def test_an_end_from_outside_is_no_hang(tmp_path: Path, what: str) -> None:
    command = "-c", SLOW, "slow", "check", *few(tmp_path), "--jobs", "2", "--format", "json"
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with started(*command, **streams) as process:
        assert until(lambda: len(children(process)) == 2, process)
        workers = children(process)
        if what == "a worker is killed":
            os.kill(workers[0], signal.SIGKILL)
        else:
            process.send_signal(signal.SIGINT if what == "Ctrl-C" else signal.SIGKILL)
        out, err = process.communicate(timeout=LIMIT)
        assert until(lambda: not any(Path(f"/proc/{one}/exe").exists() for one in workers))
    if what == "a worker is killed":
        assert process.returncode == 2
        assert err.decode() == (
            "glmlint: a worker process ended (SIGKILL); if the memory was full, run with fewer --jobs\n"
        )
        assert not out
    elif what == "Ctrl-C":
        assert process.returncode == 130
        assert json.loads(out)["exit_code"] == 130
        assert b"Traceback" not in err and b"interrupted" in err


@linux
def test_copies_of_the_process_give_the_report_of_one(tmp_path: Path) -> None:
    files = few(tmp_path)
    printed = [
        subprocess.run(
            [sys.executable, "-c", SLOW, "fast", "check", *files, "--jobs", jobs,
             "--format", "json", "--profile-rules"],
            capture_output=True, check=False, timeout=LIMIT,
        )
        for jobs in ("1", "2")
    ]  # fmt: skip
    assert printed[0].stdout == printed[1].stdout and printed[0].stdout
    assert [done.returncode for done in printed] == [1, 1]


def test_there_is_a_processor() -> None:
    assert 1 <= usable_cpus() <= (os.cpu_count() or 1)
