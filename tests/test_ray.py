"""`--engine ray` and files behind a URL: the report of one process."""

from __future__ import annotations

import gzip
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_jobs import CHAT, CONTEXT, PLAN, printed

from glmlint.read.paths import find_inputs
from glmlint.read.source import InputFile, read_chunks
from glmlint.runners.cluster import Cluster
from glmlint.runners.local import check_files


def workers() -> list[int]:
    """Workers of a local cluster, the busy ones first."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            title = place.read_bytes()
        except OSError:
            continue
        if title.startswith(b"ray::"):
            found.append((b"_check" not in title, int(place.parent.name)))
    return [number for _, number in sorted(found)]


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_a_cluster_of_which_a_worker_is_killed_gives_the_report_of_one_process(
    tmp_path: Path,
) -> None:
    ray = pytest.importorskip("ray")
    files = [str(tmp_path / f"{number:02}.jsonl") for number in range(24)]
    for number, file in enumerate(files):
        Path(file).write_bytes(b"".join(CHAT % (row * number) for row in range(200)))
    Path(files[5]).write_bytes(gzip.compress(CHAT * 9)[:-9])
    alone = printed(check_files(files, PLAN, CONTEXT), PLAN, CONTEXT)
    before = set(workers())
    killed: list[int] = []

    class Struck(Cluster):
        def run(self, tasks: Any) -> Iterator[Any]:
            for number, done in enumerate(super().run(tasks)):
                if number == 3:
                    end = time.monotonic() + 30
                    while not killed and time.monotonic() < end:
                        for one in workers():
                            if one not in before and not killed:
                                os.kill(one, signal.SIGKILL)
                                killed.append(one)
                yield done

    ray.init(
        num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR",
        runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}},
    )  # fmt: skip
    try:
        with Struck(PLAN, CONTEXT, 2) as cluster:
            report = check_files(files, PLAN, CONTEXT, engine=cluster)
    finally:
        ray.shutdown()
    assert killed
    assert printed(report, PLAN, CONTEXT) == alone


def test_files_behind_a_url(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    content = b"".join(CHAT % row for row in range(40))
    for name, data in (("a.jsonl", content), ("b.jsonl.gz", gzip.compress(content)), ("c", b"")):
        memory.pipe(f"/jobs/{name}", data)
    (tmp_path / "a.jsonl").write_bytes(content)

    def told(path: str) -> tuple[Any, ...]:
        found = json.loads(printed(check_files([path], PLAN, CONTEXT), PLAN, CONTEXT))
        lines = [(one["rule"], one["line"], one["message"]) for one in found["findings"]]
        return found["totals"], lines, found["finding_counts"]

    local = told(str(tmp_path / "a.jsonl"))
    for url in ("memory://jobs/a.jsonl", f"file://{tmp_path}/a.jsonl"):
        assert told(url) == local
    both = check_files(["memory://jobs", "memory://jobs/*.gz", "memory://none/x"], PLAN, CONTEXT)
    assert [*both.files] == ["memory:///jobs/a.jsonl", "memory:///jobs/b.jsonl.gz"]
    assert [*both.problems] == [("memory://none/x", "no such file or folder")]
    assert "nosuch" in check_files(["nosuch://x"], PLAN, CONTEXT).problems[0][1]


def test_a_url_means_what_a_path_means() -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    names = ("a.jsonl", "b.json", "README.md", "sub/c.jsonl", "sub/d.json", "x[1].jsonl")
    for name in names:
        memory.pipe(f"/meant/{name}", CHAT)

    def meant(url: str) -> list[str]:
        found, problems = find_inputs([url])
        assert not problems or not found
        return [file.path.removeprefix("memory:///meant/") for file in found]

    assert meant("memory://meant") == ["a.jsonl", "sub/c.jsonl", "x[1].jsonl"]
    # no text beside the data; a folder that it matches means its data
    assert meant("memory://meant/*") == ["a.jsonl", "b.json", "sub/c.jsonl", "x[1].jsonl"]
    assert meant("memory://meant/**/*.jsonl") == ["a.jsonl", "sub/c.jsonl", "x[1].jsonl"]
    assert meant("memory://meant/READ*") == ["README.md"]
    assert meant("memory://meant/x[1].jsonl") == ["memory://meant/x[1].jsonl"]
    assert meant("memory://meant/y[1].jsonl") == []


def test_a_name_with_a_colon_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s3:").mkdir()
    Path("s3:/a.jsonl").write_bytes(CHAT)
    assert sum(len(chunk.lines) for chunk in read_chunks(InputFile("s3://a.jsonl"))) == 1
