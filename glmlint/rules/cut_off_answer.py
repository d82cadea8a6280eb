"""The row's last answer ends in the middle of a sentence.

The model that wrote it ran into its token limit, or an export cut a column. The stop token follows
the cut all the same, so the model learns to stop in mid-sentence. Only endings that no sentence
has are reported: a comma, an opening bracket, a word such as "the" or 与. Answers of a few words
are left alone, and so are tool calls and code.

Evidence: rows of distilled data that end at the teacher's `max_tokens`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glmlint.patterns import Pattern
from glmlint.rules.base import Problem, Row, Rule, Text, stretch_of

rule = Rule(
    name="cut-off-answer",
    family="content",
    title_zh="最后一个回答断在句子中间",
    doc_zh="""
    生成它的模型用完了 token 上限，或者导出时截断了某一列。停止符仍然接在断点之后，模型因此学
    会在句子中间停下。只报告句子不可能有的结尾：逗号、左括号，或“the”“与”这样的词。只有几个词
    的回答不检查，工具调用和代码也不检查。

    依据：蒸馏数据中在教师模型的 `max_tokens` 处结束的行。
    """,
    severity="info",
    text=Text(
        "{where} ends in mid-sentence (“…{end}”): the model learns to stop there",
        "{where} 断在句子中间（“…{end}”）：模型会学着在这里停下",
    ),
    help=Text("Complete the answer, or drop the row.", "补全回答，或删除这一行。"),
    bad=(
        {
            "messages": [
                {"role": "user", "content": "Tell me about Paris."},
                {
                    "role": "assistant",
                    "content": "Paris is the capital of France. It lies on the Seine, and it is "
                    "known all over the world for the",
                },
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "介绍一下长城。"},
                {
                    "role": "assistant",
                    "content": "长城是中国古代的军事防御工程，修建历史长达两千多年。它东起山海关，西至嘉峪关，"
                    "是世界上最长的城墙，并且",
                },
            ]
        },
    ),
    good=(
        {
            "messages": [
                {"role": "user", "content": "法国的首都是？"},
                {"role": "assistant", "content": "巴黎，它是法国的"},
            ]
        },
        {
            "messages": [
                {"role": "user", "content": "Name three fruits."},
                {
                    "role": "assistant",
                    "content": "Here are three fruits that you can find in most markets:\n- apple\n"
                    "- pear\n- plum",
                },
            ]
        },
    ),
)  # fmt: skip

_SHORTEST: Final = 40
_END: Final = Pattern(
    r"(?:[,，、(（\[【《“‘]"
    r"|\b(?:the|a|an|of|and|or|to|in|with|for|from|by|that|which|is|are|was|were|as|at|its|their"
    r"|your|our|because|but|if|than|this|these)"
    r"|[和与或及在把被让将对从向于而且为])\Z"
)


def check(row: Row) -> Iterator[Problem]:
    last = None
    for index, role, text in row.texts:
        if role == "assistant":
            last = (index, text)
    if last is None:
        return
    index, text = last
    end = text[-64:].rstrip()
    if len(text) < _SHORTEST or text[:1] in ("{", "[") or not (last_word := _END.search(end)):
        return
    # Nobody can say where a block of code, a table or a poem ends.
    line = text.rstrip().rpartition("\n")[2].lstrip()
    if "```" in text or len(line) < 12 or line[:1] in "|>#-*" or line.startswith("    "):
        return
    stop = len(text.rstrip())
    yield rule.problem(
        row.at(index, "content"), where=row.where(index), end=end[-20:].strip(),
        part=stretch_of(row, index, stop - len(last_word[0]), stop),
    )  # fmt: skip
