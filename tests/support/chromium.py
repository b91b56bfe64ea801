"""A real Chromium for tests, without a network of its own and with a log of what it asks for."""

import contextlib
import io

import servers


@contextlib.contextmanager
def chromium():
    """The browser; a test asks it for contexts."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=servers.program("chromium"), args=["--no-sandbox"]
        )
        try:
            yield browser
        finally:
            browser.close()


def is_grey(page, tolerance=24):
    """Whether no pixel of the page has a colour."""
    import numpy as np
    from PIL import Image

    pixels = np.asarray(Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB"))
    spread = pixels.max(axis=2).astype(int) - pixels.min(axis=2)
    # The page's greys have a little blue in them; a colour of an alarm has a spread of 100.
    return int(spread.max()) <= tolerance
