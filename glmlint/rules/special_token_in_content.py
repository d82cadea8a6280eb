"""The text of a control token in a message.

A Hugging Face tokenizer splits the whole rendered prompt at control tokens and can't tell those of
the template from those that somebody typed. `<|user|>` inside an answer becomes the real role
token: the model learns that the user's turn begins there; with `combine: true` a quoted
`<|assistant|>` moves the mask. Other control tokens (`[MASK]`, `<sop>`) become single ids that
otherwise never occur inside text. The tokenizer of June 2024 leaves all of them as text.

Control tokens of other models (`</s>`, `<|im_end|>`, `<eos>`) are plain text for this tokenizer,
and so is `<unk>` or `[PAD]`, which another tokenizer leaves in a text that it encoded and decoded.
In an answer the model learns to write them, letter by letter. It is reported once per file and
token; code and answers to questions about tokens are ignored.

Evidence: recipes.md, section 0.4; none of six comparable validators reports it. `<UNK>` in decoded
answers is in published translations and in everything made of WikiText.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

from glmlint.evidence.calls import taught
from glmlint.evidence.marks import part_beside_code, tokens_of_others
from glmlint.evidence.teaching import prints_tools
from glmlint.finding import Pointer, place, value_at
from glmlint.rules.base import Edit, Example, Fact, Problem, Row, Rule, Text, key_of, part_of
from glmlint.trainer.tokenizer import Tokenizer

TURN_TOKENS = frozenset(
    ("<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>")
)
"""Those that begin a role or end a turn."""

rule = Rule(
    name="special-token-in-content",
    family="mask",
    title_zh="消息正文里写有控制标记的文本",
    doc_zh="""
    Hugging Face 分词器按控制标记切分整个渲染后的提示词，无法区分哪些来自模板、哪些是别人写进文本
    的。回答里的 `<|user|>` 会变成真正的角色标记：模型会以为用户的轮次从那里开始；在 `combine: true`
    下，引用的 `<|assistant|>` 会使掩码移位。其他控制标记（`[MASK]`、`<sop>`）会变成单个 id，而这些
    id 本不会出现在文本里。2024 年 6 月的分词器把它们全部当作文本。

    其他模型的控制标记（`</s>`、`<|im_end|>`、`<eos>`）对本分词器来说是普通文本；`<unk>` 和 `[PAD]`
    也是如此，它们是文本经其他分词器编码再解码后留下的。出现在回答里时，模型会学着逐字写出它们。每个
    文件、每种标记只报告一次；代码，以及对有关标记的问题的回答，都不检查。

    依据：recipes.md 第 0.4 节；六个同类校验工具都不报告这种情况。解码后的回答里带有 `<UNK>` 的现
    象，见于已发布的翻译数据和所有由 WikiText 制作的数据。
    """,
    severity="error",
    when=Fact.CONTROL | Fact.MARKS,
    fix="unsafe",
    text=Text(
        "{place} contains {tokens}, which becomes a control token: the turn ends there",
        "{place} 中含有 {tokens}：分词器会把它变成真正的角色标记或结束符，这一轮在文本中途就结束了",
    ),
    variants={
        "call": Text(
            "{place} writes a call with the template's own tags: it is trained as a call",
            "{place} 直接用模板的标签写了工具调用：会按工具调用参与训练",
        ),
        "other": Text(
            "{place} contains {tokens}: tokenized as a real control token, which never occurs "
            "inside text",
            "{place} 中含有 {tokens}：分词器会把它变成真正的控制标记，而这种标记本不会出现在文本里",
        ),
        "raises": Text(
            "{place} contains {tokens}: once the trainer can read this row, it becomes a real "
            "control token",
            "{place} 中含有 {tokens}：等训练框架能读这一行时，它会变成真正的控制标记",
        ),
        "text": Text(
            "{place} contains {tokens}: plain text under this recipe, a real control token with "
            "newer tokenizers",
            "{place} 中含有 {tokens}：在此配方下仍是普通文本，但较新的分词器会把它变成真正的控制标"
            "记",
        ),
        "foreign": Text(
            "{place} contains {tokens}, another model's control token, which is plain text here "
            "({rows:row}): the model learns to write it",
            "{place} 中含有 {tokens}，这是其他模型的控制标记，在这里只是普通文本（共 {rows} 行）："
            "模型会学着把它写进回答",
        ),
        "lost": Text(
            "{place} contains {tokens}, left by another tokenizer ({rows:row}): the model learns "
            "to write it",
            "{place} 中含有 {tokens}，这是其他分词器留下的占位标记（共 {rows} 行）：模型会学着把它"
            "写进回答",
        ),
    },
    help=Text(
        "Break it up (`< |user|>`; `--unsafe-fixes` does it), or remove it.",
        "把它拆开（例如 `< |user|>`，--unsafe-fixes 会这样做），或删掉。",
    ),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "What does <|user|> mean?"},
                {"role": "assistant", "content": "It begins the user's turn."},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "你好"},
                {"role": "assistant", "content": "你好！<|endoftext|>"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "补全：今天天气很[MASK]。"},
                {"role": "assistant", "content": "好"},
            ]
        },
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "What is <sop>?"},
                        {"role": "assistant", "content": "A token of GLM."},
                    ]
                },
            ),
            plan={"recipe": "glm4-2024-06"},
        ),
        {
            "messages": [
                {"role": "user", "content": "What is the capital of Peru?"},
                {"role": "assistant", "content": "It is <UNK>.</s>"},
            ]
        },
    ),
    good=(
        {
            "messages": [
                {"role": "user", "content": "What does < |user|> mean?"},
                {"role": "assistant", "content": "Nothing: <|im_end|> and <|eot|> are text too."},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "标记 <user> 是什么？"},
                {"role": "assistant", "content": "只是文本，[mask] 也是。"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "How do I cross a word out in HTML?"},
                {"role": "assistant", "content": "With <s>…</s>: <s>old</s> new."},
            ]
        },
    ),
)

_DROPPED: Final = Text(
    "Remove it, and find what wrote it: text decoded without skipping special tokens, or rows "
    "formatted for another model.",
    "请删掉它，并查找来源：解码时没有跳过特殊标记，或者数据是为其他模型排好版的。",
)


def check(row: Row) -> Iterator[Problem]:
    if row.facts & (Fact.CONTROL | Fact.ODD):
        yield from _control(row)
    if row.facts & (Fact.MARKS | Fact.ODD):
        yield from _foreign(row)


def _foreign(row: Row) -> Iterator[Problem]:
    asked = ""
    for index, role, text in row.texts:
        if role != "assistant":
            asked = text if role == "user" else asked
        elif taught(row, index):
            for kind, group, token in tokens_of_others(text, asked, row.context):
                yield rule.problem(
                    row.at(index, "content"), text=kind, severity="warning",
                    once=f"{kind}:{group}", help=_DROPPED,
                    place=row.where(index), tokens=f"`{token}`",
                    part=part_beside_code(row, index, token),
                )  # fmt: skip


_THOUGHT: Final = frozenset(("<think>", "</think>"))


_CALL_MARKS: Final = frozenset(
    ("<tool_call>", "</tool_call>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>")
)

_AS_CALL: Final = Text(
    "Write it under `tool_calls`, with the arguments as an object, so that it is checked as a "
    "call.",
    "请改写在 `tool_calls` 下，参数写成对象，这样才能按工具调用检查。",
)

_SWITCH: Final = "/nothink"


def _switches(row: Row, pointer: Pointer, text: str) -> bool:
    """Whether the text ends a question with the switch that the template itself writes there."""
    if text.count(_SWITCH) > 1 or not text.rstrip().endswith(_SWITCH):
        return False
    asked = any(role == "user" and row.at(i, "content") == pointer for i, role, _ in row.texts)
    return asked and _SWITCH in row.context.template.source


def _control(row: Row) -> Iterator[Problem]:
    tokenizer = row.context.tokenizer
    typed = row.context.trainer.typed_control_tokens
    # Reasoning in an answer has such tags on purpose; `orphan-think-tag` checks them.
    thinking = {row.at(index, "content") for index, role, _ in row.texts if role == "assistant"}
    for pointer, text, is_key in _texts(row):
        tokens = list(dict.fromkeys(token for _, token in tokenizer.find_control(text)))
        if set(tokens) >= _THOUGHT and pointer in thinking:
            tokens = [token for token in tokens if token not in _THOUGHT]
        if pointer in thinking and _CALL_MARKS.issuperset(tokens) and tokens:
            source = row.context.template.source
            if all(token in source for token in tokens):
                yield rule.problem(
                    pointer, text="call", severity="info", help=_AS_CALL, place=place(pointer),
                    part=part_of(row, pointer, tokens[0]),
                )  # fmt: skip
                continue
        if _SWITCH in tokens and _switches(row, pointer, text):
            tokens.remove(_SWITCH)
        if not tokens:
            continue
        if not typed:
            variant, severity = "text", "info"
        elif row.layout is None:
            variant, severity = "raises", "warning"
        elif TURN_TOKENS.isdisjoint(tokens):
            variant, severity = "other", "warning"
        else:
            variant, severity = "", "error"
        broken = None if is_key or not typed else break_up(text, tokenizer)
        if row.conversation is not None and value_at(row.value, pointer) != text:
            broken = None  # the text is a part of what stands there
        yield rule.problem(
            pointer,
            text=variant or None,
            severity=severity,
            edits=() if broken is None else (Edit("replace", pointer, broken),),
            part=key_of(row, pointer) if is_key else part_of(row, pointer, tokens[0]),
            place=place(pointer),
            tokens=", ".join(f"`{token}`" for token in tokens),
        )


def break_up(text: str, tokenizer: Tokenizer) -> str | None:
    """The text with a space after the first character of each control token.

    None when that leaves a control token in it.
    """
    cuts = [0, *(at + 1 for at, _ in tokenizer.find_control(text)), len(text)]
    broken = " ".join(text[start:stop] for start, stop in pairwise(cuts))
    return None if tokenizer.find_control(broken) else broken


def _texts(row: Row) -> Iterator[tuple[Pointer, str, bool]]:
    """The texts of a row that are printed: (place, text, whether it is an object's key)."""
    if row.conversation is not None:
        for turn in row.conversation.turns:
            if turn.text:
                yield turn.text_at or turn.at, turn.text, False
        return
    for index, message in row.good_messages:
        at: Pointer = row.at(index)
        if content := message.get("content"):
            if isinstance(metadata := message.get("metadata"), str):
                yield (*at, "metadata"), metadata, False
            yield from _strings(content, (*at, "content"))
        tools = message.get("tools")
        if isinstance(tools, list) and prints_tools(row, index):
            for number, tool in enumerate(tools):
                if isinstance(tool, dict) and tool.get("type") == "function":
                    yield from _strings(tool.get("function"), (*at, "tools", number, "function"))


def _strings(value: Any, at: Pointer) -> Iterator[tuple[Pointer, str, bool]]:
    if isinstance(value, str):
        yield at, value, False
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _strings(item, (*at, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield (*at, key), key, True
            yield from _strings(item, (*at, key))
