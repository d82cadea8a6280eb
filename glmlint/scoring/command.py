"""`glmlint score`: flags in, report out. Imports no torch; the scoring run does when it must."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from glmlint.app.flags import Choice, FloatRange, IntRange, argument, option
from glmlint.app.help import Command
from glmlint.app.options import (
    Failure,
    baseline_options,
    complete_files,
    complete_recipes,
    fail_on_option,
    make_plan,
    plan_options,
    refuse_inputs,
    rule_options,
    save_baseline,
)
from glmlint.extras import install
from glmlint.output import put, tell
from glmlint.text import Text, listed, system_fault
from glmlint.visible import visible

if TYPE_CHECKING:
    from glmlint.engine.encode import EncodedRow
    from glmlint.plan import Plan
    from glmlint.scoring.outcome import Outcome, ScoreOptions
    from glmlint.scoring.rows import Data
    from glmlint.scoring.run import ScoreWatch
    from glmlint.trainer.base import Context

PROBE_ROWS: Final = 50
"""Rows that `--probe` scores under every recipe."""

SISTER_GOODBYE: Final = 30.0
"""Seconds in which a process that is done with its share should have ended."""

IFD: Final = "ifd-above-one"
"""The rule that needs the answers scored without their prompts."""

MISSING_EXTRA: Final = Text(
    "glmlint score needs torch and transformers: {how}",
    "glmlint score 需要 torch 和 transformers：请先运行 {how}",
)


_NO_RECIPE: Final = Text("no recipe {recipe}; known: {known}", "没有配方 {recipe}；已有：{known}")
_NO_BUDGET: Final = Text(
    "--token-budget {text}: auto, or a number of tokens",
    "--token-budget {text}: 应为 auto 或 token 数",
)
_UNWRITABLE: Final = Text("{path} can't be written: {why}", "无法写入 {path}：{why}")

PLAN_FLAGS: Final = frozenset(
    ("recipe", "trainer_config", "set", "max_length", "max_input_length", "max_output_length",
     "tokenizer", "template", "allow_download", "pin", "config", "lang", "fail_on", "select", "extend_select", "ignore",
     "severity", "baseline", "write_baseline")
)  # fmt: skip
"""The flags that make the Plan; the others say how to score and print."""


@click.command(
    "score",
    cls=Command,
    summary=Text(
        "Baseline loss of a model on the tokens that your trainer trains on.",
        "模型在训练框架实际训练的 token 上的基线损失。",
    ),
    more=Text(
        "Scores are kept: a run that was stopped goes on where it was, and rows that were scored "
        "before cost nothing.",
        "分数会保存下来：中断的运行可以接着做，评过分的数据行不再花时间。",
    ),
)
@argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILE…",
    shell_complete=complete_files,
    help=Text("Files, folders or patterns.", "文件、文件夹或通配模式。"),
)
@option(
    "--model",
    required=True,
    metavar="DIR",
    shell_complete=complete_files,
    group="scoring",
    help=Text("A checkpoint on disk (safetensors).", "磁盘上的模型权重文件夹（safetensors）。"),
)
@plan_options
@rule_options
@option(
    "--device",
    default="auto",
    metavar="NAME",
    group="scoring",
    default_shown="auto",
    help=Text("auto, cpu, cuda, cuda:N or mps.", "auto、cpu、cuda、cuda:N 或 mps。"),
)
@option(
    "--dtype",
    type=Choice(["auto", "float32", "bfloat16", "float16"]),
    default="auto",
    group="scoring",
    default_shown="auto",
    help=Text(
        "auto: the checkpoint's own on a GPU, float32 on a CPU.",
        "auto：GPU 上与权重相同，CPU 上为 float32。",
    ),
)
@option(
    "--token-budget",
    default="auto",
    metavar="N",
    group="scoring",
    default_shown="auto",
    help=Text(
        "Padded tokens a batch; auto: 32,768 on a GPU, 2,048 on a CPU.",
        "每批的 token 数（含填充）；auto：GPU 上 32,768，CPU 上 2,048。",
    ),
)
@option(
    "--attn",
    "attention",
    metavar="NAME",
    group="scoring",
    help=Text(
        "Attention code of transformers, such as sdpa.", "transformers 的注意力实现，如 sdpa。"
    ),
)
@option(
    "--compile",
    "compiled",
    is_flag=True,
    group="scoring",
    help=Text("torch.compile the backbone.", "对主干网络使用 torch.compile。"),
)
@option(
    "--ifd",
    is_flag=True,
    group="scoring",
    help=Text("Also score answers without their prompts.", "另外在没有提示的情况下给回答评分。"),
)
@option(
    "--reference",
    type=click.Path(path_type=Path),
    metavar="FILE",
    group="scoring",
    help=Text("Another model's --store.", "另一个模型的 --store 文件。"),
)
@option(
    "--probe",
    multiple=True,
    metavar="RECIPE",
    shell_complete=complete_recipes,
    group="scoring",
    help=Text("Compare 50 rows under it too.", "另用该配方对比 50 行。"),
)
@option(
    "--devices",
    type=IntRange(1),
    default=1,
    metavar="N",
    group="scoring",
    default_shown=1,
    help=Text("Processes, one a GPU.", "进程数，每个 GPU 一个。"),
)
@option(
    "--limit",
    type=IntRange(1),
    metavar="N",
    group="scoring",
    help=Text("Only the first N rows.", "只用前 N 行。"),
)
@option(
    "--sample",
    type=IntRange(1),
    metavar="N",
    group="scoring",
    help=Text("Only N rows, drawn evenly.", "只用均匀抽取的 N 行。"),
)
@option(
    "--seed",
    type=IntRange(),
    default=0,
    metavar="N",
    group="scoring",
    default_shown=0,
    help=Text("Of the draw of --sample.", "--sample 抽样的随机种子。"),
)
@option(
    "--store",
    type=click.Path(path_type=Path),
    metavar="FILE",
    group="scoring",
    default_shown=Text("in the user's cache folder", "用户缓存文件夹中"),
    help=Text("Where scores are kept.", "分数保存在哪里。"),
)
@option(
    "--no-resume",
    is_flag=True,
    group="scoring",
    help=Text("Score everything again.", "全部重新评分。"),
)
@option(
    "--dry-run",
    is_flag=True,
    group="scoring",
    help=Text("Print what scoring would cost; needs no torch.", "只显示评分的开销，不需要 torch。"),
)
@option(
    "--max-mean-loss",
    type=FloatRange(),
    metavar="X",
    group="gates",
    help=Text("Fail when the token mean is above this.", "token 平均损失高于此值时运行失败。"),
)
@fail_on_option()
@baseline_options
@option(
    "--per-sample",
    type=click.Path(path_type=Path),
    metavar="FILE",
    group="output",
    help=Text(
        "Write the losses of every row there, as JSON lines.",
        "把每一行的损失以 JSON Lines 写到该文件。",
    ),
)
@option(
    "--per-token",
    is_flag=True,
    group="output",
    help=Text(
        "With --per-sample: the loss of every label.",
        "与 --per-sample 一起使用：写出每个标签的损失。",
    ),
)
@option(
    "--format",
    "form",
    type=Choice(["text", "json", "lines"]),
    default="text",
    group="output",
    default_shown="text",
    help=Text(
        "Of the report; lines: findings for editors and grep.",
        "报告的格式；lines：供编辑器和 grep 使用的问题列表。",
    ),
)
@option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    group="output",
    help=Text("Write the report to a file.", "把报告写入文件。"),
)
@option(
    "--max-findings",
    type=IntRange(0),
    default=50,
    metavar="N",
    group="output",
    default_shown=50,
    help=Text(
        "How many findings are printed; counts are always whole.",
        "显示多少个问题；计数始终是完整的。",
    ),
)
@click.pass_context  # fmt: skip
def score(context: click.Context, /, **flags: Any) -> None:
    """Score files, and exit."""
    from glmlint.trainer.base import all_trainers

    files = flags.pop("files")
    told = {name: flags.pop(name) for name in PLAN_FLAGS}
    plan, plan_context = make_plan({**told, "ifd": flags["ifd"] or None}, files, family="score")
    lang = plan.lang
    budget = _token_budget(flags["token_budget"], lang)
    for recipe in flags["probe"]:
        if recipe not in all_trainers():
            raise Failure(_NO_RECIPE.say(lang, recipe=recipe, known=listed(all_trainers())))
    written = [(f"--{name.replace('_', '-')}", flags[name]) for name in ("output", "per_sample")]
    if plan.write_baseline:
        written.append(("--baseline", plan.baseline_file))
    refuse_inputs(
        [(flag, str(target)) for flag, target in written if target is not None], files, plan
    )
    flags["ifd"] = flags["ifd"] or any(IFD in rules for rules in _rules_of(plan))
    context.exit(score_files(files, plan_context, flags, budget))


def _rules_of(plan: Plan) -> Iterator[dict[str, str]]:
    """The rules that are on: of most files, and of those that the settings name."""
    yield plan.rules
    for block in plan.per_file:
        yield block.rules


def score_files(
    files: tuple[str, ...], context: Context, flags: dict[str, Any], budget: int | None
) -> int:
    """Encode, score and report; returns the exit code. `flags` are those of `score`."""
    from glmlint.scoring.errors import ScoreError

    lang = context.plan.lang
    if not flags["dry_run"] and not (find_spec("torch") and find_spec("transformers")):
        raise Failure(MISSING_EXTRA.say(lang, how=install("score")))
    try:
        data, unread = read_data(files, context, flags)
        for path, reason in unread:
            tell(reason, path=path)
        if flags["dry_run"]:
            for line in dry_run(data, flags, budget, lang).splitlines():
                put(sys.stdout, line)
            return 2 if unread else 0
        return _run(data, files, context, flags, budget, bool(unread))
    except ScoreError as error:
        raise Failure(error.say(lang)) from None
    except KeyboardInterrupt:  # before there was anything to report
        return 130


def read_data(
    files: tuple[str, ...], context: Context, flags: dict[str, Any]
) -> tuple[Data, list[tuple[str, str]]]:
    """The rows of the files under the context's plan, and (path, reason) of those not read."""
    from glmlint.engine.encode import encode_rows
    from glmlint.read.paths import find_inputs
    from glmlint.read.source import SourceError
    from glmlint.scoring.outcome import Chinese
    from glmlint.scoring.rows import collect

    inputs, problems = find_inputs(files, context.plan.choice)
    unread = [(problem.path, problem.say(context.plan.lang)) for problem in problems]

    def encoded() -> Iterator[EncodedRow]:
        for file in inputs:
            try:
                yield from encode_rows([file.path], context.plan, context=context)
            except SourceError as error:
                unread.append((file.path, error.say(context.plan.lang)))

    data = collect(
        encoded(),
        chinese=Chinese(context.tokenizer).share,
        ifd=flags["ifd"],
        limit=flags["limit"],
        sample=flags["sample"],
        seed=flags["seed"],
    )
    return data, unread


def _token_budget(text: str, lang: str) -> int | None:
    if text == "auto":
        return None
    if not text.isdigit() or int(text) < 1:
        raise Failure(_NO_BUDGET.say(lang, text=text))
    return int(text)


def dry_run(data: Data, flags: dict[str, Any], budget: int | None, lang: str = "en") -> str:
    """What scoring would read, save and need, as text. Imports no torch."""
    from glmlint.scoring.folder import read_folder
    from glmlint.scoring.model import (
        accelerator_possible,
        nominal_budget,
        pick_dtype,
        token_bytes,
    )
    from glmlint.scoring.run import plan_size

    folder = read_folder(flags["model"])
    device = flags["device"]
    if device == "auto":
        device = "cuda" if accelerator_possible() else "cpu"
    budget = budget or nominal_budget(device)
    size = plan_size(data, budget)
    dtype = pick_dtype(flags["dtype"], device, folder.config)
    weights = sum(file.stat().st_size for file in folder.weights)
    states = size.longest if size.longest > budget else min(budget, size.padded_tokens)
    padding = size.padded_tokens / size.read_tokens - 1 if size.read_tokens else 0.0
    parameters = weights / (
        4 if str(folder.config.get("dtype") or folder.config.get("torch_dtype")) == "float32" else 2
    )
    minutes = 2 * parameters * size.padded_tokens / 4e14 / 60
    memory = states * token_bytes(folder.config, dtype) / 1e9
    values = {
        "labelled": size.rows, "all": size.tokens, "padding": padding, "batches": size.batches,
        "budget": budget, "kind": folder.model_type, "dtype": dtype, "device": device,
        "longest": folder.max_positions or Text("any length", "任意长度"),
    }  # fmt: skip
    shown = (
        ("rows", f"{len(data.rows):,}    "),
        ("supervised", f"{data.supervised_tokens:,}    "),
        ("read", f"{size.read_tokens:,}    "),
        ("padded", f"{size.padded_tokens:,}    "),
        ("longest", f"{size.longest:,}    "),
        ("weights", f"{weights / 1e9:.2f} GB "),
        ("memory", f"{memory:.2f} GB "),
        ("time", f"{minutes:.1f} min"),
    )
    lines = []
    for key, value in shown:
        label, note = _COSTS[key]
        name = label.plain(lang)
        wide = sum(unicodedata.east_asian_width(char) in "WF" for char in name)
        lines.append(f"{name:<{20 - wide}}{value:>18} {note.say(lang, **values)}".rstrip())
    return "\n".join(lines) + "\n"


_COSTS: Final = {
    "rows": (Text("rows", "行数"), Text("with labels {labelled:,}", "其中有标签的 {labelled:,}")),
    "supervised": (Text("supervised tokens", "受监督 token"), Text("", "")),
    "read": (Text("tokens to read", "要读取的 token"),
             Text("of {all:,}: equal and contained rows once", "共 {all:,}：相同和被包含的样本只读一次")),
    "padded": (Text("padded tokens", "含填充的 token"),
               Text("{padding:.1%} padding in {batches:,} batches of {budget:,}",
                    "填充 {padding:.1%}，{batches:,} 批，每批 {budget:,}")),
    "longest": (Text("longest row", "最长的样本"),
                Text("the model was made for {longest}", "模型支持的长度为 {longest}")),
    "weights": (Text("weights", "权重"), Text("on disk, {kind}", "磁盘上，{kind}")),
    "memory": (Text("memory of a batch", "每批占用的内存"),
               Text("estimate, {dtype} on {device}", "估计值，{device} 上的 {dtype}")),
    "time": (Text("time", "时间"),
             Text("estimate for one GPU at 400 TFLOP/s, all weights active",
                  "按单个 400 TFLOP/s 的 GPU、所有权重参与计算估计")),
}  # fmt: skip
"""What `--dry-run` prints: what it is called, and what stands behind the number."""


def _run(
    data: Data,
    files: tuple[str, ...],
    context: Context,
    flags: dict[str, Any],
    budget: int | None,
    partly: bool,
) -> int:
    from glmlint.engine.check import Checker
    from glmlint.scoring.outcome import ScoreOptions
    from glmlint.scoring.run import run

    plan = context.plan
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    sisters: list[subprocess.Popen[bytes]] = []
    if flags["devices"] > 1 and "RANK" not in os.environ:
        world = flags["devices"]
        sisters = [_start_sister(rank, world) for rank in range(1, world)]
    options = ScoreOptions(
        model=flags["model"],
        device=flags["device"],
        dtype=flags["dtype"],
        token_budget=budget,
        attention=flags["attention"],
        compile=flags["compiled"],
        store=flags["store"],
        resume=not flags["no_resume"],
        reference=flags["reference"],
        rank=rank,
        world=world,
        fail_on=plan.fail_on,
        max_mean_loss=flags["max_mean_loss"],
        rules=Checker(plan, context).severities,
        lang=plan.lang,
        recipe=plan.recipe,
        max_findings=plan.max_findings,
        baseline=plan.baseline,
        write_baseline=plan.write_baseline,
    )
    try:
        with _progress(quiet=rank > 0) as watch:
            watch.failed = lambda: any(sister.poll() not in (None, 0) for sister in sisters)
            outcome = run(data, options, context.tokenizer, watch)
        for sister in sisters:
            with contextlib.suppress(subprocess.TimeoutExpired):
                sister.wait(SISTER_GOODBYE)
    finally:
        for sister in sisters:
            if sister.poll() is None:
                sister.terminate()
    if outcome is None:
        return 0
    if partly and outcome.report.exit_code != 130:
        outcome.report.exit_code = 2
    if outcome.report.exit_code != 130:
        outcome.report.probe = [
            _probe(recipe, files, context, options, flags)
            for recipe in ((plan.recipe, *flags["probe"]) if flags["probe"] else ())
        ]
    if plan.write_baseline:
        whole = outcome.report.exit_code not in (2, 130)
        save_baseline(plan, outcome.old, whole=whole, scores=True)
    if flags["per_sample"] is not None:
        _write_samples(outcome, flags["per_sample"], flags["per_token"], plan.lang)
    _write_report(outcome, plan, flags)
    return outcome.report.exit_code


def _start_sister(rank: int, world: int) -> subprocess.Popen[bytes]:
    told = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world)}
    main = "import sys; from glmlint.app.cli import main; sys.exit(main())"
    return subprocess.Popen([sys.executable, "-c", main, *sys.argv[1:]], env=os.environ | told)


def _probe(
    recipe: str,
    files: tuple[str, ...],
    context: Context,
    options: ScoreOptions,
    flags: dict[str, Any],
) -> dict[str, Any]:
    """The loss of the first rows under one recipe: the right one costs the model least."""
    from glmlint.evidence.scores import format_median
    from glmlint.scoring.run import run
    from glmlint.trainer.base import open_context

    own = context.plan.options if recipe == context.plan.recipe else {}
    other = open_context(replace(context.plan, recipe=recipe, options=own))
    few = flags | {"limit": PROBE_ROWS, "sample": None, "ifd": False}
    data, _ = read_data(files, other, few)
    alone = replace(options, recipe=recipe, reference=None, rank=0, world=1, resume=True)
    outcome = run(data, alone, other.tokenizer)
    assert outcome is not None
    rows = list(outcome.judged.values())
    content = sum(one.content for one in rows)
    mean = sum(one.content_mean * one.content for one in rows if one.content) / max(content, 1)
    return {
        "recipe": recipe,
        "rows": len(rows),
        "tokens": outcome.report.totals.tokens,
        "mean_nll": outcome.report.totals.mean_nll,
        "content_mean_nll": mean if content else None,
        "format_nll": format_median(rows),
    }


@contextlib.contextmanager
def _progress(quiet: bool) -> Iterator[ScoreWatch]:
    """Tokens, tokens a second and time left, on standard error, on a terminal only."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from glmlint.scoring.run import ScoreWatch

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield ScoreWatch(say=lambda line: tell(line, name=""))
        return
    bar = Progress(
        TextColumn("scoring"), BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f} tokens"),
        TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
        console=console, transient=True,
    )  # fmt: skip
    task = bar.add_task("", total=0, rate="")
    scored, since = 0, time.monotonic()

    def done(tokens: int, fresh: bool) -> None:
        nonlocal scored
        scored += tokens if fresh else 0
        rate = scored / max(time.monotonic() - since, 1e-9)
        bar.update(task, advance=tokens, rate=f"{rate:,.0f} tokens/s" if scored else "")

    def begin(tokens: int) -> None:
        bar.update(task, total=tokens)

    with bar:
        yield ScoreWatch(
            begin=begin, done=done, say=lambda line: bar.console.print(visible(line), markup=False)
        )


def _write_samples(outcome: Outcome, path: Path, per_token: bool, lang: str) -> None:
    from glmlint.scoring.outcome import sample_lines
    from glmlint.scoring.report import json_line

    try:
        with path.open("wb") as file:
            for line in sample_lines(outcome, per_token):
                file.write(json_line(line))
    except OSError as error:
        raise Failure(
            _UNWRITABLE.say(lang, path=path, why=system_fault(error).plain(lang))
        ) from None


def _write_report(outcome: Outcome, plan: Plan, flags: dict[str, Any]) -> None:
    from glmlint.reporters.score_text import score_lines, score_text
    from glmlint.scoring.report import report_json

    report, output = outcome.report, flags["output"]
    if flags["form"] == "json":
        text = report_json(report).decode()
    elif flags["form"] == "lines":
        text = score_lines(report)
    else:
        color = output is None and sys.stdout.isatty()
        text = score_text(report, lang=plan.lang, color=color, max_findings=flags["max_findings"])
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        why = system_fault(error).plain(plan.lang)
        raise Failure(_UNWRITABLE.say(plan.lang, path=output, why=why)) from None
