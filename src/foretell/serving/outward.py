"""One request to another host: to addresses that may be reached alone, no redirect followed, ended in time.

A name is looked up once and the connection goes to what was found, so that it cannot lead elsewhere between
the check and the request. Nothing of the environment's proxies is used.
"""

import http.client
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from foretell.errors import ForetellError

SECONDS = 10.0
"""How long one request may take, from the connection to the end of the answer."""
LARGEST_ANSWER = 1024 * 1024

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
NAT64 = IPv6Network("64:ff9b::/96")
METADATA = (IPv4Address("168.63.129.16"),)
"""Public addresses that clouds answer inside their own networks alone."""


class UnreachableError(ForetellError):
    """The other host may not be reached, or did not answer as it should."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    """Names in small letters."""
    body: bytes = b""


def network_of(text: str) -> Network:
    """Return the network that a text names.

    Raises:
        ValueError: when it names none.

    >>> network_of("127.0.0.1")
    IPv4Network('127.0.0.1/32')
    """
    return ip_network(text)


def request(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None = None,
    *,
    private: Sequence[Network] = (),
    read: bool = False,
    seconds: float = SECONDS,
) -> Answer:
    """Send one request and return the answer.

    Args:
        url: with https, or with http where it leads to this machine.
        private: networks that may be reached though they are not public.
        read: whether the answer's body is read at all.
        seconds: how long all of it may take, besides the look-up of the name.

    Raises:
        UnreachableError: when the address may not be reached, or there is no proper answer in time.
    """
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    found = addresses(host, port, private, secure=secure)
    ended = threading.Event()
    try:
        with _connected(found, host, port, secure, seconds) as line:
            # A host that sends a byte now and then would outlast every time limit of a single read.
            timer = threading.Timer(seconds, _cut, (line, ended))
            timer.daemon = True
            timer.start()
            try:
                if isinstance(line, ssl.SSLSocket):
                    line.do_handshake()
                kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
                connection = kind(host, port)
                connection.sock, connection.auto_open = line, 0  # else it would look the name up again
                connection.request(method, target, body, {"connection": "close", **headers})
                with connection.getresponse() as response:
                    text = response.read(LARGEST_ANSWER) if read else b""
                    told = {name.lower(): value for name, value in response.getheaders()}
                    return Answer(response.status, told, text)
            finally:
                timer.cancel()
    except (OSError, http.client.HTTPException, ValueError) as error:
        late = ended.is_set() or isinstance(error, TimeoutError)
        why = f"gave no answer within {seconds:g} s" if late else f"cannot be asked: {_line(error)}"
        raise UnreachableError(f"{host} {why}", "try again later") from error


def addresses(host: str, port: int, private: Sequence[Network], *, secure: bool) -> tuple[str, ...]:
    """Return the addresses of a host, each of which may be reached.

    Raises:
        UnreachableError: when there are none, or one may not be.
    """
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UnreachableError(f"there is no address of {host}", "check the name") from error
    found = tuple(dict.fromkeys(str(row[4][0]) for row in rows))
    for text in found:
        address = ip_address(text)
        if not (public(address) or any(address in network for network in private)):
            raise UnreachableError(
                f"{host} is at {text}, which is not public", "name its network when the desk is opened"
            )
        if not secure and not address.is_loopback:
            raise UnreachableError(f"{host} would be told without encryption", "use https")
    return found


def public(address: Address) -> bool:
    """Tell whether an address, or one that it stands for, is everybody's to reach."""
    inner: list[Address | None] = []
    if isinstance(address, IPv6Address):
        inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in NAT64:
            inner.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return all(
        each.is_global and not each.is_multicast and each not in METADATA
        for each in (address, *inner)
        if each is not None
    )


def _connected(found: Sequence[str], host: str, port: int, secure: bool, seconds: float) -> socket.socket:
    """Return a connection to the first address that takes one; its handshake is still to be made."""
    fault = OSError("it has no address")
    for address in found:
        try:
            plain = socket.create_connection((address, port), timeout=seconds / len(found))
        except OSError as error:
            fault = error
            continue
        plain.settimeout(seconds)
        if not secure:
            return plain
        context = ssl.create_default_context()
        return context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
    raise fault


def _cut(line: socket.socket, ended: threading.Event) -> None:
    ended.set()
    with suppress(OSError):  # it may be closed already
        socket.socket.shutdown(line, socket.SHUT_RDWR)  # TLS's own would ask the other side first


def _line(error: Exception) -> str:
    """Return what an error says, without what the other host may have written at length."""
    return (str(error).splitlines() or [""])[0][:200] or type(error).__name__
