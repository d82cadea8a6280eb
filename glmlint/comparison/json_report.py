"""`glmlint compare --format json`: counts of every side, pairs of sides, sentences, first rows."""

from __future__ import annotations

from collections import Counter
from typing import IO, Any

from glmlint.comparison.rows import Comparison, Side
from glmlint.comparison.text_report import marked
from glmlint.comparison.words import columns_of, sentences, state
from glmlint.visible import json_text


def write_comparison(result: Comparison, out: IO[str]) -> None:
    """Print one object."""
    value = {**comparison_object(result, "en"), "first_rows": _first_rows(result)}
    out.write(json_text(value) + "\n")


def comparison_object(result: Comparison, lang: str) -> dict[str, Any]:
    """The comparison as plain JSON values, without its rows; its sentences in that language."""
    columns = columns_of(result)
    return {
        "schema_version": 1,
        "rows": result.rows,
        "sides": [_side(side, columns) for side in result.sides],
        "pairs": [
            {
                "sides": [result.sides[a].label, result.sides[b].label],
                "supervised_by_both": pair.both,
                "by_first_only": pair.first_only,
                "by_second_only": pair.second_only,
                "differing_rows": pair.differ,
            }
            for (a, b), pair in result.pairs.items()
        ],
        "differences": [text.plain(lang) for text in sentences(result)],
    }


def _first_rows(result: Comparison) -> list[dict[str, Any]]:
    return [
        {
            "path": one.path,
            "line": one.line,
            "sides": [
                {"outcome": entry.outcome}
                if entry.tokens is None
                else {
                    "input_ids": entry.tokens.input_ids.tolist(),
                    "labels": entry.tokens.labels.tolist(),
                    "text": marked(entry, side),
                }
                for side, entry in zip(result.sides, one.sides, strict=True)
            ],
        }
        for one in result.first
    ]


def _side(side: Side, columns: list[str]) -> dict[str, Any]:
    return {
        "label": side.label,
        "recipe": side.context.plan.recipe,
        "options": side.context.plan.options,
        "max_length": side.context.plan.max_length,
        "tokenizer": side.context.tokenizer.name,
        "rows": side.rows,
        "converted": side.converted,
        "dropped": side.dropped,
        "errors": side.errors,
        "tokens": side.tokens,
        "kept_tokens": side.kept,
        "supervised_tokens": side.supervised,
        "kept_supervised_tokens": side.kept_supervised,
        "trains": {column: state(side, column) for column in columns},
        "present": dict(sorted(side.present.items())),
        "taught": dict(sorted(side.taught.items())),
        "stops": _stops(side.stops),
        "call_stops": _stops(side.call_stops),
        "ends": _stops(side.ends),
        "damaged_rows": dict(sorted(side.damaged.items())),
        "damaged_tokens": sorted(side.marks),
    }


def _stops(places: Counter[tuple[str, str]]) -> list[dict[str, Any]]:
    return [
        {"input": shown, "label": label or None, "count": n}
        for (shown, label), n in sorted(places.items())
    ]
