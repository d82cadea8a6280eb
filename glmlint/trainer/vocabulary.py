"""Control tokens by name: which names a trainer needs, and what is said where one is missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from glmlint.text import Text, listed
from glmlint.trainer.tokenizer import Tokenizer, TokenizerError

GLM: Final = (
    "[gMASK]", "<sop>", "<|endoftext|>",
    "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>",
)  # fmt: skip
"""What every GLM vocabulary since GLM-4 has."""

OFFICIAL_NUMBERS: Final = {
    "<|endoftext|>": 151329,
    "[gMASK]": 151331,
    "<sop>": 151333,
    "<|user|>": 151336,
    "<|assistant|>": 151337,
}
"""Ids that the official scripts write as numbers (THUDM/GLM-4 finetune/finetune.py @dfe4601)."""


def require(tokenizer: Tokenizer, names: Iterable[str], trainer: str) -> None:
    """Refuse a vocabulary that lacks a control token.

    Raises:
        TokenizerError: one sentence that names the missing ones.
    """
    missing = [name for name in names if name not in tokenizer.control]
    if missing:
        raise TokenizerError(
            Text(
                "the tokenizer {tokenizer} has no control token {names}, which {trainer} needs",
                "tokenizer {tokenizer} 缺少 {trainer} 所需的控制标记 {names}",
            ),
            tokenizer=tokenizer.name,
            names=listed(missing),
            trainer=trainer,
        )


def require_numbers(tokenizer: Tokenizer, numbers: Mapping[str, int], trainer: str) -> None:
    """Refuse a vocabulary in which a trainer's script would write the wrong numbers.

    Raises:
        TokenizerError: one sentence that names the first difference.
    """
    for name, number in numbers.items():
        found = tokenizer.control[name]
        if found != number:
            raise TokenizerError(
                Text(
                    "{trainer} can't train this model: its script writes the number {number} "
                    "for {name}, and in {tokenizer} that token is {found}",
                    "{trainer} 无法训练该模型：脚本把 {name} 写成数字 {number}，"
                    "而在 {tokenizer} 中该标记的 id 是 {found}",
                ),
                trainer=trainer,
                number=number,
                name=name,
                tokenizer=tokenizer.name,
                found=found,
            )
