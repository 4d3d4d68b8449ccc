"""Take the pictures of the page anew: python docs/pictures.py CLIP

CLIP is a recording that may be published, of the built-in corpus say (spoofproof list corpora). Needs the extra web and a
Chromium; writes docs/img/page-1280.png and page-390.png. Look at them before they are committed.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent / "tests"))

import browser  # noqa: E402
from service import service  # noqa: E402


def main(clip: Path) -> None:
    """One visit for each width: choose the file, wait for the answer, take the picture of its upper part."""
    with tempfile.TemporaryDirectory() as folder, service(Path(folder) / "state") as served:
        for width, height in ((1280, 1600), (390, 1760)):
            with browser.browser() as tab:
                tab.size(width, height)
                tab.go(served.url)
                tab.until("document.querySelector('#corruption').options.length > 5")
                tab.choose_file("#file", clip)
                tab.until("document.querySelector('#status').innerText.startsWith('Done')")
                tab.run("window.scrollTo(0, 0)")
                tab.picture(DOCS / "img" / f"page-{width}.png", full=False)
                print(width, tab.text("#verdict"), "\n".join(tab.said))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
