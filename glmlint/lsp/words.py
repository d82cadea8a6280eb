"""What the server says beside the findings, in both languages."""

from __future__ import annotations

from typing import Final

from glmlint.text import Text

WORDS: Final = {
    "fix": Text("Fix {rule}", "修复 {rule}"),
    "fix-unsafe": Text("Fix {rule} (unsafe)", "修复 {rule}（不安全）"),
    "fix-row": Text("Fix all that is safe in this row", "修复这一行中所有可安全修复的问题"),
    "fix-file": Text("Fix all that is safe in this file", "修复文件中所有可安全修复的问题"),
    "fix-rule": Text("Fix every {rule} in this file", "修复文件中所有的 {rule}"),
    "fix-rule-unsafe": Text(
        "Fix every {rule} in this file (unsafe)", "修复文件中所有的 {rule}（不安全）"
    ),
    "ignore": Text("Ignore {rule} in this row", "在这一行忽略 {rule}"),
    "explain": Text("Explain {rule}", "查看 {rule} 的说明"),
    "tokens": Text("Show the tokens of this row", "查看这一行的 token"),
    "message": Text("{tokens:token}, {supervised} supervised", "共 {tokens} 个 token，受监督 {supervised} 个"),
    "message-lost": Text(", {lost} of them lost", "，其中丢失 {lost} 个"),
    "message-masked": Text("{tokens:token}, all masked", "共 {tokens} 个 token，全部不受监督"),
    "not-supervised": Text("Not supervised: ", "不受监督的："),
    "row": Text(
        "Row: {tokens:token} of {budget}, {supervised} supervised, {lost} lost",
        "整行：{tokens} 个 token，长度预算 {budget}，受监督 {supervised} 个，丢失 {lost} 个",
    ),
    "row-no-budget": Text(
        "Row: {tokens:token}, {supervised} supervised, {lost} lost",
        "整行：{tokens} 个 token，受监督 {supervised} 个，丢失 {lost} 个",
    ),
    "raises": Text("The trainer raises: {error}", "训练脚本抛出异常：{error}"),
    "dropped": Text("The trainer drops this row: {reason}", "训练框架会丢弃这一行：{reason}"),
    "more": Text(
        "{path}: {shown:finding} shown, {left:,} more are not", "{path}：显示了 {shown:,} 个问题，另有 {left:,} 个未显示"
    ),
    "large": Text(
        "{path}: over {size:,} characters; checked when it is opened and saved, not while you type",
        "{path}：超过 {size:,} 个字符，仅在打开和保存时检查，编辑时不检查",
    ),
    "settings": Text("glmlint: {why}", "glmlint：{why}"),
    "not-checked": Text("{path}: not checked: {why}", "{path}：未检查：{why}"),
    "fault": Text("error in glmlint itself: {error}", "glmlint 内部错误：{error}"),
    "fault-of": Text(
        "{path}: error in glmlint itself: {error}", "{path}：glmlint 内部错误：{error}"
    ),
    "waits": Text(
        "waiting for an editor on standard input (docs/editors.md says how each one starts it)",
        "正在等待编辑器通过标准输入连接（各编辑器的启动方式见 docs/editors.md）",
    ),
    "without-pygls": Text("glmlint lsp needs pygls: {how}", "glmlint lsp 需要 pygls：{how}"),
    "changed": Text("the document has changed in the meantime", "文档在此期间已被修改"),
    "not-open": Text("{uri}: no open document with rows", "{uri}：没有打开的数据文档"),
    "no-row": Text("no row stands at line {line}", "第 {line} 行没有样本"),
    "no-rule": Text("no rule has the name {rule}", "没有名为 {rule} 的规则"),
    "options": Text("the settings of the editor", "编辑器中的配置"),
    "no-object": Text("the settings of the editor are no object", "编辑器中的配置不是对象"),
    "reported": Text("Reported", "会报告"),
    "fix-safe": Text("fix: safe", "可安全修复"),
    "fix-not-safe": Text("fix: unsafe", "可修复（不安全）"),
    "help": Text("What to do: ", "处理方法："),
}  # fmt: skip


def say(key: str, lang: str, **values: object) -> str:
    """A word or sentence, filled in."""
    return WORDS[key].say(lang, **values)
