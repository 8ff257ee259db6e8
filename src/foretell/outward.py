"""One request to another host: to addresses that may be reached alone, no redirect followed, ended in time.

A name is looked up once and the connection goes to what was found, so that it cannot lead elsewhere between
the check and the request. Nothing of the environment's proxies is used.
"""

import http.client
import socket
import ssl
import threading
import time
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
GLOBAL = IPv6Network("2000::/3")
"""All that was ever given out for everybody; what else Python calls global differs with its version."""
CARRYING = tuple(map(IPv6Network, ("::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")))
"""Networks whose addresses end in an IPv4 address to which a translator may lead (RFC 4291, 6052, 8215)."""
ISATAP = (0x00005EFE, 0x02005EFE)
"""Before the IPv4 address at the end of a tunnel's address (RFC 5214)."""
SPECIAL = tuple(map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20")))
"""Not public, whatever the tables of an older Python say (RFC 6890, 7526, 9637)."""
METADATA = tuple(
    map(
        ip_network,
        (
            *("168.63.129.16", "100.100.100.200", "192.0.0.192"),
            *("fd00:ec2::/32", "fd20:ce::/32", "fd00:c1::/32", "fd00:42::/32"),
        ),
    )
)
"""Where clouds tell a machine its own secrets, besides the link-local networks: never reached."""
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1"))
LONGEST_URL = 2000


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
    port = (443 if secure else 80) if parts.port is None else parts.port
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    found = addresses(host, port, private, secure=secure)
    ended, until = threading.Event(), time.monotonic() + seconds
    try:
        with _connected(found, host, port, secure, seconds) as line:
            # A host that sends a byte now and then would outlast every time limit of a single read.
            timer = threading.Timer(max(until - time.monotonic(), 0.0), _cut, (line, ended))
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
        why = f"gave no answer within {seconds:g} s" if late else f"cannot be asked: {_why(error)}"
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
        if forbidden(address):
            raise UnreachableError(
                f"{host} is at {text}, where machines keep their secrets", "check the name"
            )
        if not (public(address) or any(address in network for network in private)):
            raise UnreachableError(
                f"{host} is at {text}, which is not public", "name its network where you allow the host"
            )
        if not secure and not address.is_loopback:
            raise UnreachableError(f"{host} would be told without encryption", "use https")
    return found


def public(address: Address) -> bool:
    """Tell whether an address, and each that it stands for, is everybody's to reach."""
    known = isinstance(address, IPv4Address) or address in GLOBAL or address in CARRYING[2]
    return known and not forbidden(address) and all(
        each.is_global and not each.is_multicast and not any(each in network for network in SPECIAL)
        for each in _meant(address)
    )  # fmt: skip


def forbidden(address: Address) -> bool:
    """Tell whether an address, or one that it stands for, is never reached, whatever networks are named."""
    return any(each.is_link_local or any(each in network for network in METADATA) for each in _meant(address))


def _meant(address: Address) -> list[Address]:
    """Return an address and the ones that it stands for."""
    inner: list[Address | None] = []
    if isinstance(address, IPv6Address):
        inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        tunnel = int(address) >> 32 & 0xFFFFFFFF in ISATAP
        if tunnel or any(address in network for network in CARRYING):
            inner.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [address, *(each for each in inner if each is not None)]


def unfit(url: str) -> str:
    """Say what is wrong with an address that requests are to go to; empty when nothing is.

    >>> unfit("https://example.org/hook"), unfit("http://localhost:8000/v1"), unfit("http://example.org")
    ('', '', 'would be told without encryption')
    """
    odd = len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url or "\\" in url
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError as error:
        return f"is no address: {error}"
    if odd or not host or parts.username is not None or parts.password is not None or "#" in url:
        return "is no address"
    if parts.scheme != "https" and not (parts.scheme == "http" and loopback(host)):
        return "would be told without encryption"
    return ""


def loopback(host: str) -> bool:
    """Tell whether a host is this machine by its very name."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


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


def _why(error: Exception) -> str:
    """Return what an error says, without anything that the other host wrote: it may repeat a key to us."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate does not hold: {error.verify_message}"
    if isinstance(error, http.client.RemoteDisconnected):
        return "it closed the connection without an answer"
    if isinstance(error, http.client.HTTPException):
        return f"what it answered is no HTTP ({type(error).__name__})"
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__
