"""The rules of the family `score`: one function a rule, its threshold and why beside it.

The defaults were chosen on a small model trained on public sets (docs/scoring.md, "Thresholds");
on a real 9B they are educated guesses, so only what breaks a run is an error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from glmlint.finding import Finding, fingerprint, json_pointer
from glmlint.scoring.plan import HEADER, STOP, Row, RowScore
from glmlint.scoring.stats import Judged, is_content

HIGH_Z: Final = 4.0
"""A row this many standard deviations above its group. With z the share of short rows among the
flagged equals their share of the data; with the raw mean it was three times as high."""

LOW_MEAN: Final = 0.05
"""Nats over at least SURE_TOKENS: the model all but recites the answer."""

SURE_TOKENS: Final = 20
"""Content tokens below which a low mean or a ratio says little."""

STOP_NATS: Final = 8.0
"""Loss of a stop token: the model gave the end of this answer a chance below 1 in 3,000."""

USUAL_STOP: Final = 2.0
"""Where the median stop token costs more, the layout is strange to the model, not the row."""

TOKEN_NATS: Final = 12.0
"""Loss of one token that counts as surprising when the model was sure of another one."""

TOKEN_SURE: Final = 0.9
"""Probability from which the model was sure of another token."""

FORMAT_NATS: Final = 2.0
"""Median loss of format tokens above which the layout is strange to the model. A chat model in
its own layout gives nearly 0."""

FORMAT_ROWS: Final = 200
"""How many rows the template probe reads."""

LEARNED_MEAN: Final = 0.3
"""Token mean of a file under which the model was trained on it."""

LEARNED_TOKENS: Final = 1000
"""Scored tokens of a file below which that is not said."""

SEVERITIES: Final = {
    "high-loss": "warning",
    "low-loss": "info",
    "ifd-above-one": "warning",
    "turn-outlier": "warning",
    "surprising-stop": "warning",
    "surprising-token": "info",
    "already-learned": "info",
    "template-mismatch": "error",
    "model-vocabulary-mismatch": "error",
    "loss-not-finite": "error",
    "not-scored": "error",
}
"""Rule -> severity, in the order of docs/scoring.md."""

SENTENCES: Final = {
    "high-loss": {
        "en": (
            "loss {mean:.2f} over {tokens} content tokens; rows like it have {median:.2f} (z {z:.1f})",
            "Read the row: garbage, another language, or an answer to another question. Drop or repair it.",
        ),
        "zh": (
            "{tokens} 个内容 token 的平均损失为 {mean:.2f}，同类样本的中位数为 {median:.2f}（z 值 {z:.1f}）",
            "请检查这一行：可能是乱码、语言不符或答非所问；请删除或修复。",
        ),
    },
    "low-loss": {
        "en": (
            "loss {mean:.3f} over {tokens} content tokens: the model knows this answer already (group's median {median})",
            "Memorised, leaked, copied from the prompt, or boilerplate: it teaches nothing. Check for leakage, or drop it.",
        ),
        "zh": (
            "{tokens} 个内容 token 的平均损失仅 {mean:.3f}：模型已经会这个回答（同类中位数 {median}）",
            "可能是已记忆、数据泄漏、复制提示词或套话，训练没有收益；请检查泄漏或删除。",
        ),
    },
    "ifd-above-one": {
        "en": (
            "the answer's loss is {with_prompt:.2f} with its prompt and {alone:.2f} without (ratio {ratio:.2f})",
            "The prompt does not help the model to this answer: check that they belong together.",
        ),
        "zh": (
            "有提示词时回答损失为 {with_prompt:.2f}，无提示词时为 {alone:.2f}（比值 {ratio:.2f}）",
            "提示词对回答没有帮助：请确认二者是否匹配。",
        ),
    },
    "turn-outlier": {
        "en": (
            "messages[{message}] has loss {mean:.2f} over {tokens} content tokens (z {z:.1f}); the row as a whole is usual",
            "Read this answer: one turn of the conversation does not fit the rest.",
        ),
        "zh": (
            "messages[{message}] 的 {tokens} 个内容 token 平均损失为 {mean:.2f}（z 值 {z:.1f}），而整行正常",
            "请检查这一轮回答：它与对话其余部分不一致。",
        ),
    },
    "surprising-stop": {
        "en": (
            "the end of messages[{message}] costs {nll:.1f} nats; the usual end of an answer costs {median:.2f}",
            "The answer is cut off in mid-sentence, or runs on after its end. Complete or trim it.",
        ),
        "zh": (
            "messages[{message}] 的结束 token 损失为 {nll:.1f}，而通常为 {median:.2f}",
            "回答可能被截断或在结束后仍有多余内容；请补全或裁剪。",
        ),
    },
    "surprising-token": {
        "en": (
            "{label!r} in messages[{message}] costs {nll:.1f} nats where the model was sure of {choice!r} (p {p:.2f})",
            "A typo, broken encoding or a wrong name? Look at this place.",
        ),
        "zh": (
            "messages[{message}] 中的 {label!r} 损失为 {nll:.1f}，而模型确信应为 {choice!r}（概率 {p:.2f}）",
            "可能是错别字、编码损坏或名称错误；请查看此处。",
        ),
    },
    "already-learned": {
        "en": (
            "mean loss {mean:.3f} over {tokens} supervised tokens: this model was trained on this file, or on its like",
            "Such scores can't find errors; score with a model that has not seen the data.",
        ),
        "zh": (
            "{tokens} 个监督 token 的平均损失仅 {mean:.3f}：模型很可能已用此文件训练过",
            "此时分数无法用于发现错误；请换用未见过这些数据的模型。",
        ),
    },
    "template-mismatch": {
        "en": (
            "format tokens (role line, stop) cost {median:.1f} nats in the median row: the layout is strange to this model",
            "A base model, another generation, or the wrong recipe or template. Check --recipe against the model.",
        ),
        "zh": (
            "格式 token（角色行、结束符）的损失中位数为 {median:.1f}：模型不熟悉这种格式",
            "可能是基座模型、代际不符，或 recipe/模板选错；请核对 --recipe 与模型。",
        ),
    },
    "model-vocabulary-mismatch": {
        "en": (
            "id {token} of the data is not in the model's vocabulary of {vocab_size} rows",
            "Tokenizer and model belong to different generations; training would stop with an index error.",
        ),
        "zh": (
            "数据中的 id {token} 超出模型词表（{vocab_size} 行）",
            "分词器与模型不属于同一代；训练会因索引越界而中止。",
        ),
    },
    "loss-not-finite": {
        "en": (
            "the loss is not finite from place {place} on ({dtype}); the row is in no mean",
            "Broken weights, or an overflow: try --dtype bfloat16 or float32.",
        ),
        "zh": (
            "从位置 {place} 起损失不是有限值（{dtype}）；该行不计入任何均值",
            "权重损坏或数值溢出：请尝试 --dtype bfloat16 或 float32。",
        ),
    },
    "not-scored": {
        "en": (
            "{length} tokens do not fit the memory of {device} even alone: the row has no loss",
            "Score on a device with more memory, or lower --max-length.",
        ),
        "zh": (
            "该行 {length} 个 token，单独也放不进 {device} 的内存，因此没有损失值",
            "请换用内存更大的设备，或调小 --max-length。",
        ),
    },
}
"""Rule -> language -> (message, help), for str.format."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that fired: where, and the numbers of its sentence."""

    rule: str
    path: str
    line: int | None
    values: Mapping[str, Any]
    pointer: tuple[str | int, ...] | None = None
    identity: bytes = field(default=b"", repr=False)


def say(hit: Hit, lang: str = "en", severities: Mapping[str, str] = SEVERITIES) -> Finding:
    """The hit as the finding that reports print."""
    message, remedy = SENTENCES[hit.rule]["zh" if lang == "zh" else "en"]
    pointer = None if hit.pointer is None else json_pointer(hit.pointer)
    return Finding(
        rule=hit.rule,
        severity=severities.get(hit.rule, SEVERITIES[hit.rule]),
        path=hit.path,
        line=hit.line,
        column=None,
        pointer=pointer,
        message=message.format_map(hit.values),
        help=remedy,
        fixable=False,
        fingerprint=fingerprint(hit.rule, pointer, hit.identity),
    )


def _of_row(rule: str, row: Row, message: int | None = None, **values: Any) -> Hit:
    pointer = None if message is None else ("messages", message)
    if message is not None:
        values["message"] = message
    return Hit(rule, row.path, row.line, values, pointer, row.key.hex().encode())


def high_loss(one: Judged) -> Hit | None:
    """A row far above its group, judged with its length in mind: z > 4 over 10 tokens or more."""
    if one.z is None or one.z <= HIGH_Z:
        return None
    return _of_row(
        "high-loss", one.row,
        mean=one.content_mean, tokens=one.content, median=one.group_median, z=one.z,
    )  # fmt: skip


def low_loss(one: Judged) -> Hit | None:
    """An answer the model knows: mean < 0.05 nat over 20 tokens or more, or z < -4."""
    recited = one.content >= SURE_TOKENS and one.content_mean < LOW_MEAN
    if not recited and (one.z is None or one.z >= -HIGH_Z):
        return None
    median = "unknown" if one.group_median is None else f"{one.group_median:.2f}"
    return _of_row("low-loss", one.row, mean=one.content_mean, tokens=one.content, median=median)


def ifd_above_one(one: Judged) -> Hit | None:
    """The prompt does not help: loss with it >= loss without, over 20 tokens or more."""
    ratio = one.ifd
    known = [part for part in one.parts if part.alone_nll is not None]
    tokens = sum(part.content for part in known)
    if ratio is None or ratio < 1 or tokens < SURE_TOKENS:
        return None
    return _of_row(
        "ifd-above-one", one.row,
        with_prompt=sum(part.content_nll for part in known) / tokens,
        alone=sum(part.alone_nll or 0.0 for part in known) / tokens,
        ratio=ratio,
    )  # fmt: skip


def turn_outlier(one: Judged) -> Hit | None:
    """One answer of several is far above the group (z > 4) while the row is not."""
    if len(one.parts) < 2 or one.z is None or one.z > HIGH_Z:
        return None
    odd = [part for part in one.parts if part.z is not None and part.z > HIGH_Z]
    if not odd:
        return None
    worst = max(odd, key=lambda part: part.z or 0.0)
    return _of_row(
        "turn-outlier", one.row, worst.message,
        mean=worst.content_nll / worst.content, tokens=worst.content, z=worst.z,
    )  # fmt: skip


def surprising_stop(one: Judged, usual: float) -> Hit | None:
    """The end of an answer where the model sees none: > 8 nats, and `usual` ends cost < 2."""
    stops = np.flatnonzero(one.row.kinds == STOP)
    if not len(stops) or usual >= USUAL_STOP:
        return None
    worst = stops[int(one.score.nll[stops].argmax())]
    nll = float(one.score.nll[worst])
    if nll <= STOP_NATS:
        return None
    message = int(one.row.messages[worst])
    return _of_row("surprising-stop", one.row, message, nll=nll, median=usual)


def surprising_token(one: Judged, text: Callable[[int], str]) -> Hit | None:
    """A content token of > 12 nats where the model gave another one p > 0.9. `text`: id -> text."""
    score, row = one.score, one.row
    content = is_content(row.kinds)
    for place, choice, p in zip(score.worst, score.argmax, score.probability, strict=True):
        nll = float(score.nll[place])
        if nll <= TOKEN_NATS:
            return None
        if p > TOKEN_SURE and content[place]:
            label = int(row.labels[place])
            return _of_row(
                "surprising-token", row, int(row.messages[place]),
                nll=nll, p=float(p), label=text(label), choice=text(int(choice)),
            )  # fmt: skip
    return None


def format_median(rows: Iterable[Judged]) -> float | None:
    """Median over rows of the mean loss of their format tokens; None without such tokens."""
    means = []
    for one in rows:
        inside = (one.row.kinds == HEADER) | (one.row.kinds == STOP)
        if inside.any():
            means.append(float(one.score.nll[inside].mean()))
        if len(means) == FORMAT_ROWS:
            break
    return float(np.median(means)) if means else None


def stop_median(rows: Iterable[Judged]) -> float:
    """Median loss of stop tokens; infinite without any."""
    found = [one.score.nll[one.row.kinds == STOP] for one in rows]
    together = np.concatenate(found) if found else np.zeros(0)
    return float(np.median(together)) if len(together) else math.inf


def template_mismatch(path: str, rows: Sequence[Judged]) -> Hit | None:
    """The layout is strange to the model: format tokens cost > 2 nats in the median of 200 rows."""
    median = format_median(rows)
    if median is None or median <= FORMAT_NATS:
        return None
    return Hit("template-mismatch", path, None, {"median": median}, identity=path.encode())


def already_learned(path: str, rows: Sequence[Judged]) -> Hit | None:
    """The model was trained on this file: token mean < 0.3 over 1,000 tokens or more."""
    tokens = sum(one.tokens for one in rows)
    if tokens < LEARNED_TOKENS:
        return None
    mean = sum(one.sum_nll for one in rows) / tokens
    if mean >= LEARNED_MEAN:
        return None
    values = {"mean": mean, "tokens": tokens}
    return Hit("already-learned", path, None, values, identity=path.encode())


def loss_not_finite(row: Row, score: RowScore, dtype: str) -> Hit | None:
    """A loss that is nan or infinite, with the first place of the row where it is so."""
    broken = np.flatnonzero(~np.isfinite(score.nll))
    if not len(broken):
        return None
    first = int(broken[0])
    return _of_row(
        "loss-not-finite", row, int(row.messages[first]), place=int(row.places[first]), dtype=dtype
    )


def not_scored(row: Row, device: str) -> Hit:
    """A row that does not fit the memory even alone."""
    return _of_row("not-scored", row, length=len(row.ids), device=device)


def model_vocabulary_mismatch(row: Row, vocab_size: int) -> Hit | None:
    """An id or a label that the model's embedding has no row for."""
    both = np.concatenate([row.ids, row.labels])
    token = int(both.min(initial=0)) or int(both.max(initial=0))  # a negative one first
    if 0 <= token < vocab_size:
        return None
    return _of_row("model-vocabulary-mismatch", row, token=token, vocab_size=vocab_size)


def find(rows: Sequence[Judged], text: Callable[[int], str]) -> Iterator[Hit]:
    """All hits of judged rows, file by file in order, a file's own first. `text`: id -> text."""
    files: dict[str, list[Judged]] = {}
    for one in rows:
        files.setdefault(one.row.path, []).append(one)
    for path, members in files.items():
        yield from filter(None, (template_mismatch(path, members), already_learned(path, members)))
        usual = stop_median(members)
        for one in members:
            hits = (
                high_loss(one),
                low_loss(one),
                ifd_above_one(one),
                turn_outlier(one),
                surprising_stop(one, usual),
                surprising_token(one, text),
            )
            yield from filter(None, hits)
