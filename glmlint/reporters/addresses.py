"""Where files and rules' pages stand for those who read a report elsewhere: paths, URIs, URLs."""

from __future__ import annotations

import json
import os
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Final
from urllib.parse import quote

_ROOTS: Final = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")
"""Where GitHub and GitLab say that the checkout is."""


def in_repository(path: str) -> str | None:
    """The path from the root of the checkout, with forward slashes; None for what is not in it.

    Bytes that are no UTF-8 are kept as Python holds them. Without a CI system the root is the
    current folder.
    """
    if path == "-":
        return None
    here = str(Path.cwd())
    relative = os.path.normpath(os.path.join(_below_root(here), _from(here, path)))  # noqa: PTH118
    relative = relative.replace(os.sep, "/")
    outside = relative == ".." or relative.startswith(("../", "/"))
    return None if outside else relative


def _from(folder: str, path: str) -> str:
    try:
        return os.path.relpath(path, folder)
    except ValueError:  # another drive
        return os.path.abspath(path)  # noqa: PTH100


@cache
def _below_root(folder: str) -> str:
    """The way from the root of the checkout to a folder; "" where the folder is the root."""
    for name in _ROOTS:
        root = os.environ.get(name)
        if root:
            way = _from(os.path.realpath(root), os.path.realpath(folder))
            if way != ".." and not way.startswith((".." + os.sep, os.sep)):
                return "" if way == "." else way
    return ""


def uri(path: str) -> str:
    """A path as a part of a URI: any byte that a URI can't hold is percent-encoded."""
    return quote(raw(path), safe="/")


def raw(path: str) -> bytes:
    """The bytes of a path; of a name that no file can have, those of what is shown of it."""
    try:
        return path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return path.encode("utf-8", "backslashreplace")


def file_uri(path: str) -> str:
    """A `file:` URI of a path."""
    absolute = os.path.abspath(path).replace(os.sep, "/")  # noqa: PTH100
    return "file://" + uri(absolute if absolute.startswith("/") else f"/{absolute}")


def as_text(path: str) -> str:
    """A path in which bytes that are no UTF-8 are written as escapes: some readers stop at them."""
    return raw(path).decode("utf-8", "backslashreplace")


def page_url(docs_url: str, rule: str) -> str | None:
    """The URL of a rule's page; None where it is not known where the documentation stands.

    Args:
        docs_url: as in `ReporterOptions`.
        rule: its name.
    """
    base = pages_url(docs_url)
    # A code host shows the file itself, a site its page.
    return base and f"{base}/rules/{rule}" + ".md" * ("/blob/" in base)


def pages_url(docs_url: str) -> str | None:
    """The URL of the documentation: the one given, or the repository from which pip installed."""
    base = docs_url or _installed_from()
    if not base.startswith(("https://", "http://")) or "@" in base:  # no password goes out
        return None
    return quote(base, safe=":/%~+,=&?#")


@cache
def _installed_from() -> str:
    """The documentation in the repository and commit that pip installed from (PEP 610), or ""."""
    try:
        source = json.loads(metadata.distribution("glmlint").read_text("direct_url.json") or "")
        url = str(source["url"]).removesuffix(".git")
        return f"{url}/blob/{source['vcs_info']['commit_id']}/docs"
    except (metadata.PackageNotFoundError, OSError, ValueError, KeyError, TypeError):
        return ""
