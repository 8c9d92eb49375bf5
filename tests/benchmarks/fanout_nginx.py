"""nginx with nchan, the fastest fan-out that others run, as a process of its own over a folder of its own.

Where they are not installed, Debian's packages are fetched and unpacked into that folder, which changes nothing on the
machine and starts nothing.
"""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACKAGES = ("nginx", "libnginx-mod-nchan")
MODULE = "usr/lib/nginx/modules/ngx_nchan_module.so"
START_SECONDS = 10
NAMESPACE = ("unshare", "--mount", "--map-root-user")
"""nchan asks for a folder in /var/lib whatever the configuration says: it sees one of its own."""

CONFIGURATION = """\
user root;
load_module {module};
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 20000; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000;
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location = /publish {{ nchan_publisher http; nchan_channel_id readings; nchan_message_buffer_length 1; }}
    location = /api/v1/stream {{
      nchan_subscriber websocket; nchan_channel_id readings; nchan_subscriber_first_message newest;
    }}
  }}
}}
"""


class NotToBeHad(Exception):
    """There is no nginx with nchan here; the reason says what to install."""


def find(folder: Path) -> tuple[Path, Path]:
    """The programme and the module: installed ones, or unpacked into ``folder``.

    Raises:
        NotToBeHad: neither is possible.
    """
    installed = Path(shutil.which("nginx") or "/usr/sbin/nginx"), Path("/") / MODULE
    unpacked = folder / "usr/sbin/nginx", folder / MODULE
    for found in (installed, unpacked):
        if all(path.exists() for path in found):
            return found
    folder.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(["apt-get", "download", "-qq", *PACKAGES], cwd=folder, check=True, capture_output=True)
        for package in folder.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, folder], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NotToBeHad(f"install {' and '.join(PACKAGES)} to compare with nchan ({error})") from error
    return unpacked


@contextmanager
def running(folder: Path, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """nginx on ``port``: subscribers at ``/api/v1/stream``, messages by POST to ``/publish``.

    Raises:
        NotToBeHad: see :func:`find`; or it does not start.
    """
    programme, module = find(folder / "packages")
    configuration = folder / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(module=module, folder=folder, port=port))
    command = f"mount -t tmpfs none /var/lib && mkdir /var/lib/nginx && exec {programme} -p {folder} -c {configuration}"
    process = subprocess.Popen([*NAMESPACE, "sh", "-c", command], stderr=subprocess.DEVNULL)
    try:
        _wait(process, port)
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise NotToBeHad("nginx does not start")
