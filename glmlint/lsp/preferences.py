"""The settings of a document: those of the editor, then `glmlint.toml` upwards from the file."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from glmlint.app.settings import require_valid, resolve
from glmlint.lsp.check import MOST_FINDINGS
from glmlint.lsp.words import WORDS
from glmlint.plan import Plan
from glmlint.text import Told

_CAPITAL: Final = re.compile(r"(?<=[a-z0-9])([A-Z])")


def flags_of(options: Any) -> dict[str, Any]:
    """The editor's settings by the names of the flags: `maxLength` is `max-length`.

    Raises:
        Told: they are none.
    """
    if options is None:
        return {}
    if not isinstance(options, dict):
        raise Told(WORDS["no-object"])
    flags = {
        _CAPITAL.sub(lambda match: "-" + match[1].lower(), str(name)).replace("_", "-"): value
        for name, value in options.items()
        if value is not None
    }
    config = flags.pop("config", None)
    require_valid(flags, WORDS["options"])
    return flags if config is None else {**flags, "config": str(config)}


def plan_of(flags: Mapping[str, Any], path: str | None, folder: str | None, lang: str) -> Plan:
    """The plan of one document.

    Args:
        flags: the editor's settings.
        path: the document's file; None for one without.
        folder: where the settings of a document without a file are looked for; None: here.
        lang: the language where no settings name one.

    Raises:
        Told: a setting that can't be used.
    """
    paths = [name for name in (path or folder,) if name is not None]
    # With the flag's name there, the baseline of the settings file holds as in `check`.
    plan = resolve({"baseline": None, **flags}, paths)
    if plan.origins.get("lang") is None:
        plan = dataclasses.replace(plan, lang=lang)
    return dataclasses.replace(
        plan, max_findings=min(plan.max_findings, MOST_FINDINGS), write_baseline=False,
        add_ignores=False, profile_rules=False,
    )  # fmt: skip


def path_of(uri: str) -> str | None:
    """The path of a `file:` URI; None for any other, and for one that can be no path here."""
    try:
        parts = urlsplit(uri)
        path = unquote(parts.path)
        os.fsencode(path)
    except ValueError:
        return None
    if parts.scheme != "file" or not path or "\0" in path:
        return None
    if re.match(r"/[A-Za-z]:", path):
        path = path[1:]
    return f"//{parts.netloc}{path}" if parts.netloc not in ("", "localhost") else path


def name_of(uri: str, language: str) -> str:
    """What a document without a file is called; its ending says how rows stand in it."""
    ending = ".json" if language == "json" else ".jsonl"
    name = re.sub(r"[^\w.-]+", "-", unquote(uri.rpartition("/")[2]), flags=re.ASCII)[-80:]
    return name if name.lower().endswith((".json", ".jsonl", ".ndjson")) else f"{name}{ending}"
