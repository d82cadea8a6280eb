"""Every fixed word of the reports, English and Chinese side by side."""

from __future__ import annotations

from typing import Final

from glmlint.plan import NO_BUDGET
from glmlint.text import Text

SEVERITY: Final = {
    "error": Text("error", "错误"),
    "warning": Text("warning", "警告"),
    "info": Text("info", "提示"),
    "off": Text("off", "关闭"),
}

FAMILY: Final = {
    "structure": Text("structure", "结构"),
    "tools": Text("tools", "工具"),
    "mask": Text("mask", "掩码"),
    "budget": Text("budget", "预算"),
    "loader": Text("loader", "加载"),
    "content": Text("content", "内容"),
    "dataset": Text("dataset", "数据集"),
    "score": Text("score", "评分"),
}

COUNTED: Final = {
    "error": (Text("{n} error", "{n} 个错误"), Text("{n} errors", "{n} 个错误")),
    "warning": (Text("{n} warning", "{n} 个警告"), Text("{n} warnings", "{n} 个警告")),
    "info": (Text("{n} info", "{n} 条提示"), Text("{n} infos", "{n} 条提示")),
    "row": (Text("{n} row", "{n} 行"), Text("{n} rows", "{n} 行")),
    "sample": (Text("{n} sample", "{n} 个样本"), Text("{n} samples", "{n} 个样本")),
    "sequence": (Text("{n} sequence", "{n} 个序列"), Text("{n} sequences", "{n} 个序列")),
    "file": (Text("{n} file", "{n} 个文件"), Text("{n} files", "{n} 个文件")),
    "rule": (Text("{n} rule", "{n} 条规则"), Text("{n} rules", "{n} 条规则")),
    "finding": (Text("{n} finding", "{n} 个问题"), Text("{n} findings", "{n} 个问题")),
}
"""One of it, several of it."""

WORDS: Final = {
    # findings
    "more-findings": Text(
        "… and {n} more: --max-findings {all} prints them, --statistics counts them by rule",
        "……另有 {n} 个：用 --max-findings {all} 全部显示，用 --statistics 按规则统计",
    ),
    "more-findings-kept": Text(
        "… and {n} more beyond --max-findings {kept}; the counts are whole",
        "……另有 {n} 个超出 --max-findings {kept}；各项计数仍是完整的",
    ),
    "diff-encoding": Text("{encoding} becomes UTF-8", "由 {encoding} 转为 UTF-8"),
    "diff-rows": Text("rewritten with one row per line", "改写为每行一条数据"),
    "diff-mark": Text("the byte order mark is removed", "去掉字节顺序标记（BOM）"),
    "diff-blanks": Text("blank lines are removed", "删除空行"),
    "diff-row": Text("row {n}", "第 {n} 条"),
    "diff-dropped": Text("the row is dropped", "删除该行"),
    "diff-parts": Text("becomes {n:row}, each on its own line", "拆为 {n} 条，每条一行"),
    "diff-hidden": Text("changes only what is hidden here", "只改动了此处不显示的内容"),
    "diff-more-places": Text("and {n:more place} in this row", "这一行另有 {n} 处改动"),
    "diff-more-rows": Text(
        "… and {rows:more row}: --max-findings {all} prints them, a pipe or a file gets a whole diff",
        "……另有 {rows} 行：用 --max-findings {all} 全部显示；输出到管道或文件时是完整的差异",
    ),
    "help-line": Text("help: {help}", "建议：{help}"),
    "infos-apart": Text("{rules}: -v shows them", "{rules}：-v 可查看"),
    "more-rows": Text("and {rows:more row}: {lines}", "另有 {rows} 行：{lines}"),
    "more-in-rows": Text("and {n} more in {rows:row}: {lines}", "另有 {n} 处，分布在 {rows} 行：{lines}"),
    "more-in-row": Text("and {n} more in this row", "这一行另有 {n} 处"),
    "clean": Text("{what}: {samples}, nothing found", "{what}：{samples}，没有发现问题"),
    "clean-whole": Text(
        "{tokens} tokens, {ratio} trained; no row is cut", "{tokens} 个 token，{ratio} 参与训练；没有行被截断"
    ),
    "clean-cut": Text(
        "{tokens} tokens, {ratio} trained; {cut} cut, {lost} of what is trained lost",
        "{tokens} 个 token，{ratio} 参与训练；{cut}被截断，丢失受监督 token 的 {lost}",
    ),
    "length-short": Text("length", "长度"),
    "budget-short": Text("budget", "预算"),
    "keeps-all": Text("all", "全部"),
    "assumed-short": Text(
        "assumed: {recipe} · {template} · budget {budget} ({budget_from})",
        "前提：{recipe} · {template} · 预算 {budget}（{budget_from}）",
    ),
    "budget-default": Text(
        "default; --max-length N sets yours", "默认值；用 --max-length N 设置"
    ),
    "fixable-count": Text("[*] {n} fixable (--fix)", "[*] {n} 个可修复（--fix）"),
    "fixable-unsafe-count": Text("{n} more (--unsafe-fixes)", "另有 {n} 个（--unsafe-fixes）"),
    "unsafe-count": Text("{n} fixable (--unsafe-fixes)", "{n} 个可修复（--unsafe-fixes）"),
    "rows": Text("Rows", "行数"),
    "family": Text("Family", "规则族"),
    "stands-for": Text(" ({n} rows)", "（共 {n} 行）"),
    # tables
    "file": Text("File", "文件"),
    "samples": Text("Samples", "样本"),
    "tokens": Text("Tokens", "Token"),
    "trainable": Text("Trainable", "可训练"),
    "truncated": Text("Truncated", "被截断"),
    "lost": Text("Lost", "丢失"),
    "total": Text("Total", "合计"),
    "more-files": Text("… and {n} more files", "……另有 {n} 个文件"),
    "rule": Text("Rule", "规则"),
    "severity": Text("Severity", "级别"),
    "count": Text("Count", "数量"),
    "lengths": Text("Length of samples in tokens", "样本长度（token）"),
    "budget": Text("budget", "预算"),
    "no-limit": Text("none", "无"),
    "none-over": Text("no sample is longer", "没有更长的样本"),
    "longest": Text("max", "最长"),
    "longer": Text("{n} longer", "{n} 个更长"),
    "rows-line": Text(
        "{clean} clean, {bad} with findings, {stopping}",
        "{clean} 个正常，{bad} 个有问题，{stopping}",
    ),
    "stopping": Text("{n} that stop the trainer", "{n} 个会让训练框架中止"),
    "stopping-one": Text("{n} that stops the trainer", "{n} 个会让训练框架中止"),
    "stopping-foreign": Text(
        " ({n} in another trainer's format)", "（其中 {n} 个是其他训练框架的格式）"
    ),
    "stopping-all-foreign": Text(
        " (in another trainer's format)", "（其他训练框架的格式）"
    ),
    "smallest": Text("smallest for {share}", "保留 {share} 的最小值"),
    "keeps-plain": Text("{length} keeps {share}", "{length} 保留 {share}"),
    "budgets": Text("Budgets, by supervised tokens kept", "预算与保留的受监督 token"),
    "keeps": Text("Keeps", "保留"),
    "lost-tokens": Text("Tokens lost", "丢失 token"),
    "cut-samples": Text("Samples cut", "截断样本"),
    "this-run": Text("this run", "本次"),
    # the catalogue
    "fix": Text("Fix", "修复"),
    "on": Text("On", "启用"),
    "no-fix": Text("none", "无"),
    "fix-safe": Text("safe fix", "可安全修复"),
    "fix-unsafe": Text("unsafe fix", "可修复（不安全）"),
    "rules-legend": Text(
        "{rules}, {on} on (●). `glmlint explain RULE` shows one with examples.",
        "{rules}，已启用 {on} 条（●）。`glmlint explain RULE` 显示说明与示例。",
    ),
    "safe": Text("safe (--fix)", "安全（--fix）"),
    "safe-where": Text(
        "safe (--fix), where a finding is marked [*]", "安全（--fix），限带 [*] 标记的问题"
    ),
    "unsafe": Text("unsafe (--unsafe-fixes)", "不安全（--unsafe-fixes）"),
    "opt-in": Text("opt-in: off unless selected", "默认关闭，需要显式启用"),
    "in-score": Text("in `glmlint score` only", "仅在 `glmlint score` 中"),
    "says": Text("Says", "报告"),
    "advises": Text("Advises", "建议"),
    "bad-example": Text("Reported", "会报告"),
    "good-example": Text("Not reported", "不会报告"),
    "with-settings": Text(" (with {settings})", "（设置：{settings}）"),
    "source": Text("Source: {source}, {date}", "来源：{source}（{date}）"),
    "supervises": Text("Supervises", "监督范围"),
    "is-default": Text("  (default)", "（默认）"),
    # a sample
    "column-supervised": Text("Supervised", "受监督"),
    "lost-token": Text("lost", "丢失"),
    "supervised": Text("supervised", "受监督"),
    "masked": Text("masked", "不监督"),
    "cut": Text("cut", "被截断"),
    "role": Text("Role", "角色"),
    "prefix": Text("(prefix)", "（前缀）"),
    "prefix-end": Text("(prefix, end)", "（前缀、结尾）"),
    "budget-line": Text(
        "budget {budget}: everything below is cut off", "预算 {budget}：以下内容全部被截断"
    ),
    "shown": Text("recipe {recipe} · template {template} · budget {budget}",
                  "配方 {recipe} · 模板 {template} · 预算 {budget}"),
    "config-without-data": Text(
        "{path} names no data file on this machine: name the files to check",
        "{path} 没有指定本机上的数据文件：请给出要检查的文件",
    ),
    "compare-trainer": Text("Trainer", "训练框架"),
    "compare-two": Text(
        "compare needs two sides: give --recipe twice, or --max-length, --set 2:KEY=VALUE, a second file",
        "compare 需要两方：请给出两个 --recipe，或两个 --max-length、--set 2:KEY=VALUE、第二个文件",
    ),
    "compare-pair": Text(
        "{a} and {b}: {both} tokens are supervised by both, {first} by the first alone, {second} by "
        "the second alone; {differ} of {rows} rows differ",
        "{a} 与 {b}：{both} 个 token 双方都训练，{first} 个仅前者训练，{second} 个仅后者训练；"
        "{rows} 行中有 {differ} 行不同",
    ),
    "compare-differs": Text("What differs", "差异"),
    "kept": Text("Kept", "保留"),
    "no-findings": Text("No findings in this sample.", "这个样本没有问题。"),
    "stop-note": Text(
        "A supervised role token behind an answer is its stop.",
        "回答之后受监督的角色标记是该回答的停止符。",
    ),
    "other-label-note": Text(
        "“a → b”: the input holds a, and b is taught in its place.",
        "“a → b”：输入中是 a，而该位置训练的是 b。",
    ),
    "why-untrained": Text("Not trained", "未训练"),
    "why-prompt": Text("prompt", "提示"),
    "why-header": Text("header", "角色头"),
    "why-empty-thought": Text("the template's own thought", "模板自带的空思考"),
    "why-history": Text("earlier answer", "历史回答"),
    "why-unlabelled": Text("left out by the trainer", "训练框架不训练"),
    "why-end": Text("appended end", "末尾追加"),
    "raises": Text(
        "The trainer raises {error} at this sample, and the run ends.",
        "训练框架在这个样本抛出 {error}，整个训练随之中止。",
    ),
    "not-read": Text(
        "This row can't be read, so it has no tokens.", "这一行无法读取，因此没有 token。"
    ),
    "dropped": Text("The trainer drops this sample: {reason}.", "训练框架会丢弃这个样本：{reason}。"),
    # the verdict
    "interrupted": Text(
        "Interrupted: this is what was found so far.", "已中断：以上是目前发现的内容。"
    ),
    "incomplete": Text(
        "Not everything could be read ({n}); the rest was checked. Repair that and run again.",
        "有 {n} 处无法读取，其余部分已检查。请处理后重新运行。",
    ),
    "unread": Text("{n:path} could not be read", "有 {n} 个路径无法读取"),
    "untrained-short": Text("no token would be trained", "没有任何 token 参与训练"),
    "no-samples": Text("No samples were found.", "没有找到样本。"),
    "fix-first": Text(
        "{counts}: start with {place}.", "{counts}：请先处理 {place}。"
    ),
    "fixable": Text(
        "`glmlint check --fix` repairs what is safe to repair.",
        "`glmlint check --fix` 可自动修复其中可以安全修复的部分。",
    ),
    "fixable-unsafe": Text(
        "`glmlint check --diff --unsafe-fixes` shows repairs that change what is trained.",
        "`glmlint check --diff --unsafe-fixes` 显示会改变训练内容的修复。",
    ),
    "untrained": Text(
        "Nothing in these samples would be learned: no token is supervised within the budget.",
        "这些样本什么都学不到：预算之内没有任何受监督的 token。",
    ),
    "raise-budget": Text(
        "The budget cuts {share} of the supervised tokens: --max-length {length} would keep "
        "{keeps}.",
        "当前预算会丢掉 {share} 的受监督 token：--max-length {length} 可保留 {keeps}。",
    ),
    "silenced": Text(
        "Nothing that counts, but {n} of {samples} can't be trained on: what is wrong there is "
        "ignored, in the baseline, or of a rule that is off.",
        "没有计入的问题，但 {samples}中有 {n} 个无法用于训练：其问题已被忽略、在基线中，或相应规则未启用。",
    ),
    "look": Text("{counts}: look at {place} before training.", "{counts}：训练前请先看 {place}。"),
    "ready": Text(
        "Ready to train: {samples}, {tokens} supervised tokens ({ratio} of all kept ones).",
        "可以训练：{samples}，{tokens} 个受监督 token（占保留 token 的 {ratio}）。",
    ),
    "failed": Text("Fails.", "未通过。"),
    "assumed": Text(
        "Assumed: recipe {recipe} ({recipe_from}) — {title}; template {template} "
        "({template_from}); tokenizer {tokenizer} ({tokenizer_from}); budget {budget} "
        "({budget_from}); transformers {transformers} ({transformers_from}); "
        "datasets {datasets} ({datasets_from}).",
        "前提：配方 {recipe}（{recipe_from}）——{title}；模板 {template}（{template_from}）；"
        "tokenizer {tokenizer}（{tokenizer_from}）；预算 {budget}（{budget_from}）；"
        "transformers {transformers}（{transformers_from}）；datasets {datasets}（{datasets_from}）。",
    ),
    "no-budget": Text(
        "Nobody set the budget, and {trainer} has none that is known here: no row is cut. Set yours "
        "with --max-length N.",
        "没有设置预算，{trainer}也没有此处已知的默认值：不截断任何行。请用 --max-length N 设置。",
    ),
    "default-budget": Text(
        "Nobody set the budget: {budget} is the default of {trainer} ({means}). Set yours with "
        "--max-length N.",
        "没有设置预算：{budget} 是{trainer}的默认值（{means}）。请用 --max-length N 设置。",
    ),
    "inexact": Text(
        "≈: the tokenizer's control tokens or split had to be guessed, so counts may be off.",
        "≈：tokenizer 的控制标记或切分方式是推测的，计数可能有偏差。",
    ),
    "suppressed": Text(
        "Not counted: {row} ignored by their rows, {baseline} in the baseline.",
        "未计入：{row} 个由样本自身忽略，{baseline} 个在基线中。",
    ),
    "explain": Text(
        "`glmlint explain {rule}` tells more about a rule, with examples.",
        "`glmlint explain {rule}` 显示规则的详细说明与示例。",
    ),
    "summary": Text(
        "{samples}: {rows}; {tokens} tokens, "
        "{ratio} trainable; {truncated} truncated, {lost} of supervised tokens lost; {counts}",
        "{samples}：{rows}；{tokens} 个 token，"
        "可训练 {ratio}；{truncated} 个被截断，丢失受监督 token {lost}；{counts}",
    ),
    "and-dropped": Text(", {n} dropped by the trainer", "，{n} 个被训练框架丢弃"),
    "length-line": Text(
        "lengths: p50 {p50}, p90 {p90}, p95 {p95}, p99 {p99}, max {max}; budget {budget}",
        "长度：p50 {p50}，p90 {p90}，p95 {p95}，p99 {p99}，最长 {max}；预算 {budget}",
    ),
    "budget-line-plain": Text(
        "budgets: {parts} of supervised tokens", "预算与保留的受监督 token：{parts}"
    ),
    "packing": Text(
        "packing: {sequences} of at most {budget} tokens, {fill} full; an epoch takes {number} / "
        "(sequences per optimizer step) steps",
        "打包：{sequences}，每个不超过 {budget} 个 token，填充率 {fill}；每个 epoch 的步数 = {number} ÷ "
        "每个优化步的序列数",
    ),
    "packing-readable": Text(
        "packing, once the rows that stop the trainer are gone: {sequences} of at most {budget} "
        "tokens, {fill} full; an epoch takes {number} / (sequences per optimizer step) steps",
        "打包（去掉使训练终止的数据行之后）：{sequences}，每个不超过 {budget} 个 token，填充率 {fill}；"
        "每个 epoch 的步数 = {number} ÷ 每个优化步的序列数",
    ),
    # where the time went
    "profile": Text("Time by rule", "各规则耗时"),
    "profile-rows": Text("Rows", "行数"),
    "profile-all": Text("ms", "毫秒"),
    "profile-row": Text("µs/row", "微秒/行"),
    "profile-share": Text("Share", "占比"),
    "profile-findings": Text("Findings", "问题"),
    "profile-rules": Text("all rules", "所有规则"),
    "profile-read": Text("reading and decoding", "读取与解码"),
    "profile-lay-out": Text("laying out", "套用对话模板"),
    "profile-tokenize": Text("tokenizing", "分词"),
    "profile-shapes": Text("shapes of rows for the loader", "为加载器记录各行的形状"),
    "profile-hash": Text("hashes of rows to compare", "计算用于比较的行哈希"),
    "profile-rest": Text("counting, findings and the rest", "计数、生成问题及其他"),
    "profile-first-pass": Text("first of two passes", "第一遍检查（共两遍）"),
    "profile-total": Text("the whole check", "整个检查"),
    "profile-idle": Text(
        "{n} that are on were not called: no row had what they look at.",
        "另有 {n}已启用但未被调用：没有一行含有它们要看的内容。",
    ),
    "nothing-found": Text("no findings", "没有问题"),
    # the command line
    "json-left": Text(
        "{n:file} with the ending .json skipped: such a file is read only when it is named",
        "跳过 {n} 个 .json 文件：直接写出文件名才会读取",
    ),
    "ignored": Text(
        "{path} is ignored by git and was not read; --no-respect-gitignore reads it",
        "{path} 被 git 忽略，没有读取；加上 --no-respect-gitignore 会读取",
    ),
    "ignored-more": Text(
        "{path} and {n} more are ignored by git and were not read; --no-respect-gitignore reads them",
        "{path} 及另外 {n} 处数据被 git 忽略，没有读取；加上 --no-respect-gitignore 会读取",
    ),
    "all-excluded": Text(
        "nothing to check: {n:named file} excluded (exclude, extend-exclude, force-exclude)",
        "没有要检查的文件：写出的 {n} 个文件都被排除（exclude、extend-exclude、force-exclude）",
    ),
    "stdin-name-alone": Text(
        "--stdin-filename can't be combined with --fix, --diff or --add-ignores: standard input is "
        "not repaired",
        "--stdin-filename 不能与 --fix、--diff、--add-ignores 同时使用：标准输入无法修复",
    ),
    "is-input": Text(
        "{flag} {target}: this file is an input; name another one",
        "{flag} {target}：该文件是输入，请指定另一个文件",
    ),
    "unsafe-alone": Text(
        "--unsafe-fixes needs --fix or --diff", "--unsafe-fixes 须与 --fix 或 --diff 一起使用"
    ),
    "profile-diff": Text(
        "--profile-rules can't be combined with --diff, which checks nothing",
        "--profile-rules 不能与 --diff 同时使用：--diff 不做检查",
    ),
    "ignores-alone": Text(
        "--add-ignores can't be combined with --fix, --diff or --write-baseline",
        "--add-ignores 不能与 --fix、--diff、--write-baseline 同时使用",
    ),
    "stopped": Text(
        "interrupted; this is what was found so far", "已中断；以上是目前发现的内容"
    ),
    "interrupted-line": Text("interrupted", "已中断"),
    "reports-written": Text("written; {verdict}", "已写入；{verdict}"),
    "nothing-written": Text("interrupted; nothing was written", "已中断；没有写入任何内容"),
    "baseline-kept": Text(
        "not written: some files could not be read", "没有写入：有文件未能读取"
    ),
    "baseline-written": Text(
        "{n:finding} recorded; they no longer count", "已记录 {n} 个问题，今后不再计入"
    ),
    "ignores-added": Text(
        "{rules:finding} in {rows:row} now ignored", "新增忽略 {rows} 行中的 {rules} 个问题"
    ),
    "packed-none": Text(
        "--packed: {trainer} doesn't pack rows with these options",
        "--packed：{trainer} 在这些选项下不打包数据",
    ),
    "packed-alone": Text(
        "--packed can't be combined with --no-truncate or a line: the trainer packs all rows of the "
        "file, as its cut leaves them",
        "--packed 不能与 --no-truncate 或行号一起使用：训练框架打包的是文件中截断之后的全部数据行",
    ),
    "no-such-line": Text(
        "{path} has no sample at line {line}", "{path} 的第 {line} 行没有样本"
    ),
    "stdout-fault": Text(
        "standard output can't be written: {why}", "无法写入标准输出：{why}"
    ),
    "system-fault": Text("{why}", "{why}"),
    "stopped-by": Text("stopped by {name}", "已被 {name} 终止"),
    "usage-hint": Text(
        " (`{command} --help` lists what it takes)", "（`{command} --help` 会列出可用的参数）"
    ),
    "bug": Text(
        "this is a bug in glmlint: {error} (glmlint --debug … shows where)",
        "这是 glmlint 自身的错误：{error}（glmlint --debug … 会显示出错位置）",
    ),
}  # fmt: skip

ORIGINS: Final = {
    "default": Text("default", "默认"),
    "flag": Text("flag", "命令行参数"),
    "tokenizer": Text("came with the tokenizer", "随 tokenizer 提供"),
    "newest": Text("newest known", "已知最新版本"),
    "trainer": Text("newest that the trainer allows", "训练框架允许的最新版本"),
}
"""Where a setting came from; any other origin is a file's name."""


def say(key: str, lang: str, **values: object) -> str:
    """A fixed sentence in that language, its fields filled in."""
    return WORDS[key].say(lang, **values)


def budget_told(budget: int, lang: str) -> str:
    """A budget in tokens; where there is none, a word."""
    return say("no-limit", lang) if budget == NO_BUDGET else f"{budget:,}"


def counted(number: int, noun: str, lang: str) -> str:
    """ "1 error", "2 errors", "2 个错误"."""
    one, several = COUNTED[noun]
    return (one if number == 1 else several).say(lang, n=f"{number:,}")


def percent(share: float | None, digits: int = 1) -> str:
    """A share as text; "–" when there is none. Never "100%" or "0%" for what only comes near."""
    if share is None:
        return "–"
    if share in (0, 1):
        return f"{share:.0%}"
    text = f"{share * 100:.{digits}f}"
    least = 10.0**-digits
    if float(text) >= 100:
        return f"{100 - least:.{digits}f}%"
    return f"{text}%" if float(text) else f"<{least:g}%"
