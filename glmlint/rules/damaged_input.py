"""The trainer joins messages rendered one by one, and the input differs from the template's.

Some trainers render each message of a conversation by itself, cut its tokens by lengths that were
measured once, and join the pieces. With a template for which the lengths were not made, role
tokens and parts of the text are cut off, `[gMASK]<sop>` comes before every turn, or thoughts stay
that the template leaves out of earlier answers. The model is trained on conversations that it
never meets afterwards. A trainer that compares the two ends the run. Reported once per file and
kind.

Evidence: slime's `qwen3` mask with GLM-4.5's template: `BeHi<think>` for "Be brief." and "Hi";
verl's `ignore_input_ids_mismatch` with GLM-4-9B's: another `[gMASK]<sop>` before every turn,
partly with loss.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from glmlint.evidence.apart import difference
from glmlint.rules.base import Example, Problem, Row, Rule, Text
from glmlint.visible import visible

_LONG: Final = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
    ]
}
_ZH: Final = {
    "messages": [
        {"role": "user", "content": "你好"},
        {"role": "assistant", "content": "你好，有什么可以帮你？"},
    ]
}

rule = Rule(
    name="damaged-input",
    family="mask",
    title_zh="训练框架逐条渲染消息再拼接，输入与模板的输出不一致",
    doc_zh="""
    有些训练框架会单独渲染对话中的每条消息，按预先量好的长度切掉 token，再把各段拼起来。如果这
    些长度不是为当前模板准备的，角色标记和部分文本会被切掉，每一轮之前都会出现
    `[gMASK]<sop>`，或者保留了模板在较早回答中会省略的思考内容。模型训练时看到的对话，以后再也
    不会遇到。会比较两者的训练框架则直接中止。每个文件、每种情况只报告一次。

    依据：slime 的 `qwen3` 掩码配 GLM-4.5 的模板：“Be brief.”和“Hi”变成 `BeHi<think>`；verl 的
    `ignore_input_ids_mismatch` 配 GLM-4-9B 的模板：每一轮之前都多出一个 `[gMASK]<sop>`，其中
    一部分还计入损失。
    """,
    severity="error",
    applies=lambda recipe, _: recipe.joins is not None,
    text=Text(
        "{trainer} cuts text out of the input ({rows:row}): the template prints `{whole}`, "
        "the model is trained on `{joined}`",
        "{trainer}会从输入中切掉内容（共 {rows} 行）：模板输出 `{whole}`，实际训练的是 `{joined}`",
    ),
    variants={
        "lost": Text(
            "{trainer} cuts {names} and the text beside them out of the input ({rows:row}): "
            "the template prints `{whole}`, the model is trained on `{joined}`",
            "{trainer}会从输入中切掉 {names} 及其附近的内容（共 {rows} 行）：模板输出 `{whole}`，"
            "实际训练的是 `{joined}`",
        ),
        "added": Text(
            "{trainer} puts {names} where the template prints none ({rows:row}): "
            "`{joined}` instead of `{whole}`",
            "{trainer}在模板不会输出的位置多放了 {names}（共 {rows} 行）：`{joined}`，应为 `{whole}`",
        ),
        "text": Text(
            "{trainer} keeps text that the template leaves out of a whole conversation ({rows:row}): "
            "`{joined}` instead of `{whole}`",
            "{trainer}的输入里保留了模板在完整对话中会省略的文本（共 {rows} 行）：`{joined}`，"
            "应为 `{whole}`",
        ),
        "raises": Text(
            "{trainer} raises {exception}, since messages rendered one by one differ from the whole "
            "conversation ({rows:row}): `{joined}` instead of `{whole}`",
            "{trainer}会抛出 {exception}，因为逐条渲染的消息拼起来与完整对话不同（共 {rows} 行）："
            "`{joined}`，应为 `{whole}`",
        ),
    },
    help=Text(
        "Choose another mask or template; `glmlint show` prints the input as it is trained.",
        "更换掩码类型或模板；`glmlint show` 可查看实际训练的输入。",
    ),
    bad=(
        Example(
            rows=(_LONG,),
            plan={"recipe": "slime", "template": "GLM-4.5", "options": {"loss_mask_type": "qwen3"}},
        ),
        Example(rows=(_ZH,), plan={"recipe": "verl"}),
        Example(
            rows=(_ZH,), plan={"recipe": "verl", "options": {"ignore_input_ids_mismatch": True}}
        ),
    ),
    good=(
        Example(rows=(_LONG,), plan={"recipe": "slime", "template": "GLM-4.5"}),
        Example(rows=(_ZH,), plan={"recipe": "verl", "template": "GLM-4.5"}),
    ),
)


def check(row: Row) -> Iterator[Problem]:
    found = difference(row)
    if found is None:
        return
    raised = row.error if row.layout is None else None
    text = found.kind if found.names or found.kind != "lost" else None
    yield rule.problem(
        row.turns_at,
        text=text if raised is None else "raises",
        severity="warning" if found.kind == "text" and raised is None else None,
        once="raises" if raised is not None else found.kind,
        raises=raised is not None,
        of_trainer=found.kind == "text" and raised is None,
        help=row.context.trainer.joins,
        exception=raised.exception if raised is not None else "",
        names=", ".join(f"`{name}`" for name in found.names),
        whole=visible(found.whole.replace("\n", "⏎")),
        joined=visible(found.joined.replace("\n", "⏎")),
    )
