"""What results say beside the reporters' own words, in both languages."""

from __future__ import annotations

from typing import Final

from glmlint.text import Text

WORDS: Final = {
    "clean": Text("Clean", "无问题"),
    "more": Text("and {n} more", "另有 {n} 处"),
    "converted": Text(
        "{converted} of {rows} rows converted to {to} so far",
        "目前 {rows} 行中有 {converted} 行已转换为 {to}",
    ),
    "refused": Text("not converted", "未转换"),
    "kind": Text("kind", "类别"),
    "times": Text("times", "次数"),
    "rows": Text("rows", "行数"),
    "row": Text("row", "行"),
    "first": Text("first", "首次出现"),
    "what": Text("what was lost or guessed", "丢失或推测的内容"),
    "map-and-from": Text(
        "map says what the columns hold: leave from_ out beside it",
        "map 已说明各列的内容：请不要同时使用 from_",
    ),
    "unknown-near": Text(
        "{keyword}: unknown format {name}; did you mean {near}?",
        "{keyword}：未知的格式 {name}；是否应为 {near}？",
    ),
    "unknown": Text(
        "{keyword}: unknown format {name}; known are {known}",
        "{keyword}：未知的格式 {name}；可用的有 {known}",
    ),
    "batch-summary": Text(
        "{rows:row}, {sequences:sequence}: {tokens:token} and {padding:,} of padding; "
        "{supervised:,} of them trained ({ratio})",
        "{rows:,} 行，{sequences:,} 个序列：{tokens:,} 个 token，另有填充 {padding:,} 个；"
        "其中 {supervised:,} 个参与训练（{ratio}）",
    ),
    "batch-tokens": Text("tokens", "token"),
    "batch-trained": Text("trained", "训练"),
    "batch-share": Text("share", "占比"),
    "batch-first": Text("first span", "第一段"),
    "batch-last": Text("last span", "最后一段"),
    "batch-stops": Text("stop", "停止符"),
    "batch-nothing": Text(
        "nothing in this batch is trained: every label is -100",
        "这个批次没有任何 token 参与训练：所有标签都是 -100",
    ),
    "batch-untrained": Text(
        "nothing is trained in {n} of the sequences (row {rows}): every label is -100",
        "有 {n} 个序列（第 {rows} 行）没有任何 token 参与训练：所有标签都是 -100",
    ),
    "batch-padding": Text(
        "{n} labels are on padding: the model learns to write padding",
        "有 {n} 个标签落在填充上：模型会学着输出填充",
    ),
    "batch-shifted": Text(
        "each label is the id of the next token: the labels are already shifted, and the model "
        "shifts them again",
        "每个标签都是下一个 token 的 id：标签已经移位过一次，模型还会再移位一次",
    ),
    "batch-low": Text(
        "{share} of the tokens are trained, less than {bound}",
        "只有 {share} 的 token 参与训练，低于 {bound}",
    ),
    "batch-high": Text(
        "{share} of the tokens are trained, more than {bound}: is the prompt in the loss?",
        "有 {share} 的 token 参与训练，高于 {bound}：提示是否也算进了损失？",
    ),
    "batch-stop": Text(
        "no stop token is trained after the last answer of {n} of the sequences (row {rows}): it is "
        "cut off, or the collator leaves it out; the model does not learn to stop there",
        "有 {n} 个序列（第 {rows} 行）的最后一个回答没有训练停止符：被截断，或被 collator 漏掉；"
        "模型学不会在那里停止",
    ),
    "batch-stop-masked": Text(
        "the stop token after the last answer of {n} of the sequences (row {rows}) has the label "
        "-100: the model does not learn to stop there",
        "有 {n} 个序列（第 {rows} 行）最后一个回答后的停止符标签为 -100：模型学不会在那里停止",
    ),
    "batch-early": Text(
        "the first token of {n} of the sequences (row {rows}) has a label: it is lost to the shift, "
        "or in a packed row it is predicted from the previous sequence",
        "有 {n} 个序列（第 {rows} 行）的第一个 token 带有标签：移位后它不参与训练，"
        "在打包的行中则会从前一个序列学到它",
    ),
    "batch-other": Text(
        "{n} labels differ from the ids of their tokens: another token is taught there",
        "有 {n} 个标签与该处 token 的 id 不同：那里训练的是另一个 token",
    ),
    "batch-matches": Text(
        "every sequence matches what glmlint encode gives for its row",
        "每个序列都与 glmlint encode 对相应行的结果一致",
    ),
    "batch-no-row": Text(
        "row {row} matches none of the expected rows",
        "第 {row} 行不是预期数据中的任何一行",
    ),
    "batch-differs-ids": Text(
        "row {row} differs from {place} at token {token}: the id is {here}, expected {expected}",
        "第 {row} 行在第 {token} 个 token 处与 {place} 不同：id 为 {here}，预期为 {expected}",
    ),
    "batch-differs-labels": Text(
        "row {row} differs from {place} at token {token}: the label is {here}, expected {expected}",
        "第 {row} 行在第 {token} 个 token 处与 {place} 不同：标签为 {here}，预期为 {expected}",
    ),
    "batch-end": Text("none (the end)", "无（已到结尾）"),
    "batch-tokenizer": Text(
        "a tokenizer is a name, a path or an object with decode, not {kind}",
        "tokenizer 应为名称、路径或带 decode 方法的对象，而不是 {kind}",
    ),
    "batch-kind": Text(
        "a batch is a dict with input_ids and labels, not {kind}: pass what the collator returns",
        "批次应为含 input_ids 和 labels 的 dict，而不是 {kind}：请传入 collator 的输出",
    ),
    "batch-without": Text(
        "the batch has no {key}; its keys are {keys}", "批次中没有 {key}；它的键有 {keys}"
    ),
    "batch-shape": Text(
        "{key} must hold whole numbers, as (rows, tokens) or as lists of rows",
        "{key} 应为整数，形状为（行，token）或由行组成的列表",
    ),
    "batch-lengths": Text(
        "row {row} has {ids} ids and {labels} labels",
        "第 {row} 行有 {ids} 个 id、{labels} 个标签",
    ),
    "batch-rows": Text(
        "the batch has {ids} rows of ids and {labels} rows of labels",
        "批次有 {ids} 行 id、{labels} 行标签",
    ),
}


def word(key: str, lang: str, /, **values: object) -> str:
    """A word or sentence in that language, its fields filled in."""
    return WORDS[key].say(lang, **values)
