"""Where `schemas/` is found, and what exactly is wrong with a row that the fast decode refuses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import Struct

from glmlint.finding import Pointer


class Violation(Struct, frozen=True):
    """One place where a row breaks the sample schema."""

    pointer: Pointer
    """Place of the value; for a missing key, place of the key."""
    keyword: str
    """The JSON Schema keyword: "type", "enum", "required", "minItems", …"""
    value: Any = None
    """The value there; None for a missing key."""


def schema_folder() -> Path:
    """The folder of the schemas: inside the installed package, or beside it in a checkout."""
    inside = Path(__file__).parents[1] / "schemas"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "schemas"


@cache
def load_schema(name: str) -> dict[str, Any]:
    """The schema `NAME.schema.json`: "sample", "tool", "report" or "config"."""
    text = (schema_folder() / f"{name}.schema.json").read_text(encoding="utf-8")
    return json.loads(text)  # type: ignore[no-any-return]


def validator(name: str, more: Mapping[str, Any] | None = None) -> Any:
    """A jsonschema validator of `NAME.schema.json`; no reference is ever fetched.

    Args:
        more: further properties of the object, by name.
    """
    from jsonschema import Draft202012Validator
    from referencing import Registry, Resource

    tool = Resource.from_contents(load_schema("tool"))
    registry: Registry[Any] = Registry().with_resource("urn:glmlint:tool", tool)
    schema = load_schema(name)
    if more:
        schema = {**schema, "properties": {**schema["properties"], **more}}
    return Draft202012Validator(schema, registry=registry)


@cache
def _sample_validator() -> Any:
    return validator("sample")


def violations(value: Any) -> list[Violation]:
    """Every place where the value breaks `sample.schema.json`, in the order of the row."""
    found: dict[tuple[Pointer, str], Violation] = {}
    for error in _sample_validator().iter_errors(value):
        pointer = tuple(error.absolute_path)
        if error.validator == "required":
            for key in error.validator_value:
                if key not in error.instance:
                    place = (*pointer, key)
                    found[place, "required"] = Violation(place, "required")
        else:
            found[pointer, error.validator] = Violation(pointer, error.validator, error.instance)
    return sorted(
        found.values(), key=lambda violation: [str(p).zfill(9) for p in violation.pointer]
    )
