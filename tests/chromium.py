"""A headless Chromium: Debian's, which `make chromium` installs, driven by Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium-headless-shell", "chromium", "google-chrome")


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """Keep a browser for the length of the block."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    assert program, "there is no Chromium: run `make chromium`"
    # A sandbox needs a user other than root; the pages are our own.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()
