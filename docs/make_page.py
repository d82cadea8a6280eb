"""Takes docs/page.png and docs/page_tokens.png of real pages in Chromium: python docs/make_page.py."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from playwright.sync_api import sync_playwright

from glmlint.app.settings import resolve
from glmlint.engine.finish import finish
from glmlint.reporters import html
from glmlint.reporters.base import ReporterOptions
from glmlint.runners.local import check_files
from glmlint.trainer.base import open_context

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = "examples/train.jsonl"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SHOWN_RULE = "over-truncated"


def example_page() -> str:
    """The page of the example file, in English, with the default settings."""
    os.chdir(ROOT)
    plan = replace(resolve({"lang": "en"}, (EXAMPLE,)), excerpts=True, kinds=True)
    context = open_context(plan)
    result = finish(check_files((EXAMPLE,), plan, context), plan, context)
    out = io.StringIO()
    html.write(result, out, ReporterOptions())
    return out.getvalue()


def take_pictures() -> None:
    """Write both pictures."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "page.html"
        file.write_text(example_page(), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 1240})
        page.goto(file.as_uri())
        page.screenshot(path=ROOT / "docs" / "page.png")
        page.fill("#search", SHOWN_RULE)
        page.locator(f".finding:has-text('{SHOWN_RULE}') > button").first.click()
        page.locator(".cutline").scroll_into_view_if_needed()
        page.locator(".t.l").nth(4).hover()
        page.locator(".finding[data-open]").screenshot(path=ROOT / "docs" / "page_tokens.png")
        browser.close()


if __name__ == "__main__":
    take_pictures()
