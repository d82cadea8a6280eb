"""Every fixed word of the HTML pages, English and Chinese side by side."""

from __future__ import annotations

from typing import Final

from glmlint.evidence.kinds import GROUPS, KINDS
from glmlint.reporters.words import FAMILY, SEVERITY, WORDS
from glmlint.text import Text

PAGE: Final = {
    # the frame
    "skip": Text("Skip to findings", "跳到问题列表"),
    "sections": Text("Sections", "章节"),
    "theme": Text("Colours: {now}", "配色：{now}"),
    "theme-auto": Text("as the system", "跟随系统"),
    "theme-light": Text("light", "浅色"),
    "theme-dark": Text("dark", "深色"),
    "no-script": Text(
        "Findings, the histogram and token views need JavaScript; nothing is loaded from a network.",
        "问题列表、直方图和 token 视图需要 JavaScript；页面不会访问网络。",
    ),
    "made-by": Text(
        "Written by glmlint {version}. This file is complete: it loads nothing from a network.",
        "由 glmlint {version} 生成。本文件自成一体，不会访问网络。",
    ),
    # the verdict
    "passes": Text("Passes", "通过"),
    "fails": Text("Fails", "未通过"),
    "incomplete-short": Text("Incomplete", "不完整"),
    "interrupted-short": Text("Interrupted", "已中断"),
    "more-paths": Text("{first} and {n} more", "{first} 等 {n} 个文件"),
    "no-files": Text("no files", "没有文件"),
    # the sections
    "overview": Text("Overview", "概览"),
    "lengths-budget": Text("Lengths and budget", "长度与预算"),
    "trained": Text("What is trained", "训练内容"),
    "findings": Text("Findings", "问题"),
    "rules": Text("Rules", "规则"),
    "assumed-head": Text("What was assumed", "前提"),
    "not-read-head": Text("Not read", "未能读取"),
    # totals
    "clean": Text("Clean", "正常"),
    "with-findings": Text("With findings", "有问题"),
    "stopping-head": Text("Stop the trainer", "使训练中止"),
    "dropped-head": Text("Dropped", "被丢弃"),
    "trainable-hint": Text("of kept tokens are supervised", "占保留 token 的比例"),
    "lost-hint": Text("of supervised tokens, past the budget", "占受监督 token 的比例，超出预算"),
    "lost-none": Text("the budget cuts nothing", "预算没有截断任何内容"),
    "truncated-hint": Text("longer than the budget", "超出预算的样本"),
    "supervised-hint": Text("{n} supervised", "{n} 个受监督"),
    "no-rows-left": Text("… and {n} more files, in the total", "……另有 {n} 个文件，已计入合计"),
    # lengths and the budget
    "budget-label": Text("Budget (--max-length)", "预算（--max-length）"),
    "budget-handle": Text("Budget in tokens", "预算（token）"),
    "budget-value": Text(
        "{budget} tokens: keeps {share} of supervised tokens, {cut} samples cut",
        "{budget} 个 token：保留 {share} 的受监督 token，截断 {cut} 个样本",
    ),
    "budget-help": Text(
        "Drag the line, use the arrow keys on it, or type a number.",
        "拖动竖线、用方向键移动，或输入数字。",
    ),
    "exact": Text(
        "Counted, not estimated: each number is what `glmlint check --max-length` reports.",
        "以下是实际计数，不是估计：与 `glmlint check --max-length` 报告的数字一致。",
    ),
    "at-points": Text(
        "Counted at these budgets: what {trainer} keeps of a longer row is not simply its first "
        "tokens, so the line stops at budgets that were counted.",
        "只在这些预算处计数：{trainer}对超长样本并非只保留开头，因此竖线只停在已计数的预算上。",
    ),
    "at-points-size": Text(
        "Counted at these budgets: the exact curve of so many lengths is too large for this page.",
        "只在这些预算处计数：长度种类太多，完整曲线放不进本页面。",
    ),
    "kept-share": Text("Supervised tokens kept", "保留的受监督 token"),
    "of": Text("{n} of {all}", "{n} / {all}"),
    "part-of": Text("{n} of {all}", "占 {all} 的 {n}"),
    "samples-cut": Text("Samples cut", "截断样本"),
    "tokens-lost": Text("Supervised tokens lost", "丢失的受监督 token"),
    "suggested": Text("Smallest budget that keeps", "保留以下份额的最小预算"),
    "this-run-is": Text("this run: {budget}", "本次：{budget}"),
    "histogram-label": Text(
        "Histogram: samples by length in tokens, from {low} to {high}",
        "直方图：按 token 长度统计样本数，从 {low} 到 {high}",
    ),
    "bar": Text("{low}–{high} tokens: {n}", "{low}–{high} 个 token：{n} 个"),
    "fits": Text("fits", "放得下"),
    "over": Text("is cut", "被截断"),
    "no-budget-cut": Text(
        "{trainer} cuts nothing at any budget.", "无论预算多少，{trainer}都不截断。"
    ),
    "no-lengths": Text("No sample could be read, so there are no lengths.", "没有可读的样本，因此没有长度。"),
    # by kind
    "kind": Text("Kind", "类别"),
    "group-prompt": Text("prompt", "提示词"),
    "group-header": Text("header", "角色头"),
    "group-thought": Text("thought", "思考内容"),
    "group-call": Text("call", "调用"),
    "group-text": Text("text", "文本"),
    "group-stop": Text("stop", "停止符"),
    "says-prompt": Text("system, tools, users, results", "系统、工具、用户、工具结果"),
    "says-header": Text("role and what belongs to it", "角色标记及其附带内容"),
    "says-thought": Text("between <think> and </think>", "<think> 与 </think> 之间"),
    "says-call": Text("name and arguments of a tool call", "工具调用的名称与参数"),
    "says-text": Text("what the answers say", "回答正文"),
    "says-stop": Text("the token that ends an answer", "结束回答的标记"),
    "trained-tokens": Text("Trained", "参与训练"),
    "share": Text("Share", "占比"),
    "lost-by-cut": Text("Lost to the budget", "因预算丢失"),
    "nothing-trained": Text("No token is supervised within the budget.", "预算之内没有受监督的 token。"),
    "kinds-label": Text("Supervised tokens by kind", "按类别统计的受监督 token"),
    # findings
    "search": Text("Search", "搜索"),
    "search-hint": Text("message, place, excerpt …", "消息、位置、摘录……"),
    "filters": Text("Filters", "筛选"),
    "all": Text("all", "全部"),
    "family": Text("Family", "规则族"),
    "fixable-head": Text("Fix", "修复"),
    "fix-yes": Text("fixable", "可修复"),
    "fix-no": Text("not fixable", "不可修复"),
    "sort": Text("Sort by", "排序"),
    "sort-severity": Text("severity", "级别"),
    "sort-place": Text("place", "位置"),
    "sort-rule": Text("rule", "规则"),
    "sort-rows": Text("rows", "行数"),
    "reset": Text("Reset", "重置"),
    "shown": Text("{n} of {all}", "{n} / {all}"),
    "more": Text("Show {n} more", "再显示 {n} 个"),
    "none-match": Text("No finding matches.", "没有匹配的问题。"),
    "none": Text("No findings.", "没有问题。"),
    "left-out": Text(
        "{n} more findings are counted and not listed here; `--format json` lists them all.",
        "另有 {n} 个问题已计数但未在此列出；`--format json` 会列出全部。",
    ),
    "keys": Text(
        "Keys: / search · j k next, previous · Enter open · Esc close",
        "快捷键：/ 搜索 · j k 上下移动 · Enter 展开 · Esc 收起",
    ),
    "about-rule": Text("About {rule}", "关于 {rule}"),
    "link": Text("Link to this finding", "此问题的链接"),
    "row-count": Text("{n} rows", "{n} 行"),
    "advice": Text("What to do", "处理建议"),
    "excerpt": Text("In the data", "数据原文"),
    "tokens-of": Text("Tokens of the row at line {line}", "第 {line} 行的 token"),
    "token-counts": Text(
        "{n} tokens, {s} supervised, {x} of them lost", "{n} 个 token，{s} 个受监督，其中丢失 {x} 个"
    ),
    "gap": Text("… {n} tokens left out …", "……省略 {n} 个 token……"),
    "no-view": Text(
        "No token view: to keep this page small, only some rows have one. "
        "`glmlint show {place}` shows this one.",
        "没有 token 视图：为控制页面大小，只有部分行带有视图。可用 `glmlint show {place}` 查看。",
    ),
    "no-view-input": Text(
        "No token view: the input was read once and can't be read again.",
        "没有 token 视图：输入只能读取一次，无法再次读取。",
    ),
    "token": Text("Token {place} of {all}: {text}", "第 {place} / {all} 个 token：{text}"),
    "token-id": Text("id {id}", "id {id}"),
    "token-teaches": Text("teaches {text}", "训练为 {text}"),
    "token-help": Text(
        "Arrow keys move from token to token.", "用方向键在 token 之间移动。"
    ),
    "hidden-token": Text("hidden", "已隐藏"),
    # rules
    "rules-note": Text(
        "The rules that found something here. `glmlint explain RULE` adds examples.",
        "本次报告了问题的规则。`glmlint explain RULE` 还会给出示例。",
    ),
    # comparison
    "compare-head": Text("{a} and {b}", "{a} 与 {b}"),
    "trains-what": Text("What each trains", "各自训练什么"),
    "pairs-head": Text("In both, in one alone", "共同与独有"),
    "pair": Text("Pair", "对比双方"),
    "pair-both": Text("Trained by both", "双方都训练"),
    "pair-first": Text("By the first alone", "仅前者训练"),
    "pair-second": Text("By the second alone", "仅后者训练"),
    "pair-rows": Text("Rows that differ", "不同的行"),
    "first-rows": Text("First rows that differ", "最先不同的行"),
    "no-difference": Text("Every row comes out the same.", "每一行的结果都相同。"),
    "no-rows-shown": Text(
        "`--rows N` shows the first N of them.", "用 `--rows N` 显示其中前 N 行。"
    ),
    "against": Text("Right side", "右侧"),
    "both-train": Text("trained by both", "双方都训练"),
    "only-here": Text("trained here alone", "仅此方训练"),
    "not-trained": Text("not trained", "不训练"),
    "only-input": Text("only in this input", "仅在此输入中"),
    "row-left-out": Text("No tokens: {why}", "没有 token：{why}"),
    "aligned-part": Text(
        "The first {n} tokens of each side are shown.", "各方只显示前 {n} 个 token。"
    ),
    "budget-short": Text("Budget", "预算"),
    "errors-head": Text("Exceptions", "抛出异常"),
    "converted-head": Text("Handed over in another form", "转换格式后读取"),
}  # fmt: skip

KIND: Final = {
    "prefix": Text("prefix", "前缀"),
    "system": Text("system", "系统"),
    "tools": Text("tools", "工具"),
    "user": Text("user", "用户"),
    "result": Text("tool result", "工具结果"),
    "header": Text("header", "角色头"),
    "empty-thought": Text("the template's own thought", "模板自带的空思考"),
    "thought": Text("thought", "思考内容"),
    "call": Text("call", "调用"),
    "call-end": Text("end of a call", "调用的结束标签"),
    "text": Text("answer", "回答"),
    "stop": Text("stop", "停止符"),
    "call-stop": Text("stop after a call", "调用后的停止符"),
    "end": Text("last stop", "末尾停止符"),
}

_OF_REPORTS: Final = (
    "supervised", "masked", "lost-token", "cut", "prefix", "budget-line", "no-limit",
    "stop-note", "other-label-note", "rule", "severity", "file",
)  # fmt: skip
"""Words of the other reports that a script needs."""


def page_words(lang: str) -> dict[str, str]:
    """All fixed words that a script may need, in one language."""
    found = {key: text.plain(lang) for key, text in PAGE.items()}
    found |= {key: WORDS[key].plain(lang) for key in _OF_REPORTS}
    found |= {f"severity-{name}": text.plain(lang) for name, text in SEVERITY.items()}
    found |= {f"family-{name}": text.plain(lang) for name, text in FAMILY.items()}
    return found


def kind_words(lang: str) -> list[str]:
    """The kinds of tokens, in the order of `KINDS`."""
    return [KIND[name].plain(lang) for name in KINDS]


def tell(key: str, lang: str, **values: object) -> str:
    """A fixed sentence of the pages in that language."""
    return PAGE[key].say(lang, **values)


assert set(KIND) == set(KINDS) and all(f"group-{name}" in PAGE for name in GROUPS)
