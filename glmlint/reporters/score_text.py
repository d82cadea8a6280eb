"""The scoring report as tables for a terminal (80 columns) or as plain text in a pipe."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from glmlint.finding import Finding
from glmlint.output import put
from glmlint.reporters.tables import console_for, print_wrapped
from glmlint.scoring.report import OddRow, OddToken, ScoreReport
from glmlint.visible import printable_path, visible

WIDTH: Final = 80
BAR: Final = 34
STYLES: Final = {"error": "bold red", "warning": "yellow", "info": "cyan"}

WORDS: Final = {
    "en": {
        "title": "Baseline loss of {model} on the supervised tokens, recipe {recipe}",
        "how": "{cls} · {dtype} on {device} · batches of {budget} padded tokens",
        "first": "Expected first loss: {mean:.3f} ± {error:.3f} (token mean), {rows:.3f} (mean of rows)",
        "batch": "A first step of 8 rows lies within about ± {spread:.2f} of that",
        "kinds": "Loss by kind of token (nats)",
        "turns": "Loss by turn (nats)",
        "groups": "Loss by group (nats)",
        "rows": "Mean loss of rows",
        "probe": "The first rows under each recipe (nats)",
        "least": "{recipe} costs the model least.",
        "highest": "Highest rows, {by}",
        "lowest": "Lowest rows, {by}",
        "by_z": "by z within their group",
        "by_mean": "by mean (too few rows to judge)",
        "findings": "Findings",
        "more": "and {count} more",
        "tokens": "tokens",
        "mean": "mean",
        "median": "p50",
        "rowmedian": "p50 rows",
        "group": "group",
        "kind": "kind",
        "turn": "turn",
        "place": "row",
        "words": "text; its worst tokens → the model's own",
        "total": "total",
        "counts": "{scored} of {rows} rows scored, {tokens} of {supervised} supervised tokens",
        "left": "not scored: {parts}",
        "comma": ", ",
        "no_labels": "{n} without labels",
        "errors": "{n} at which the trainer raises",
        "dropped": "{n} dropped by the trainer",
        "unscored": "{n} without a score",
        "not_finite": "{n} not finite",
        "partial": "partial: {scored} of {of} rows; run the same command again to go on",
        "plan": "Read {read} tokens for {tokens} (equal and contained rows once), {waste:.1%} padding",
        "clean": "No findings. The loss is what the trainer should log at its first step.",
        "verdict": "Errors: {errors}, warnings: {warnings}, infos: {infos}. Look at these rows first.",
        "nothing": "Nothing was scored.",
        "ignored": "Not counted: {row} ignored by their rows, {baseline} in the baseline.",
        "reference": "Against {model}: {excess:+.3f} nats a token (its mean {mean:.3f})",
    },
    "zh": {
        "title": "{model} 在受监督 token 上的基线损失，配方 {recipe}",
        "how": "{cls} · {device} 上的 {dtype} · 每批 {budget} 个 token（含填充）",
        "first": "预期首步损失：{mean:.3f} ± {error:.3f}（按 token 平均），{rows:.3f}（按样本平均）",
        "batch": "以 8 行为一批的首步损失大约在其 ± {spread:.2f} 之内",
        "kinds": "按 token 种类的损失（nat）",
        "turns": "按轮次的损失（nat）",
        "groups": "按分组的损失（nat）",
        "rows": "样本平均损失的分布",
        "probe": "前若干行在各配方下的损失（nat）",
        "least": "{recipe} 的损失最低。",
        "highest": "损失最高的样本（{by}）",
        "lowest": "损失最低的样本（{by}）",
        "by_z": "按组内 z 值",
        "by_mean": "按均值：样本太少，无法比较",
        "findings": "问题",
        "more": "另有 {count} 条",
        "tokens": "token 数",
        "mean": "均值",
        "median": "p50",
        "rowmedian": "样本 p50",
        "group": "分组",
        "kind": "种类",
        "turn": "轮次",
        "place": "样本",
        "words": "文本；损失最高的 token → 模型认为的 token",
        "total": "合计",
        "counts": "已评分 {scored}/{rows} 行，{tokens}/{supervised} 个受监督 token",
        "left": "未评分：{parts}",
        "comma": "，",
        "no_labels": "{n} 行没有标签",
        "errors": "{n} 行会让训练框架报错",
        "dropped": "{n} 行被训练框架丢弃",
        "unscored": "{n} 行没有分数",
        "not_finite": "{n} 行不是有限值",
        "partial": "部分结果：{scored}/{of} 行；再次运行同一命令即可继续",
        "plan": "实际读取 {read} 个 token（原为 {tokens}，相同和被包含的样本只读一次），填充 {waste:.1%}",
        "clean": "没有发现问题。训练框架在第一步记录的损失应与此相同。",
        "verdict": "{errors} 个错误，{warnings} 个警告，{infos} 条提示：请先检查上面的样本。",
        "nothing": "没有可评分的内容。",
        "ignored": "未计入：{row} 个由样本自身忽略，{baseline} 个在基线中。",
        "reference": "与 {model} 相比：每 token {excess:+.3f} nat（其均值 {mean:.3f}）",
    },
}
"""What the report says around its numbers."""


def score_text(
    report: ScoreReport, *, lang: str = "en", color: bool = False, max_findings: int = 50
) -> str:
    """The whole report as text.

    Args:
        lang: "en" or "zh".
        color: with ANSI colours and styles.
        max_findings: how many findings are printed; the counts are always whole.
    """
    words = WORDS["zh" if lang == "zh" else "en"]
    out = io.StringIO()
    with console_for(out, WIDTH, color) as console:
        _write(console, report, words, max_findings)
    return out.getvalue()


def _write(console: Console, report: ScoreReport, words: dict[str, str], max_findings: int) -> None:
    _head(console, report, words)
    if report.totals.tokens:
        _parts(console, words["kinds"], words["kind"], report.by_kind, "kind", words)
        _parts(console, words["turns"], words["turn"], report.by_turn[:12], "turn", words)
        if len(report.by_group) > 1:
            _groups(console, report, words)
        _histogram(console, report, words)
        _probe(console, report, words)
        judged = any(row.z is not None for row in (*report.highest, *report.lowest))
        by = words["by_z" if judged else "by_mean"]
        _ends(console, words["highest"].format(by=by), report.highest, words)
        _ends(console, words["lowest"].format(by=by), report.lowest, words)
    _findings(console, report, words, max_findings)
    for warning in report.warnings:
        print_wrapped(console, warning, "yellow", indent=2, first=Text("! ", style="yellow"))
    _verdict(console, report, words)


def _head(console: Console, report: ScoreReport, words: dict[str, str]) -> None:
    totals = report.totals
    model = printable_path(report.model)
    console.print(Text(words["title"].format(model=model, recipe=report.recipe), style="bold"))
    if report.model_class is not None:
        console.print(
            Text(
                words["how"].format(
                    cls=report.model_class,
                    dtype=report.dtype,
                    device=report.device,
                    budget=f"{report.token_budget:,}",
                ),
                style="dim",
            )
        )
    console.print(
        words["counts"].format(
            scored=f"{totals.rows_scored:,}",
            rows=f"{totals.rows:,}",
            tokens=f"{totals.tokens:,}",
            supervised=f"{totals.supervised_tokens:,}",
        )
    )
    left = [
        words[key].format(n=f"{count:,}")
        for key, count in (
            ("no_labels", totals.rows_without_labels),
            ("errors", totals.rows_with_error),
            ("dropped", totals.rows_dropped),
            ("unscored", totals.rows_not_scored),
            ("not_finite", totals.rows_not_finite),
        )
        if count
    ]
    if left:
        console.print(words["left"].format(parts=words["comma"].join(left)))
    if report.plan.get("read_tokens"):
        read, padded = report.plan["read_tokens"], report.plan["padded_tokens"]
        console.print(
            Text(
                words["plan"].format(
                    read=f"{read:,}", tokens=f"{report.plan['tokens']:,}", waste=padded / read - 1
                ),
                style="dim",
            )
        )
    if totals.mean_nll is not None and totals.mean_nll_of_rows is not None:
        line = words["first"].format(
            mean=totals.mean_nll, error=totals.standard_error or 0.0, rows=totals.mean_nll_of_rows
        )
        console.print(Text(line, style="bold"))
        if totals.row_deviation is not None:
            console.print(Text(words["batch"].format(spread=totals.row_deviation / 8**0.5)))
    if report.reference is not None and report.reference["excess"] is not None:
        console.print(
            words["reference"].format(
                model=report.reference["model"],
                excess=report.reference["excess"],
                mean=report.reference["mean_nll"],
            )
        )


def _table(title: str) -> Table:
    return Table(
        title=title, title_justify="left", title_style="bold", box=None, pad_edge=False,
        padding=(0, 2, 0, 0),
    )  # fmt: skip


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _parts(
    console: Console,
    title: str,
    name: str,
    parts: Sequence[dict[str, Any]],
    key: str,
    words: dict[str, str],
) -> None:
    console.print()
    table = _table(title)
    table.add_column(name)
    for column in (words["tokens"], words["mean"], words["median"], "p95"):
        table.add_column(column, justify="right")
    for part in parts:
        table.add_row(
            Text(str(part[key])),
            f"{part['tokens']:,}",
            _number(part["mean_nll"]),
            _number(part["p50"]),
            _number(part["p95"]),
        )
    console.print(table)


def _groups(console: Console, report: ScoreReport, words: dict[str, str]) -> None:
    console.print()
    table = _table(words["groups"])
    table.add_column(words["group"], overflow="fold", max_width=44)
    for column in (words["tokens"], words["mean"], words["rowmedian"]):
        table.add_column(column, justify="right")
    for group in report.by_group:
        table.add_row(
            Text(printable_path(_without_folder(group["group"]))),
            f"{group['tokens']:,}",
            _number(group["mean_nll"]),
            _number(group["median_of_rows"]),
        )
    console.print(table)


def _without_folder(group: str) -> str:
    path, *rest = group.rsplit(", ", 2)
    return ", ".join([Path(path).name, *rest])


def _histogram(console: Console, report: ScoreReport, words: dict[str, str]) -> None:
    most = max((count for _, count in report.histogram), default=0)
    if not most:
        return
    console.print()
    console.print(Text(words["rows"], style="bold"))
    for edge, count in report.histogram:
        bar = "█" * max(round(BAR * count / most), 1 if count else 0)
        console.print(Text(f"  < {edge:7.3f}  {bar:{BAR}}  {count:,}"))
    told = report.quantiles["row_mean_nll"]
    console.print(
        Text("  " + "  ".join(f"{name} {_number(value)}" for name, value in told.items()), "dim")
    )


def _probe(console: Console, report: ScoreReport, words: dict[str, str]) -> None:
    if not report.probe:
        return
    console.print()
    table = _table(words["probe"])
    table.add_column("recipe")
    for column in (words["tokens"], words["mean"], "content", "format"):
        table.add_column(column, justify="right")
    known = [row for row in report.probe if row["content_mean_nll"] is not None]
    least = min(known, key=lambda row: float(row["content_mean_nll"]), default=None)
    for row in report.probe:
        table.add_row(
            Text(row["recipe"], style="bold" if row is least else ""),
            f"{row['tokens']:,}",
            _number(row["mean_nll"]),
            _number(row["content_mean_nll"]),
            _number(row["format_nll"]),
        )
    console.print(table)
    if least is not None:
        console.print(Text(words["least"].format(recipe=least["recipe"])))


def _ends(console: Console, title: str, rows: Sequence[OddRow], words: dict[str, str]) -> None:
    if not rows:
        return
    console.print()
    table = _table(title)
    table.add_column(words["place"], overflow="fold", max_width=22)
    table.add_column(words["tokens"], justify="right")
    table.add_column(words["mean"], justify="right")
    table.add_column("z", justify="right")
    table.add_column(words["words"], overflow="ellipsis", ratio=1)
    for row in rows:
        told = Text(_plain(row.text)[:36], no_wrap=True)
        for token in row.top[:2]:
            told.append("\n" + _odd_token(token)[:36], style="dim")
        table.add_row(
            Text(f"{printable_path(Path(row.path).name)}:{row.line}"),
            f"{row.tokens:,}",
            f"{row.mean_nll:.3f}",
            "-" if row.z is None else f"{row.z:.1f}",
            told,
        )
    console.print(table)


def _odd_token(token: OddToken) -> str:
    return f"{token.text!r} {token.nll:.1f} → {token.choice!r} p {token.p:.2f}"


def _plain(text: str) -> str:
    """One line of printable characters: data must not move the cursor or change colours."""
    return "".join(char if char.isprintable() else " " for char in " ".join(text.split()))


def _findings(
    console: Console, report: ScoreReport, words: dict[str, str], max_findings: int
) -> None:
    if not report.findings:
        return
    console.print()
    console.print(Text(words["findings"], style="bold"))
    shown = sorted(
        report.findings[:],
        key=lambda finding: ("error", "warning", "info").index(finding.severity),
    )[:max_findings]
    for finding in shown:
        line = Text(f"{_place(finding)}: ")
        line.append(finding.severity, style=STYLES[finding.severity])
        line.append(f" {finding.rule} {visible(finding.message)}")
        console.print(line)
    total = sum(report.finding_counts.values())
    if total > len(shown):
        console.print(Text(words["more"].format(count=total - len(shown)), style="dim"))


def _verdict(console: Console, report: ScoreReport, words: dict[str, str]) -> None:
    console.print()
    if report.partial is not None:
        console.print(Text(words["partial"].format(**report.partial), style="bold yellow"))
    levels = {"error": 0, "warning": 0, "info": 0}
    for finding in report.findings:
        levels[finding.severity] += 1
    if any(levels.values()):
        line = words["verdict"].format(
            errors=levels["error"], warnings=levels["warning"], infos=levels["info"]
        )
        console.print(Text(line, style="bold"))
    elif not report.totals.tokens:
        console.print(Text(words["nothing"], style="bold"))
    else:
        console.print(Text(words["clean"], style="bold green"))
    if any(report.suppressed.values()):
        console.print(Text(words["ignored"].format(**report.suppressed), style="dim"))


def score_lines(report: ScoreReport) -> str:
    """Findings alone, one a line, `path:line: severity rule message`: for editors and grep."""
    out = io.StringIO()
    for finding in report.findings:
        told = f"{finding.rule} {visible(finding.message)} [{visible(finding.help)}]"
        put(out, f"{_place(finding)}: {finding.severity} {told}")
    return out.getvalue()


def _place(finding: Finding) -> str:
    path = printable_path(finding.path)
    return path if finding.line is None else f"{path}:{finding.line}"
