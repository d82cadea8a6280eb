"""What mkdocs does to the pages beyond rendering them, as they are written for a code host."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
OUTSIDE = "project"
"""The folder of the site for files that pages link to and that are not in docs/."""
SHIM = "https://unpkg.com/iframe-worker/shim"
"""What the theme would load from elsewhere; docs/site/worker.js takes its place."""
WORDS = {
    "Table of contents": "目录",
    'placeholder="Search"': 'placeholder="搜索"',
    "Back to top": "回到顶部",
    "Permanent link": "永久链接",
}
"""What the theme says around each page, in Chinese."""

_LINK = re.compile(r"(\]\()([^)#\s]+)(#[^)\s]*)?(\))")
_FENCE = re.compile(r"^ *(`{3,}|~{3,})")
_ITEM = re.compile(r"^(?:- |\d+\. )")


def on_files(files: Any, config: Any) -> Any:
    """Add the files outside of docs/ that a page links to, and those that they link to."""
    seen: set[Path] = set()
    wait = sorted(DOCS.rglob("*.md"))
    while wait:
        page = wait.pop()
        for target in _targets(page):
            if target.is_relative_to(DOCS) or target in seen or not target.is_file():
                continue
            seen.add(target)
            uri = f"{OUTSIDE}/{target.relative_to(ROOT).as_posix()}"
            files.append(File.generated(config, uri, abs_src_path=str(target)))
            if target.suffix == ".md":
                wait.append(target)
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Point links at the site's files, and write what Python-Markdown reads otherwise."""
    del config, files
    uri = page.file.src_uri
    inside = not uri.startswith(f"{OUTSIDE}/")
    source = DOCS / uri if inside else ROOT / uri.removeprefix(f"{OUTSIDE}/")
    lines, fence = [], ""
    for line in markdown.split("\n"):
        if mark := _FENCE.match(line):
            if not fence:
                fence = mark[1]
            elif mark[1].startswith(fence):
                fence = ""
        elif not fence:
            line = _LINK.sub(lambda found: _pointed(found, source, uri), line)
            if line.startswith("|"):  # a pipe in code needs no backslash here
                line = re.sub(r"`[^`]+`", lambda code: code[0].replace("\\|", "|"), line)
            if _ITEM.match(line) and lines and lines[-1].strip() and not _of_list(lines[-1]):
                lines.append("")
        lines.append(line)
    return "\n".join(lines)


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Say the theme's words in Chinese on Chinese pages, and take the search's shim from here: no network."""
    del config
    shim = os.path.relpath("site/worker.js", Path(page.url).parent)
    output = output.replace(SHIM, shim)
    if page.file.src_uri.startswith("zh/"):
        output = output.replace('<html lang="en"', '<html lang="zh-CN"', 1)
        for word, chinese in WORDS.items():
            output = output.replace(word, chinese)
    return output


def on_post_template(output_content: str, template_name: str, config: Any) -> str:
    """The same for the page of a missing page."""
    del template_name, config
    return output_content.replace(SHIM, "site/worker.js")


def _of_list(line: str) -> bool:
    return bool(_ITEM.match(line)) or line.startswith("  ")


def _targets(page: Path) -> list[Path]:
    text = re.sub(r"(?ms)^(`{3,}).*?^\1", "", page.read_text(encoding="utf-8"))
    found = [match[2] for match in _LINK.finditer(text) if "://" not in match[2]]
    return [Path(os.path.normpath(page.parent / target)) for target in found]


def _pointed(found: re.Match[str], source: Path, uri: str) -> str:
    before, target, anchor, after = found.groups()
    if "://" in target:
        return found[0]
    file = Path(os.path.normpath(source.parent / target))
    if file.is_dir():
        file = file / "README.md"
    if file.is_relative_to(DOCS):
        place = file.relative_to(DOCS).as_posix()
    elif file.is_relative_to(ROOT):
        place = f"{OUTSIDE}/{file.relative_to(ROOT).as_posix()}"
    else:
        return found[0]
    return f"{before}{os.path.relpath(place, Path(uri).parent)}{anchor or ''}{after}"
