"""The JSON Schema of a tool's arguments: whether it is one, and how arguments break it.

Schemas come with the data, so they are not trusted: nothing is ever fetched, references may run in
circles, patterns may be built to hang. Most schemas are plain and are judged by functions compiled
here; `jsonschema` is asked only about others, under a bound on the work. Where the bound is reached,
only that is reported (`ArgumentSchema.unjudged`).
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import cache, cached_property
from itertools import islice
from typing import Any, Final

from msgspec import Struct

from glmlint.finding import Pointer

Checker = Callable[[Any], bool]
"""True: the value certainly matches. False: it may not; the whole validator knows."""

MAX_WORK: Final = 10_000_000
"""Bound on one validation, in units of about 30 ns."""

KEYWORD_WORK: Final = 1000
"""What one keyword on one value costs."""

MAX_WASTE: Final = 15 * MAX_WORK
"""Bound on the work of all validations of a run that gave no result: from then on each of them has
a bound of `LITTLE_WORK`, and no schema of more than `SMALL` values is tried."""

LITTLE_WORK: Final = MAX_WORK // 50

MAX_VALUES: Final = 20_000
"""Values of the largest schema that is tried, unless it is plain."""

MAX_LEVELS: Final = 150
"""Levels of the deepest."""

SMALL: Final = 200

MAX_PATTERN_TEXT: Final = 100
"""Patterns are not tried on arguments that hold a longer string."""

MAX_FAULTS: Final = 20


class ArgumentFault(Struct, frozen=True):
    """One place where arguments break their schema, or where a schema is invalid."""

    kind: str
    """"required", "type", "enum", "forbidden", "unlisted", "other"; of schemas "schema", "ref", and
    "root" for one that describes no object."""
    path: Pointer
    """Place in the arguments or in the schema."""
    name: str = ""
    """The argument's name, or the keyword."""
    wanted: str = ""
    """What the schema asks for, in its own words."""
    got: str = ""
    """The value there, as short JSON."""


class TooMuchWork(Exception):
    """A validation reached its bound."""


def short(value: Any, limit: int = 60) -> str:
    """A value as JSON on one line, cut to `limit` characters."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (ValueError, TypeError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"


# --- Plain schemas: compiled to a function that proves a value right ---

_IS_TYPE: Final[dict[str, Checker]] = {
    "string": lambda value: type(value) is str,
    "integer": lambda v: type(v) is int or (type(v) is float and v.is_integer()),
    "number": lambda value: type(value) is int or type(value) is float,
    "boolean": lambda value: type(value) is bool,
    "object": lambda value: type(value) is dict,
    "array": lambda value: type(value) is list,
    "null": lambda value: value is None,
}
"""`1.0` is an integer in JSON Schema; a boolean is not a number."""

_NEEDS_WHOLE: Final = frozenset(
    ("$ref", "$dynamicRef", "$recursiveRef", "$schema", "$id", "id", "$anchor", "$dynamicAnchor",
     "$recursiveAnchor", "$defs", "definitions", "$vocabulary", "allOf", "anyOf", "oneOf", "not", "if",
     "then", "else", "dependentSchemas", "dependentRequired", "dependencies", "prefixItems",
     "additionalItems", "contains", "minContains", "maxContains", "uniqueItems", "patternProperties",
     "propertyNames", "minProperties", "maxProperties", "unevaluatedItems", "unevaluatedProperties",
     "pattern", "multipleOf", "contentEncoding", "contentMediaType", "contentSchema")
)  # fmt: skip
"""Keywords that are left to `jsonschema`. Other words have no meaning."""

_HARMLESS: Final[dict[str, type]] = {
    "title": str, "description": str, "format": str, "examples": list, "deprecated": bool,
    "readOnly": bool, "writeOnly": bool, "$comment": str,
}  # fmt: skip
"""Keyword that restricts no value -> the type that it must have itself."""


class _NotPlain(Exception):
    """A schema that only the whole validator can judge."""


def size_of(schema: Any, most: int = MAX_VALUES) -> tuple[int, int]:
    """(values, levels) of a schema, counted as far as `most` values."""
    values = levels = 0
    level = [schema]
    while level and values <= most:
        levels += 1
        values += len(level)
        level = [
            part
            for whole in level
            if type(whole) is dict or type(whole) is list
            for part in (whole.values() if type(whole) is dict else whole)
        ]
    return values, levels


def _number(value: Any) -> bool:
    return type(value) is int or type(value) is float


def _length(value: Any) -> bool:
    return type(value) is int and value >= 0


_LIMITS: Final[dict[str, tuple[Checker, Callable[[Any], Checker]]]] = {
    "minimum": (_number, lambda limit: lambda v: not _number(v) or v >= limit),
    "maximum": (_number, lambda limit: lambda v: not _number(v) or v <= limit),
    "exclusiveMinimum": (_number, lambda limit: lambda v: not _number(v) or v > limit),
    "exclusiveMaximum": (_number, lambda limit: lambda v: not _number(v) or v < limit),
    "minLength": (_length, lambda limit: lambda v: type(v) is not str or len(v) >= limit),
    "maxLength": (_length, lambda limit: lambda v: type(v) is not str or len(v) <= limit),
    "minItems": (_length, lambda limit: lambda v: type(v) is not list or len(v) >= limit),
    "maxItems": (_length, lambda limit: lambda v: type(v) is not list or len(v) <= limit),
}
"""Keyword -> (is this a limit at all, limit -> checker)."""


def _accept(value: Any) -> bool:
    del value
    return True


def compile_plain(schema: Any, depth: int = 0) -> Checker:
    """The checker of a plain schema, which thereby is known to be a valid one.

    Raises:
        _NotPlain: the schema needs the whole validator, or is invalid.
    """
    if schema is True:
        return _accept
    if type(schema) is not dict or depth > 20:
        raise _NotPlain
    checks: list[Checker] = []
    for key, value in schema.items():
        if key in _HARMLESS:
            if type(value) is not _HARMLESS[key]:
                raise _NotPlain
        elif key in _NEEDS_WHOLE:
            raise _NotPlain
        elif key == "type":
            checks.append(_compile_type(value))
        elif key == "enum":
            checks.append(_compile_enum(value))
        elif key == "const":
            checks.append(_compile_enum([value]))
        elif key == "items":
            checks.append(_compile_items(compile_plain(value, depth + 1)))
        elif key in _LIMITS:
            fits, make = _LIMITS[key]
            if not fits(value):
                raise _NotPlain
            checks.append(make(value))
    if "properties" in schema or "required" in schema or "additionalProperties" in schema:
        checks.append(_compile_object(schema, depth))
    if len(checks) == 1:
        return checks[0]
    if len(checks) == 2:
        first, second = checks
        return lambda value: first(value) and second(value)
    return lambda value: all(check(value) for check in checks)


def _compile_type(value: Any) -> Checker:
    names = [value] if type(value) is str else value
    if type(names) is not list or not names or not all(type(name) is str for name in names):
        raise _NotPlain
    if len(set(names)) != len(names) or not all(name in _IS_TYPE for name in names):
        raise _NotPlain
    if len(names) == 1:
        return _IS_TYPE[names[0]]
    checks = [_IS_TYPE[name] for name in names]
    return lambda value: any(check(value) for check in checks)


def _compile_enum(values: Any) -> Checker:
    if type(values) is not list:
        raise _NotPlain
    simple = frozenset((type(value), value) for value in values if type(value) in (str, int, bool))
    return lambda value: type(value) in (str, int, bool) and (type(value), value) in simple


def _compile_items(check: Checker) -> Checker:
    return lambda value: type(value) is not list or all(map(check, value))


def _compile_object(schema: dict[str, Any], depth: int) -> Checker:
    properties = schema.get("properties", {})
    required = schema.get("required", [])
    others = schema.get("additionalProperties")
    if type(properties) is not dict or type(required) is not list:
        raise _NotPlain
    if not all(type(name) is str for name in required) or len(set(required)) != len(required):
        raise _NotPlain
    if others is not None and type(others) is not bool:
        raise _NotPlain
    checks = {name: compile_plain(part, depth + 1) for name, part in properties.items()}
    needed = frozenset(required)
    free = others is True or (others is None and not properties and depth > 0)

    def check(value: Any) -> bool:
        if type(value) is not dict:
            return True
        if not needed <= value.keys():
            return False
        for name, part in value.items():
            known = checks.get(name)
            if known is None:
                if not free:
                    return False
            elif not known(part):
                return False
        return True

    return check


# --- Valid schemas: proven so without `jsonschema`, which takes a thousand times as long ---

_VALID: Final[dict[str, str]] = {
    **dict.fromkeys(
        ("items", "contains", "additionalProperties", "propertyNames", "if", "then", "else", "not",
         "unevaluatedItems", "unevaluatedProperties", "contentSchema"), "schema"),
    **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), "schemas"),
    **dict.fromkeys(
        ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas"), "named"),
    **dict.fromkeys(
        ("$ref", "$comment", "title", "description", "format", "pattern", "contentEncoding",
         "contentMediaType"), "text"),
    **dict.fromkeys(("deprecated", "readOnly", "writeOnly", "uniqueItems"), "flag"),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), "number"),
    **dict.fromkeys(
        ("minLength", "maxLength", "minItems", "maxItems", "minContains", "maxContains",
         "minProperties", "maxProperties"), "length"),
    **dict.fromkeys(("enum", "examples"), "list"),
    "type": "type", "required": "names",
    **dict.fromkeys(
        ("$id", "$schema", "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor",
         "$recursiveRef", "$vocabulary", "dependencies", "dependentRequired", "multipleOf"), "odd"),
}  # fmt: skip
"""Keyword of draft 2020-12 -> what its value must be; the odd ones are left to `jsonschema`."""


def surely_valid(schema: Any) -> bool:
    """Whether a schema certainly is a valid one of draft 2020-12; False where it may not be."""
    stack = [schema]
    while stack:
        part = stack.pop()
        if type(part) is bool:
            continue
        if type(part) is not dict:
            return False
        for key, value in part.items():
            kind = _VALID.get(key)
            if kind is None:
                continue  # not a keyword
            if kind == "schema":
                stack.append(value)
            elif kind == "schemas" and type(value) is list and value:
                stack += value
            elif kind == "named" and type(value) is dict:
                stack += value.values()
            elif not _is_kind(kind, value):
                return False
    return True


def _is_kind(kind: str, value: Any) -> bool:
    match kind:
        case "text":
            return type(value) is str
        case "flag":
            return type(value) is bool
        case "number":
            return _number(value)
        case "length":
            return _length(value)
        case "list":
            return type(value) is list
        case "type":
            names = [value] if type(value) is str else value
            return _unique_texts(names) and bool(names) and all(name in _IS_TYPE for name in names)
        case "names":
            return _unique_texts(value)
    return False


def _unique_texts(value: Any) -> bool:
    return (
        type(value) is list
        and all(type(name) is str for name in value)
        and len(set(value)) == len(value)
    )


# --- What is wrong with arguments under a plain schema, in the words of `jsonschema` ---


def plain_faults(schema: Any, value: Any, path: Pointer = ()) -> Iterator[ArgumentFault]:
    """Where a value breaks a plain schema, in the order of the schema's keywords."""
    if schema is True:
        return
    name = ".".join(map(str, path))
    for key, wanted in schema.items():
        if key == "type":
            names = [wanted] if type(wanted) is str else wanted
            if not any(_IS_TYPE[one](value) for one in names) and not (
                value is None and schema.get("nullable") is True  # OpenAPI's way to allow null
            ):
                yield ArgumentFault("type", path, name, " | ".join(names), short(value))
        elif key == "enum" or key == "const":
            if not any(_equal(value, one) for one in (wanted if key == "enum" else [wanted])):
                yield ArgumentFault("enum", path, name, short(wanted, 120), short(value))
        elif key == "items":
            if type(value) is list:
                for index, item in enumerate(value):
                    yield from plain_faults(wanted, item, (*path, index))
        elif key == "properties":
            if type(value) is dict:
                for prop, part in wanted.items():
                    if prop in value:
                        yield from plain_faults(part, value[prop], (*path, prop))
        elif key == "required":
            if type(value) is dict:
                for prop in wanted:
                    if prop not in value:
                        yield ArgumentFault("required", path, ".".join((*map(str, path), prop)))
        elif key == "additionalProperties":
            if wanted is False and type(value) is dict:
                listed = schema.get("properties", {})
                extra = [prop for prop in value if prop not in listed]
                if extra:
                    yield ArgumentFault("forbidden", path, ", ".join(extra[:5]), got=short(value))
        elif key in _LIMITS and not _LIMITS[key][1](wanted)(value):
            yield ArgumentFault("other", path, name, f"{key}: {short(wanted)}", short(value))


def _equal(one: Any, other: Any) -> bool:
    """Equality as JSON Schema has it: 1 is 1.0, but true is not 1."""
    if type(one) is bool or type(other) is bool:
        return type(one) is type(other) and one == other
    if type(one) is list and type(other) is list:
        return len(one) == len(other) and all(map(_equal, one, other))
    if type(one) is dict and type(other) is dict:
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    return bool(one == other)


# --- Patterns: only those that can't hang ---


@cache
def pattern_cost(pattern: str) -> tuple[int, int] | None:
    """(exponent, factor) of the work that a search takes on a text of length n, at the worst.

    None for a pattern that may take far more, or that can't be judged: repeats inside an unbounded
    repeat, alternatives there, references back, looking around, more than 500 characters, or no
    pattern of Python's.
    """
    if len(pattern) > 500:
        return None
    try:
        from re import _parser  # type: ignore[attr-defined]  # the parser has no public name

        parsed = _parser.parse(pattern)
        re.compile(pattern)
        exponent, factor = _sequence_cost(parsed)
    except (re.error, RecursionError, OverflowError, _NotPlain):
        return None
    anchored = bool(parsed) and str(parsed[0][0]) == "AT" and "BEGINNING" in str(parsed[0][1])
    exponent += not anchored
    return (exponent, factor) if exponent <= 3 and factor <= 1000 else None


def _sequence_cost(parsed: Any) -> tuple[int, int]:
    exponent, factor = 0, 1
    for operation, argument in parsed:
        e, f = _part_cost(str(operation), argument)
        exponent += e
        factor *= f
        if exponent > 3 or factor > 1000:
            raise _NotPlain
    return exponent, factor


def _part_cost(operation: str, argument: Any) -> tuple[int, int]:
    if operation in ("LITERAL", "NOT_LITERAL", "ANY", "IN", "AT", "CATEGORY"):
        return 0, 1
    if operation == "SUBPATTERN":
        return _sequence_cost(argument[3])
    if operation == "BRANCH":
        costs = [_sequence_cost(branch) for branch in argument[1]]
        return max(e for e, _ in costs), sum(f for _, f in costs)
    if operation in ("MAX_REPEAT", "MIN_REPEAT"):
        least, most, body = argument
        exponent, factor = _sequence_cost(body)
        if most > 200:
            if exponent or factor > 1:
                raise _NotPlain
            return 1, 1
        if factor > 1 and most > 10:
            raise _NotPlain
        return exponent * most, factor**most * (most - least + 1)
    raise _NotPlain


def _patterns(schema: Any) -> Iterator[str]:
    stack = [schema]
    while stack:
        part = stack.pop()
        if isinstance(part, dict):
            if isinstance(part.get("pattern"), str):
                yield part["pattern"]
            if isinstance(part.get("patternProperties"), dict):
                yield from part["patternProperties"]
            stack += part.values()
        elif isinstance(part, list):
            stack += part


_PATTERN_KEYS: Final = ("pattern", "patternProperties")
_NEED_PATTERNS: Final = ("additionalProperties", "unevaluatedProperties")
"""Keywords whose meaning depends on `patternProperties` beside them."""


def _without_patterns(schema: Any) -> Any:
    """The schema with every keyword left out that would run a pattern."""
    if isinstance(schema, list):
        return [_without_patterns(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    left_out: tuple[str, ...] = _PATTERN_KEYS
    if "patternProperties" in schema:
        left_out += _NEED_PATTERNS
    return {
        key: _without_patterns(part)
        for key, part in schema.items()
        if not (key in left_out and isinstance(part, str | dict | bool))
    }


def _longest_string(value: Any) -> int:
    longest = 0
    stack = [value]
    while stack:
        part = stack.pop()
        if isinstance(part, str):
            longest = max(longest, len(part))
        elif isinstance(part, dict):
            stack += part.keys()
            stack += part.values()
        elif isinstance(part, list):
            stack += part
    return longest


# --- The whole validator, with a bound on its work ---


class _Work(threading.local):
    done = 0
    limit = MAX_WORK
    wasted = 0
    sizes: dict[int, int]
    """Identity of each list and object of the value -> about how many characters it is printed in."""


def forget_waste() -> None:
    """A run begins."""
    _work.wasted = 0


_work = _Work()


def _spend(units: int) -> None:
    _work.done += units
    if _work.done > _work.limit:
        raise TooMuchWork


def _sizes(value: Any) -> dict[int, int]:
    found: dict[int, int] = {}
    order = [value]
    for part in order:  # grows on the way: what holds comes before what is held
        if type(part) is dict:
            order += part.values()
        elif type(part) is list:
            order += part
    for part in reversed(order):
        if type(part) is dict:
            keys = sum(map(len, part))
            found[id(part)] = keys + sum(_printed(item, found) for item in part.values())
        elif type(part) is list:
            found[id(part)] = sum(_printed(item, found) for item in part)
    return found


def _printed(value: Any, sizes: dict[int, int]) -> int:
    return 8 + (len(value) if type(value) is str else sizes.get(id(value), 0))


def _counted(function: Any) -> Any:
    def check(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
        # What does not fit is printed whole into a message.
        _spend(KEYWORD_WORK + _printed(instance, _work.sizes))
        return function(validator, value, instance, schema)

    return check


def _pattern(validator: Any, pattern: Any, instance: Any, schema: Any) -> Iterator[Any]:
    del validator, schema
    from jsonschema import ValidationError

    if not isinstance(instance, str) or not isinstance(pattern, str):
        return
    cost = pattern_cost(pattern)
    if cost is None or len(instance) > MAX_PATTERN_TEXT:
        return
    _spend(max(1, len(instance)) ** cost[0] * cost[1])
    if not re.search(pattern, instance):
        yield ValidationError(f"does not match {pattern!r}")


def _unique_items(validator: Any, unique: Any, instance: Any, schema: Any) -> Iterator[Any]:
    del validator, schema
    from jsonschema import ValidationError

    if unique is True and isinstance(instance, list):
        _spend(KEYWORD_WORK * (1 + len(instance)))
        texts = {json.dumps(item, sort_keys=True) for item in instance}
        if len(texts) != len(instance):
            yield ValidationError("has equal entries")


@cache
def _drafts() -> dict[str, Any]:
    """Validator classes by `$schema` (without a last #), the first the default; all bounded."""
    import jsonschema
    from jsonschema.validators import extend

    found: dict[str, Any] = {}
    for draft in (
        jsonschema.Draft202012Validator,
        jsonschema.Draft7Validator,
        jsonschema.Draft4Validator,
        jsonschema.Draft201909Validator,
        jsonschema.Draft6Validator,
    ):
        keywords = {name: _counted(function) for name, function in draft.VALIDATORS.items()}
        keywords |= {"pattern": _pattern, "uniqueItems": _unique_items}
        url = draft.META_SCHEMA.get("$schema", "")
        found[str(url).rstrip("#")] = extend(draft, keywords)
    return found


def _validator(draft: Any, schema: Any) -> Any:
    from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]

    return draft(schema, registry=REGISTRY)  # the drafts' own texts, and no way to fetch others


def _errors(draft: Any, schema: Any, value: Any) -> list[Any] | None:
    """The first errors; None where the validator can't say (too much work, a reference to nowhere)."""
    _work.done = 0
    _work.limit = MAX_WORK if _work.wasted <= MAX_WASTE else LITTLE_WORK
    _work.sizes = _sizes(value)
    errors = []
    try:
        for error in _validator(draft, schema).iter_errors(value):
            errors.append(error)
            if len(errors) >= MAX_FAULTS:
                break
    except Exception:  # a hostile schema can make the validator raise anything
        return None
    finally:
        _work.sizes = {}
    return errors


def _as_written(value: Any, path: Iterable[Any]) -> list[int]:
    """Where a place stands among others, as the value is written."""
    order = []
    for part in path:
        if isinstance(value, dict) and part in value:
            order.append(list(value).index(part))
        elif isinstance(value, list) and isinstance(part, int):
            order.append(part)
        else:
            break
        value = value[part]
    return order


def _spent() -> bool:
    """Whether the last validation gave no result because it took too much work."""
    if _work.done <= _work.limit:
        return False
    _work.wasted += _work.done
    return True


class ArgumentSchema:
    """The `parameters` of one tool. Made once for each distinct tool; what costs time comes late."""

    def __init__(self, schema: Any) -> None:
        self.schema = _without_null_properties(schema)
        self._unjudged = False
        self.unchecked = False
        """The arguments of a call took too much work: those of no further call are looked at."""
        self._plain: Checker | None
        try:
            self._plain = compile_plain(self.schema)
        except _NotPlain:
            self._plain = None

    def fits(self, arguments: Any) -> bool:
        """Whether the arguments certainly match; False where they may not."""
        return self._plain is not None and self._plain(arguments)

    @cached_property
    def _unwieldy(self) -> bool:
        """Whether the schema is too large or too deep to be tried."""
        if self._plain is not None:
            return False
        values, levels = size_of(self.schema)
        wasted = _work.wasted > MAX_WASTE and values > SMALL
        return wasted or values > MAX_VALUES or levels > MAX_LEVELS

    @property
    def unjudged(self) -> bool:
        """Whether it takes too much work to say whether the schema is one: no call is looked at."""
        _ = self._judged
        return self._unjudged

    @cached_property
    def _judged(self) -> tuple[Any, list[ArgumentFault]]:
        """(the draft under which the schema is valid or None, what is wrong with the schema)."""
        if self._plain is not None:
            return None, []
        if not isinstance(self.schema, dict):
            return None, [ArgumentFault("schema", (), "parameters", got=short(self.schema))]
        if self._unwieldy:
            self._unjudged = True
            return None, []
        drafts = _drafts()
        if surely_valid(self.schema):
            return next(iter(drafts.values())), _reference_faults(self.schema)
        named = self.schema.get("$schema")
        known = drafts.get(named.rstrip("#")) if isinstance(named, str) else None
        first: list[Any] = []
        for draft in [known] if known is not None else list(drafts.values())[:3]:
            errors = _errors(draft, draft.META_SCHEMA, self.schema)
            if errors is None:
                self._unjudged = _spent()
                return None, []
            if not errors:
                return draft, _reference_faults(self.schema)
            first = first or errors
        # The library finds them in an order that differs from run to run.
        first.sort(key=lambda error: _as_written(self.schema, error.absolute_path))
        return None, _schema_faults(first)

    @property
    def faults(self) -> list[ArgumentFault]:
        """Where the schema itself is not a valid JSON Schema. Paths lead into the schema."""
        found = self._judged[1]
        kind = self.schema.get("type", "object") if isinstance(self.schema, dict) else "object"
        if not found and kind != "object" and not (isinstance(kind, list) and "object" in kind):
            return [ArgumentFault("root", ("type",), "type", got=short(kind))]
        return found

    def errors(self, arguments: Any) -> list[ArgumentFault]:
        """Where arguments break the schema; [] when they don't, or when that is unknown."""
        if self.fits(arguments) or self.unchecked:
            return []
        if self._plain is not None:
            found = _together(list(islice(plain_faults(self.schema, arguments), MAX_FAULTS)))
        else:
            draft = self._judged[0]
            if draft is None:
                return []
            schema = self._with_patterns
            if schema is not self._bare and _longest_string(arguments) > MAX_PATTERN_TEXT:
                schema = self._bare
            errors = _errors(draft, schema, arguments)
            if errors is None:
                self.unchecked = _spent()
                return []
            found = _together([fault for error in errors for fault in _argument_faults(error)])
        found += _unlisted(self.schema, arguments, ())
        return list(dict.fromkeys(found))[:MAX_FAULTS]

    @cached_property
    def _bare(self) -> Any:
        return _without_patterns(self.schema) if any(True for _ in _patterns(self.schema)) else self.schema  # fmt: skip

    @cached_property
    def _with_patterns(self) -> Any:
        tame = all(pattern_cost(pattern) is not None for pattern in _patterns(self.schema))
        return self.schema if tame else self._bare


def _without_null_properties(schema: Any) -> Any:
    """Null properties are left over from a padded table; the official script takes them out."""
    if isinstance(schema, dict) and isinstance(schema.get("properties"), dict):
        properties = schema["properties"]
        if any(part is None for part in properties.values()):
            kept = {name: part for name, part in properties.items() if part is not None}
            return {**schema, "properties": kept}
    return schema


def _schema_faults(errors: list[Any]) -> list[ArgumentFault]:
    found: dict[Pointer, ArgumentFault] = {}
    for error in errors:
        path = tuple(error.absolute_path)
        name = next((part for part in reversed(path) if isinstance(part, str)), "parameters")
        found.setdefault(path, ArgumentFault("schema", path, name, got=short(error.instance)))
    return list(found.values())


def _reference_faults(schema: dict[str, Any]) -> list[ArgumentFault]:
    """References out of the tool, and references to a place that is not there."""
    found: list[ArgumentFault] = []
    stack: list[tuple[Pointer, Any]] = [((), schema)]
    while stack and len(found) < MAX_FAULTS:
        path, part = stack.pop()
        if isinstance(part, dict):
            target = part.get("$ref")
            inside_names = bool(path) and path[-1] in ("properties", "$defs", "definitions")
            if isinstance(target, str) and not inside_names and not _resolves(target, schema):
                found.append(ArgumentFault("ref", (*path, "$ref"), "$ref", got=target[:80]))
            stack += [((*path, key), value) for key, value in part.items()]
        elif isinstance(part, list):
            stack += [((*path, index), value) for index, value in enumerate(part)]
    return found


def _resolves(target: str, schema: dict[str, Any]) -> bool:
    if target == "#":
        return True
    if not target.startswith("#/"):
        return target.startswith("#") or target.rstrip("#") in _drafts()
    place: Any = schema
    for part in target[2:].split("/"):
        part = part.replace("~1", "/").replace("~0", "~")
        if isinstance(place, dict) and part in place:
            place = place[part]
        elif isinstance(place, list) and part.isdecimal() and int(part) < len(place):
            place = place[int(part)]
        else:
            return "%" in target
    return True


def _argument_faults(error: Any) -> list[ArgumentFault]:
    path = tuple(error.absolute_path)
    name = ".".join(str(part) for part in path)
    keyword = str(error.validator)
    got = short(error.instance)
    if keyword == "required":
        # One error for each missing name: the message starts with the one that it is about.
        keys = [key for key in error.validator_value if error.message.startswith(f"{key!r} is")]
        missing = ".".join((*map(str, path), str(keys[0]) if keys else ""))
        return [ArgumentFault("required", path, missing)]
    if keyword == "type":
        if error.instance is None and error.schema.get("nullable") is True:
            return []  # OpenAPI's way to allow null
        wanted = error.validator_value
        text = wanted if isinstance(wanted, str) else " | ".join(map(str, wanted))
        return [ArgumentFault("type", path, name, text, got)]
    if keyword in ("enum", "const"):
        return [ArgumentFault("enum", path, name, short(error.validator_value, 120), got)]
    if keyword in ("additionalProperties", "unevaluatedProperties") and isinstance(
        error.instance, dict
    ):
        listed = error.schema.get("properties", {})
        extra = [key for key in error.instance if key not in listed]
        return [ArgumentFault("forbidden", path, ", ".join(map(str, extra[:5])), got=got)]
    wanted = f"{keyword}: {short(error.validator_value)}" if error.validator else keyword
    return [ArgumentFault("other", path, name, wanted, got)]


def _together(faults: list[ArgumentFault]) -> list[ArgumentFault]:
    """The faults; all names that are missing in one place become one fault."""
    missing: dict[Pointer, list[str]] = {}
    for fault in faults:
        if fault.kind == "required":
            missing.setdefault(fault.path, []).append(fault.name)
    return [
        *(ArgumentFault("required", path, ", ".join(names)) for path, names in missing.items()),
        *(fault for fault in faults if fault.kind != "required"),
    ]


_SAYS_MORE: Final = frozenset(
    (
        "patternProperties",
        "allOf",
        "anyOf",
        "oneOf",
        "if",
        "$ref",
        "$dynamicRef",
        "dependentSchemas",
    )
)
"""Beside one of these, `properties` is not the whole list of names."""


def _unlisted(schema: Any, arguments: Any, path: Pointer) -> list[ArgumentFault]:
    """Names that the schema does not list where it does not forbid them either."""
    found: list[ArgumentFault] = []
    if not isinstance(schema, dict) or len(path) > 20 or not _SAYS_MORE.isdisjoint(schema):
        return found
    if isinstance(arguments, dict):
        properties = schema.get("properties")
        properties = properties if isinstance(properties, dict) else {}
        closed = bool(properties) or not path
        if (
            closed
            and "additionalProperties" not in schema
            and "unevaluatedProperties" not in schema
        ):
            wanted = ", ".join(islice(properties, 10))
            unknown = (name for name in arguments if name not in properties)
            found += [
                ArgumentFault("unlisted", path, str(name), wanted=wanted)
                for name in islice(unknown, MAX_FAULTS)
            ]
        for name, part in properties.items():
            if name in arguments:
                found += _unlisted(part, arguments[name], (*path, name))
    elif isinstance(arguments, list) and isinstance(schema.get("items"), dict):
        for index, item in enumerate(arguments[:100]):
            found += _unlisted(schema["items"], item, (*path, index))
    return found[:MAX_FAULTS]
