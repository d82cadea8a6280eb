"""An image that the vision script can't read, or reads from another place than meant.

`finetune_vision.py` opens the path under `image` of a row's first message, and nothing else. An
image of a later message stays a path, at which the tokenizer's transform raises TypeError; a list
of paths or an object under `image` has no `read` and raises AttributeError. A row without an image
gets a black one. Whatever its size, an image is three tokens here: only the model itself knows how
many it makes of it, so the reported number is a guess and is in no count.

Evidence: THUDM/GLM-4 finetune/finetune_vision.py (`process_batch`), tokenization_chatglm.py and
config.json of glm-4v-9b.
"""

from __future__ import annotations

from collections.abc import Iterator

from glmlint.rules.base import Example, Problem, Row, Rule, Text

rule = Rule(
    name="image-place",
    family="structure",
    title_zh="视觉脚本无法读取的图像，或取自别处的图像",
    doc_zh="""
    `finetune_vision.py` 只打开一行第一条消息中 `image` 键的路径，别的都不看。后面消息里的图像
    仍是路径字符串，分词器的 transform 遇到它会抛出 TypeError；`image` 下是路径列表或对象时，
    它们没有 `read`，会抛出 AttributeError。没有图像的行会得到一张黑色图像。不论大小，一张图像
    在这里都算 3 个 token：模型会把它展开成多少个，只有模型自己知道，所以报告中的数目是推测
    值，不计入任何统计。

    依据：THUDM/GLM-4 finetune/finetune_vision.py（`process_batch`），glm-4v-9b 的
    tokenization_chatglm.py 和 config.json。
    """,
    severity="error",
    applies=lambda recipe, _: "image" in recipe.message_keys,
    text=Text(
        "messages[{index}] has an image; {trainer} opens only the first message's image, "
        "raises {exception} here, and the run ends",
        "messages[{index}] 带有图像；{trainer}只打开第一条消息的图像，在这里抛出 {exception}，训练随之中止",
    ),
    variants={
        "not a path": Text(
            "image of messages[0] is {kind}, not the path of one image: {trainer} raises {exception}, "
            "and the run ends",
            "messages[0] 的 image 是{kind_zh}，而不是单张图像的路径：{trainer}抛出 {exception}，训练随之中止",
        ),
        "never opened": Text(
            "messages[{index}] has an image that {trainer} never opens: it reads one per row, from the "
            "first message",
            "messages[{index}] 的图像不会被打开：{trainer}每行只取一张图像，且只看第一条消息",
        ),
        "system": Text(
            "the image of {rows:row} is in a system message: {trainer} puts it before the system text, "
            "not before the question",
            "共 {rows} 行的图像写在 system 消息上：{trainer}会把它放在系统提示词之前，而不是问题之前",
        ),
        "none": Text(
            "{rows:row} without an image: {trainer} puts a black one of 224 by 224 before the first "
            "message's text",
            "共 {rows} 行没有图像：{trainer}会在第一条消息的文本前放一张 224×224 的黑色图像",
        ),
        "guess": Text(
            "an image counts as 3 tokens here; glm-4v-9b makes about 1,600 of it (a guess from its "
            "configuration), and the script's budget does not cut them",
            "一张图像在这里算 3 个 token；glm-4v-9b 会把它展开成约 1,600 个（按其配置推测），脚本的预算不会截断它们",
        ),
    },
    help=Text(
        "Write one path under image of the first message; if that is a system message, delete it or join "
        "its text to the question.",
        "在第一条消息的 image 下写一个路径；如果第一条是 system 消息，删除它或把内容并入问题。",
    ),
    bad=(
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "图里有什么？", "image": "猫.jpg"},
                        {"role": "assistant", "content": "一只猫。"},
                        {"role": "user", "content": "这张呢？", "image": "狗.jpg"},
                        {"role": "assistant", "content": "一只狗。"},
                    ]
                },
            ),
            plan={"recipe": "glm4v"},
        ),
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "Compare them.", "image": ["a.jpg", "b.jpg"]},
                        {"role": "assistant", "content": "Both show a cat."},
                    ]
                },
            ),
            plan={"recipe": "glm4v"},
        ),
        Example(
            rows=(
                {
                    "messages": [
                        {"role": "user", "content": "Hi"},
                        {"role": "assistant", "content": "Hello"},
                    ]
                },
            ),
            plan={"recipe": "glm4v"},
        ),
    ),
    good=(
        {"messages": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "好"}]},
        {
            "messages": [
                {"role": "user", "content": "What is it?", "image": "told by ignored-key.jpg"},
                {"role": "assistant", "content": "A cat."},
            ]
        },
    ),
)

_NONE = Text(
    "If the questions need no image, train with the script for text.",
    "如果问题不需要图像，改用文本微调脚本训练。",
)
_GUESS = Text(
    "Leave memory for it; only the model itself knows how long its sequence is.",
    "为它预留显存；实际的序列长度只有模型自己知道。",
)
_KINDS = {"list": ("a list", "列表"), "dict": ("an object", "对象"), "bool": ("true", "true")}


def check(row: Row) -> Iterator[Problem]:
    if row.foreign or not row.messages:
        return
    stopped = row.error.at if row.error is not None else None
    exception = row.error.exception if row.error is not None else ""
    for index, message in row.good_messages:
        image = message.get("image")
        at = ("messages", index, "image")
        if index == 0 and image and stopped == at:
            kind, kind_zh = _KINDS.get(type(image).__name__, ("a number", "数字"))
            yield rule.problem(
                at, text="not a path", raises=True, kind=kind, kind_zh=kind_zh, exception=exception
            )
        elif index and image:
            here = stopped == ("messages", index) and exception == "TypeError"
            if here:
                yield rule.problem(at, raises=True, index=index, exception=exception)
            else:
                yield rule.problem(at, text="never opened", index=index)
    if row.layout is None or not isinstance(first := row.messages[0], dict):
        return
    if not first.get("image"):
        yield rule.problem(
            ("messages", 0), text="none", severity="info", help=_NONE, once="none", of_trainer=True
        )
    elif first.get("role") == "system":
        yield rule.problem(
            ("messages", 0, "image"), text="system", severity="warning", once="system"
        )
    yield rule.problem(
        ("messages", 0), text="guess", severity="info", help=_GUESS, once="guess", of_trainer=True
    )
