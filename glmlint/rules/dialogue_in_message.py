"""A whole dialogue as the text of one message.

Rows of other projects are one string each, with the speakers written into it: `Human:` and
`Assistant:`, `<user>:` and `<bot>:`, `[Round 1] 问：`, `### Instruction:`, `<|im_start|>user`. Put
into `messages` as it is, such a string is one turn. In a user message the answers in it are part
of the question: none of them is learned, and no server asks the model in this form. In an answer,
the model learns to write the user's next turn by itself. Reported once per file and kind, with the
number of rows. Questions about a dialogue, requested scripts, and lists of questions and answers
are left alone.

Evidence: Huatuo-Llama-Med-Chinese keeps its rounds as `<user>:` and `<bot>:` in one text;
ChatGLM2's `[Round 1]` prompts; Alpaca's and Vicuna's prompt formats in rows of converted files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from glmlint.evidence.calls import taught
from glmlint.evidence.marks import own, part_beside_code, without_code
from glmlint.patterns import Pattern
from glmlint.rules.base import Fact, Problem, Row, Rule, Text, stretch_of

rule = Rule(
    name="dialogue-in-message",
    family="content",
    title_zh="一条消息里写了整段多轮对话",
    doc_zh="""
    有些项目的数据每行只是一个字符串，说话人写在文字里：`Human:` 和 `Assistant:`、`<user>:` 和
    `<bot>:`、`[Round 1] 问：`、`### Instruction:`、`<|im_start|>user`。原样放进 `messages`，
    这样的字符串就只算一轮。写在 user 消息里，其中的回答成了问题的一部分：一个也学不到，而且实
    际服务从不会这样提问。写在回答里，模型会学着自己写出用户的下一句话。每个文件、每种情况只报
    告一次，并给出行数。关于对话的提问、用户要求写的剧本、问答列表不报告。

    依据：Huatuo-Llama-Med-Chinese 把各轮以 `<user>:` 和 `<bot>:` 写在一段文本里；ChatGLM2 的
    `[Round 1]` 提示词；转换后的文件中 Alpaca 和 Vicuna 的提示词格式。
    """,
    severity="warning",
    when=Fact.MARKS,
    text=Text(
        "{where} has a dialogue in its text (“{asks}”, “{answers}”, {rows:row}): it is trained as one "
        "user turn, and the answers in it are not learned",
        "{where} 把多轮对话写成了一段文本（“{asks}”“{answers}”，共 {rows} 行）："
        "训练时它只是一条 user 消息，其中的回答不会被学习",
    ),
    variants={
        "trained": Text(
            "{where} has a dialogue in its text (“{asks}”, “{answers}”, {rows:row}): it is trained as "
            "one turn, the user's words included",
            "{where} 把多轮对话写成了一段文本（“{asks}”“{answers}”，共 {rows} 行）："
            "它会作为一条消息训练，连用户的话也在内",
        ),
        "format": Text(
            "{where} is in another model's prompt format (“{asks}”, “{answers}”, {rows:row}): the template "
            "adds its own role tokens, and the model learns to answer questions in this format",
            "{where} 用了其他模型的提示词格式（“{asks}”“{answers}”，共 {rows} 行）："
            "模板还会加上自己的角色标记，模型学到的是回答这种格式的提问",
        ),
        "answer": Text(
            "{where} goes on with a user turn (“{asks}”, {rows:row}): the model learns to write the "
            "user's words instead of stopping",
            "{where} 在回答中接着写了用户的发言（“{asks}”，共 {rows} 行）："
            "模型会学着替用户说话，而不是停下",
        ),
    },
    help=Text(
        "Split it into one message a turn, with the roles user and assistant.",
        "按轮次拆成多条消息，role 分别为 user 和 assistant。",
    ),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "Human: Hi\nAssistant: Hello\nHuman: What time is it?"},
                {"role": "assistant", "content": "I cannot see a clock."},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "[Round 1]\n\n问：你好\n\n答：你好！\n\n[Round 2]\n\n问：再见\n\n答："},
                {"role": "assistant", "content": "再见！"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "几点关门？"},
                {"role": "assistant", "content": "下午五点。\n用户：谢谢\n助手：不客气"},
            ]
        },
    ),
    good=(
        {
            "messages": [
                {"role": "user", "content": "Sum up this chat.\nUser: Hi\nAssistant: Hello\nUser: Bye"},
                {"role": "assistant", "content": "They greet each other."},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "写一段用户和助手的对话。"},
                {"role": "assistant", "content": "用户：你好\n助手：你好，请讲。\n用户：谢谢\n助手：不客气。"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "Q: What is 1 + 1?\nA: 2\nQ: What is 1 + 2?\nA:"},
                {"role": "assistant", "content": "3"},
            ]
        },
    ),
)  # fmt: skip


class _Label(NamedTuple):
    asks: bool
    """It opens a turn of the user, not an answer."""
    text: str
    start: int
    end: int


_ASKS: Final = r"[Uu]ser|USER|[Hh]uman|HUMAN|用户|人类"
_ANSWERS: Final = r"[Aa]ssistant|ASSISTANT|[Cc]hat[Bb]ot|[Bb]ot|BOT|AI ?助手|AI|(?:Chat)?GPT|ChatGLM|小?助手|助理|机器人"
_SPEAKERS: Final = tuple(
    # Each begins with one character or word, so that `re` looks for that; of a text from its second
    # character on, the first is a line feed.
    Pattern(pattern)
    for pattern in (
        # at the beginning of a line, maybe set off: `Human:`, `**用户**：`, `### Assistant:`, `[user]:`
        r"\n[ \t]*(?P<line>(?:\*\*|[<\[【]|\#{2,4} ?)?"
        rf"(?:(?P<asks>{_ASKS}|患者|病人|客户|顾客)|{_ANSWERS}|医生|客服)"
        r"(?:\*\*|[>\]】])? ?[:：](?:\*\*)?)",
        # anywhere, where the sign is no word of a sentence
        r"<(?P<line>(?:(?P<asks>user|human)|bot|assistant|gpt)> ?[:：])",
        r"USER:(?P<line>(?P<asks>))(?=\s|\Z)(?<!\wUSER:)",
        r"ASSISTANT:(?P<line>)(?=\s|\Z)(?<!\wASSISTANT:)",
        r"\[(?P<line>Round \d{1,9}\]\s{0,9}(?P<asks>问)[:：])",
        r"\#\#(?P<line>\#{0,2} ?(?:(?P<asks>Instruction|Human|User|指令|问题)|Response|Assistant|回答|回复) ?[:：])",
        r"<\|im_start\|>(?P<token>(?P<asks>user)|assistant)\b",
        r"<start_of_turn>(?P<token>(?P<asks>user)|model)\b",
        r"<\|start_header_id\|>(?P<token>(?P<asks>user)|assistant)<\|end_header_id\|>",
        r"\[INST\](?P<token>(?P<asks>))",
        r"\[/INST\](?P<token>)",
        r"<[|｜](?P<token>(?P<asks>User)|Assistant)[|｜]>",
    )
)
_OPENS: Final = Pattern(r"\s*(?:\[Round \d+\]|问[:：])")
_ROUNDS: Final = Pattern(r"^[ \t]*(?:\[Round \d+\]\s*)?(?:(?P<asks>问)|答)[:：]", re.MULTILINE)
"""ChatGLM's first prompt format."""
_PREAMBLE: Final = Pattern(r"\s*(?:Below is an instruction|A chat between|<s>|<<SYS>>|下面是一)")
"""How the prompt formats of Alpaca and Vicuna begin."""
_ASKED: Final = Pattern(
    r"dialog|conversation|\bchats?\b|chatbot|script|role.?play|interview|transcript|prompt|example"
    r"|exchange|scenario|\bskit|\bscene|\bplay\b|FAQ|Q ?& ?A"
    r"|对话|聊天|会话|剧本|台词|采访|访谈|问答|交流|场景|情景|示例|例子|提示词|话术|机器人|扮演|小品|相声|沟通",
    re.IGNORECASE,
)
"""Where dialogues are the subject, one in the text is intended."""
_ALONE: Final = Pattern(
    r"\W*(?:Human|HUMAN|人类)|\#+ ?(?:Instruction|指令)|<(?:user|human)>|\[Round"
)
"""Labels of the user that are never a heading in an answer, so one of them is enough."""
_SCENES: Final = Pattern(r"\W*(?:患者|病人|客户|顾客|医生|客服)|<\||<start_|\[/?INST|<｜")
"""Speakers of scenes that somebody may have asked for; control tokens, which have a rule."""


def check(row: Row) -> Iterator[Problem]:
    wanted = False  # a message so far asks for a dialogue
    unasked: list[str] = []  # messages that were not looked at for that
    for index, role, text in row.texts:
        at, where = row.at(index, "content"), row.where(index)
        if role == "user" and (found := _as_prompt(text, row)) is not None:
            kind, asks, answers = found
            first = min(asks, answers, key=lambda label: label.start)
            if kind == "dialogue" and row.printed.get(index, False):
                kind = "trained"
            yield rule.problem(
                at, text=None if kind == "dialogue" else kind, once=kind,
                where=where, asks=_shown(asks), answers=_shown(answers),
                part=stretch_of(row, index, first.start, first.end),
            )  # fmt: skip
        elif (
            role == "assistant"
            and not wanted
            and taught(row, index)
            and (label := _as_answer(text, row))
        ):
            wanted = any(map(_asks_for_one, unasked))
            unasked.clear()
            if not wanted:
                yield rule.problem(
                    at, text="answer", once="answer", where=where, asks=_shown(label),
                    part=part_beside_code(row, index, label.text),
                )  # fmt: skip
        if role in ("user", "system"):
            unasked.append(text)


_MOST: Final = 1 << 12
"""Characters looked at, at the beginning and at the end, to see what a text is about."""


def _asks_for_one(text: str) -> bool:
    """Whether dialogues are the subject."""
    return bool(_ASKED.search(text[:_MOST]) or _ASKED.search(text[_MOST:][-_MOST:]))


def _as_prompt(text: str, row: Row) -> tuple[str, _Label, _Label] | None:
    """(kind, first label of each side), where a message is labels from its beginning to its end."""
    labels = _labels(text, row)
    asks = [label for label in labels if label.asks]
    answers = [label for label in labels if not label.asks]
    if not asks or not answers:
        return None
    if text[: labels[0].start].strip() and not _PREAMBLE.match(text):
        return None  # an instruction stands before it: the message is about a dialogue
    # It ends with a question, or where the answer is to begin.
    last = labels[-1]
    rest = text[last.end :]
    if rest.strip() if not last.asks else _asks_for_one(rest):
        return None
    if len(asks) > 1 or labels[0].asks is False:
        kind = "dialogue"
    elif "问" in asks[0].text or len(labels) > 2:
        return None  # one question and its answer, in a form that questions have
    else:
        kind = "format"
    return kind, asks[0], answers[0]


def _as_answer(text: str, row: Row) -> _Label | None:
    """The label with which an answer goes on as the user."""
    plain = without_code(text)
    labels = [label for label in _labels(plain, row) if not _SCENES.match(label.text)]
    answered = any(not label.asks for label in labels)
    for place, label in enumerate(labels):
        if not label.asks or (place == 0 and not plain[: label.start].strip()):
            continue
        if answered or _ALONE.match(label.text):
            return None if _asks_for_one(text) else label
    return None


def _labels(text: str, row: Row) -> list[_Label]:
    """Who speaks where, in order; [] where the run's own template writes such labels."""
    if opening := _OPENS.match(text):
        found = [
            _Label(match["asks"] is not None, match[0].strip(), match.start(), match.end())
            for match in _ROUNDS.finditer(text)
        ]
        return [found[0]._replace(start=opening.start()), *found[1:]] if found else []
    labels = []
    text = "\n" + text
    for speaker in _SPEAKERS:
        for match in speaker.finditer(text):
            written = match[0]
            head, sign, _ = written.partition(">")
            if "token" in speaker.compiled.groupindex and own(head + sign, row.context):
                return []
            asks = "asks" in speaker.compiled.groupindex and match["asks"] is not None
            start = match.start() + len(written) - len(written.lstrip())
            labels.append(_Label(asks, written.strip(), start - 1, match.end() - 1))
    labels.sort(key=lambda label: label.start)
    return [
        label
        for place, label in enumerate(labels)
        if place == 0 or label.start >= labels[place - 1].end
    ]


def _shown(label: _Label) -> str:
    return " ".join(label.text.split())[:40]
