"""Serves a desk: one process, one port, until it is interrupted."""

import ctypes
import errno
import gc
import os
import signal
import socket
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from ssl import SSLError

from foretell.cases.store import Store
from foretell.errors import ForetellError
from foretell.outward import Network
from foretell.serving.oidc import Provider

PATIENCE_SECONDS = 5
"""How long requests that are being answered may take once the desk is closing."""
KEPT_SECONDS = 65
"""How long a connection stays open between two clicks: people read, and opening another costs a handshake."""
_MMAP_THRESHOLD, _ARENA_MAX = -3, -8  # as malloc.h calls them
LARGE_BYTES = 256 * 1024
"""Blocks from this size on go back to the system once they are free."""


@contextmanager
def bound(host: str, port: int) -> Generator[socket.socket, None, None]:
    """Take a port; it is free again at the end.

    Raises:
        ForetellError: when it is taken, or there is no such address here.
    """
    place = f"port {port} of {host}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # Without the protocol asyncio does not know it as TCP, and answers wait 40 ms for an acknowledgement.
        with socket.socket(family, kind, protocol) as listening:
            if os.name == "posix":  # elsewhere it would let two programs share the port
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            yield listening
    except socket.gaierror as error:
        raise ForetellError(f"there is no address '{host}'", "give --host 127.0.0.1") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ForetellError(f"{place} is in use", "give another --port, or 0 for any free one") from error
        if error.errno in (errno.EACCES, errno.EPERM):
            raise ForetellError(f"{place} is not for this user", "give a --port above 1023") from error
        if error.errno == errno.EADDRNOTAVAIL:
            raise ForetellError(f"{host} is no address of this machine", "give --host 127.0.0.1") from error
        raise


def serve(
    store: Store,
    listening: socket.socket,
    cert: Path | None = None,
    cert_key: Path | None = None,
    *,
    private: Sequence[Network] = (),
    provider: Provider | None = None,
    data: Path | None = None,
    tell: Callable[[str], None],
) -> None:
    """Answer requests and send webhooks until the process is interrupted (Ctrl-C) or asked to end (SIGTERM).

    Args:
        listening: as from `bound`.
        cert: certificate chain for https; http when None.
        cert_key: its key, where the chain does not hold it.
        private: networks that webhooks may reach though they are not public.
        provider: by whom people may sign in, besides by password.
        data: folder below which lies what generators may learn from.
        tell: is told where to open the desk.

    Raises:
        ForetellError: when the certificate cannot be used.
    """
    import uvicorn

    from foretell.serving.app import create
    from foretell.serving.webhooks import sending

    config = uvicorn.Config(
        create(store, provider, data),
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=PATIENCE_SECONDS,
        timeout_keep_alive=KEPT_SECONDS,
        ssl_certfile=cert,
        ssl_keyfile=cert_key,
    )
    try:
        config.load()
    except (OSError, SSLError) as error:
        raise ForetellError(f"the certificate {cert} cannot be used: {error}", "name PEM files") from error
    listening.listen(config.backlog)
    tell(f"the desk is open at {address(listening, secure=cert is not None)} (Ctrl-C closes it)")
    hold_little()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # both ways to end are one
    gc.collect()
    gc.freeze()  # else each full collection goes through all that was loaded, 60 ms out of somebody's click
    # uvicorn raises the signal again when it has ended, which is not always seen as an interrupt.
    with suppress(KeyboardInterrupt), sending(store, private):
        uvicorn.Server(config).run(sockets=[listening])
    tell("the desk is closed")


def hold_little() -> None:
    """Have freed memory given back: glibc would keep the 19 MiB of a password's check for each thread."""
    # Other C libraries have no such call, or none of this name.
    if (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_MMAP_THRESHOLD, LARGE_BYTES)
        mallopt(_ARENA_MAX, 1)


def address(listening: socket.socket, *, secure: bool) -> str:
    """Return where a browser finds the desk."""
    host, port = listening.getsockname()[:2]
    shown = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)
    return f"{'https' if secure else 'http'}://{f'[{shown}]' if ':' in shown else shown}:{port}/"
