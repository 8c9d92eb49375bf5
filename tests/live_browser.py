"""What tests and bench of the live page share: a cable to cut, the traffic to look at, the readings on screen."""

import csv
import io
import selectors
import socket
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Locator, Page, WebSocket

BROWSER_ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"]
_PIECE = 65_536


class Cable:
    """TCP between the browser and the gateway, which can be cut: then neither end is told, as with a real one.

    The browser is led here by :attr:`browser_arguments`; the page knows nothing of it.
    """

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._selector = selectors.DefaultSelector()
        self._peers: dict[socket.socket, socket.socket | None] = {}
        self._is_cut = threading.Event()
        self._mended = threading.Event()
        self._closed = threading.Event()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def browser_arguments(self) -> list[str]:
        """What has Chromium use this cable instead of the straight way."""
        here = self._listener.getsockname()[1]
        return [f"--host-resolver-rules=MAP 127.0.0.1:{self._target[1]} 127.0.0.1:{here}"]

    def cut(self) -> None:
        """From now on nothing gets through, and nobody is told."""
        self._is_cut.set()

    def mend(self) -> None:
        """Let new connections through; what was sent into the cut one is lost, so those end."""
        self._mended.set()
        self._is_cut.clear()

    def close(self) -> None:
        """Stop."""
        self._closed.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._closed.is_set():
            if self._mended.is_set():
                self._mended.clear()
                for one in list(self._peers):
                    self._drop(one)
            if self._is_cut.wait(0.0):
                self._closed.wait(0.05)
                continue
            for key, _ in self._selector.select(0.05):
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    self._pass_on(key.fileobj)  # type: ignore[arg-type]  # only sockets are registered
        for one in list(self._peers):
            self._drop(one)
        self._listener.close()

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        try:
            far = socket.create_connection(self._target, timeout=5)
        except OSError:
            near.close()
            return
        self._peers |= {near: far, far: near}
        for one in (near, far):
            self._selector.register(one, selectors.EVENT_READ)

    def _pass_on(self, one: socket.socket) -> None:
        peer = self._peers.get(one)
        try:
            piece = one.recv(_PIECE)
            if piece and peer is not None:
                peer.sendall(piece)
                return
        except OSError:
            pass
        self._drop(one)

    def _drop(self, one: socket.socket) -> None:
        for end in (one, self._peers.get(one)):
            if end is not None and end in self._peers:
                del self._peers[end]
                self._selector.unregister(end)
                with suppress(OSError):
                    end.close()


class Traffic:
    """What goes over a page's WebSockets, told apart by their path: Streamlit's own, and the live stream."""

    def __init__(self, page: Page) -> None:
        self.opened: Counter[str] = Counter()
        self.received: Counter[str] = Counter()
        page.on("websocket", self._note)

    def _note(self, websocket: WebSocket) -> None:
        path = urlsplit(websocket.url).path
        self.opened[path] += 1
        websocket.on("framereceived", lambda _: self.received.update([path]))

    @property
    def reruns(self) -> int:
        """Messages from Streamlit's server; a script that runs sends several."""
        return sum(count for path, count in self.received.items() if path.startswith("/_stcore/"))

    @property
    def sockets(self) -> int:
        """How many connections to the gateway were opened."""
        return self.opened["/api/v1/stream"]


def chart(page: Page) -> Locator:
    """The live chart of a page."""
    return page.get_by_test_id("live-chart")


def figure(page: Page, name: str) -> float:
    """A number that the live chart tells of itself; 0 while it does not."""
    text = chart(page).get_attribute(f"data-{name}")
    return float(text) if text else 0.0


def on_screen(page: Page) -> list[tuple[str, str, str]]:
    """Source, category and instant of every reading that the charts show, as the page itself saves them."""
    with page.expect_download() as saved:
        page.get_by_test_id("live-save").click()
    text = Path(saved.value.path()).read_text(encoding="utf-8")
    rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(text)))
    return [(row["source"], row["category"], row["observed_at"]) for row in rows]
