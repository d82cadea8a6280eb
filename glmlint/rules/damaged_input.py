"""The trainer joins messages that it renders one by one, and the input is not the template's.

Some trainers render each message of a conversation by itself, cut the tokens by lengths that they
measured once, and put the pieces one behind the other. Under a template for which the lengths were not
made, role tokens and parts of the text are cut off, `[gMASK]<sop>` stands before every turn, or thoughts
stay that the template leaves out of earlier answers. The model is trained on conversations that it never
meets afterwards. A trainer that compares the two ends the run. Told once a file and kind.

Evidence: slime's `qwen3` mask under GLM-4.5's template: `BeHi<think>` for "Be brief." and "Hi"; verl's
`ignore_input_ids_mismatch` under GLM-4-9B's: another `[gMASK]<sop>` before every turn, in part with loss.
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
    title_zh="训练脚本逐条渲染消息再拼接，输入与模板的输出不一致",
    severity="error",
    applies=lambda recipe, _: recipe.joins is not None,
    text=Text(
        "{trainer} cuts text out of the input ({rows:row}): the template prints `{whole}`, "
        "the model is trained on `{joined}`",
        "{trainer}会从输入中切掉内容（共 {rows} 行）：模板输出 `{whole}`，实际训练的是 `{joined}`",
    ),
    variants={
        "lost": Text(
            "{trainer} cuts {names} and what stands beside them out of the input ({rows:row}): "
            "the template prints `{whole}`, the model is trained on `{joined}`",
            "{trainer}会从输入中切掉 {names} 及其附近的内容（共 {rows} 行）：模板输出 `{whole}`，"
            "实际训练的是 `{joined}`",
        ),
        "added": Text(
            "{trainer} puts {names} where the template prints none ({rows:row}): "
            "`{joined}` in place of `{whole}`",
            "{trainer}在模板不会输出的位置多放了 {names}（共 {rows} 行）：`{joined}`，应为 `{whole}`",
        ),
        "text": Text(
            "{trainer} keeps text in the input that the template leaves out of a whole conversation "
            "({rows:row}): `{joined}` in place of `{whole}`",
            "{trainer}的输入里保留了模板在完整对话中会省略的文本（共 {rows} 行）：`{joined}`，"
            "应为 `{whole}`",
        ),
        "raises": Text(
            "{trainer} ends with {exception}, since messages rendered one by one are not the "
            "conversation ({rows:row}): `{joined}` in place of `{whole}`",
            "{trainer}会以 {exception} 结束，因为逐条渲染的消息拼起来与完整对话不同（共 {rows} 行）："
            "`{joined}`，应为 `{whole}`",
        ),
    },
    help=Text(
        "Choose another mask or template: `glmlint show` prints the input as it is trained.",
        "请更换掩码类型或模板：`glmlint show` 可查看实际训练的输入。",
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
