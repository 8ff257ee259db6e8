"""A request to another host: only where it may go, to the address that was checked, and never for long."""

import datetime
import ipaddress
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from foretell.outward import UnreachableError, addresses, network_of, public, request
from test_webhooks import LOOPBACK, receiving


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "168.63.129.16", "100.100.100.200", "10.0.0.1", "172.16.3.4", "192.168.1.1", "::1",
     "0.0.0.0", "255.255.255.255", "224.0.0.1", "127.0.0.1", "2130706433", "0x7f.1", "017700000001", "::",
     "localhost", "fe80::1", "fd00:ec2::254", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "2002:7f00:1::",
     "64:ff9b::a9fe:a9fe", "ff02::1", "0300.0250.1.1", "0xC0A80101", "127.1", "::10.0.0.1", "::127.0.0.1",
     "::ffff:0:10.0.0.1", "64:ff9b:1::808:808", "fec0::1", "2606:4700::5efe:10.0.0.1",
     "2606:4700::200:5efe:a9fe:a9fe",
     "3fff::1", "5f00::1", "192.0.0.8", "192.88.99.1", "100.64.0.1", "198.18.0.1", "240.0.0.1"],
)  # fmt: skip
def test_what_is_not_public_is_not_reached_unless_its_network_is_named(host):
    with pytest.raises(UnreachableError):
        addresses(host, 443, (), secure=True)
    with pytest.raises(UnreachableError):
        request("POST", f"https://{f'[{host}]' if ':' in host else host}/", {}, b"")


def test_what_is_public_or_named_may_be_reached():
    for text in ("93.184.216.34", "2606:4700:4700::1111"):
        assert public(ipaddress.ip_address(text))
        assert addresses(text, 443, (), secure=True) == (text,)
    assert addresses("10.1.2.3", 443, (network_of("10.1.0.0/16"),), secure=True) == ("10.1.2.3",)
    assert addresses("127.0.0.1", 80, LOOPBACK, secure=False) == ("127.0.0.1",)
    for text, networks in (("10.2.2.3", "10.1.0.0/16"), ("93.184.216.34", "10.0.0.0/8")):
        with pytest.raises(UnreachableError):
            addresses(text, 80, (network_of(networks),), secure=False)


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "168.63.129.16", "100.100.100.200", "fe80::1", "fd00:ec2::254", "64:ff9b::a9fe:a9fe",
     "::ffff:169.254.169.254", "2002:a9fe:a9fe::", "2851995648", "0xa9.0xfe.0xa9.0xfe", "0251.0376.0251.0376",
     "::169.254.169.254", "::ffff:0:169.254.169.254", "64:ff9b:1::a9fe:a9fe", "2606:4700::5efe:a9fe:a9fe",
     "fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:42::42", "fe80::1%lo"],
)  # fmt: skip
def test_where_machines_keep_their_secrets_is_never_reached_whatever_is_named(host):
    with pytest.raises(UnreachableError, match="secrets"):
        addresses(host, 443, (network_of("0.0.0.0/0"), network_of("::/0")), secure=True)


def test_a_name_is_looked_up_once_and_the_connection_goes_to_what_was_found(tmp_path):
    seen: list[tuple] = []
    listening = True

    def hook(event: str, args: tuple) -> None:
        if listening and event in ("socket.getaddrinfo", "socket.connect"):
            seen.append((event, args))

    sys.addaudithook(hook)
    with receiving(tmp_path) as receiver:
        url = receiver.url.replace("127.0.0.1", "localhost")
        here = (*LOOPBACK, network_of("::1"))
        assert request("POST", url, {}, b"{}", private=here).status == 200
    listening = False
    asked = [args[0] for event, args in seen if event == "socket.getaddrinfo"]
    assert asked.count("localhost") == 1
    assert {*asked} <= {"localhost", "127.0.0.1", "::1"}
    assert {args[1][0] for event, args in seen if event == "socket.connect"} <= {"127.0.0.1", "::1"}


@contextmanager
def saying(answer: bytes) -> Iterator[str]:
    """Answer whoever comes with these bytes, in the clear; yield the address."""
    with socket.socket() as plain:
        plain.bind(("127.0.0.1", 0))
        plain.listen()

        def serve() -> None:
            while True:
                try:
                    with plain.accept()[0] as line:
                        asked = b""
                        while not asked.endswith(b"\r\n\r\n{}"):
                            asked += line.recv(4096) or b"\r\n\r\n{}"
                        line.sendall(
                            answer.replace(b"KEY", asked.partition(b"Bearer ")[2].partition(b"\r")[0])
                        )
                except OSError:
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{plain.getsockname()[1]}/"
        plain.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize(
    "answer",
    [b"", b"KEY\r\n\r\n", b"HTTP/1.1 KEY \x1b[31mred\r\n\r\n", b"HTTP/1.1 2000 KEY\r\n\r\n",
     b"HTTP/9.9 200 KEY\r\n\r\n",
     b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nKEY\r\n",
     b"HTTP/1.1 200 OK\r\n" + b"x: KEY\r\n" * 200 + b"\r\n", b"HTTP/1.1 200 " + b"KEY" * 40_000],
)  # fmt: skip
def test_a_fault_repeats_nothing_that_the_other_host_wrote(answer):
    with saying(answer) as url, pytest.raises(UnreachableError) as refused:
        request("POST", url, {"authorization": "Bearer sk-secret"}, b"{}", private=LOOPBACK, read=True)
    assert "secret" not in refused.value.message and refused.value.message.isprintable()


def test_no_proxy_of_the_environment_is_used(tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with receiving(tmp_path) as receiver:
        assert request("POST", receiver.url, {}, b"{}", private=LOOPBACK).status == 200


def test_a_port_of_0_is_no_default_port():
    with pytest.raises(UnreachableError, match="cannot be asked"):
        request("POST", "http://127.0.0.1:0/", {}, b"{}", private=LOOPBACK)


def test_an_answer_that_drips_or_never_ends_is_cut_short(tmp_path):
    with receiving(tmp_path, "drip,large,cut") as receiver:
        began = time.monotonic()
        with pytest.raises(UnreachableError, match=r"within 0\.5 s"):
            request("POST", receiver.url, {}, b"{}", private=LOOPBACK, seconds=0.5)
        assert request("POST", receiver.url, {}, b"{}", private=LOOPBACK, seconds=5).status == 200
        assert time.monotonic() - began < 5
        with pytest.raises(UnreachableError, match="cannot be asked"):
            request("POST", receiver.url, {}, b"{}", private=LOOPBACK)


def test_a_host_that_takes_the_connection_and_says_nothing_is_left(tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        for scheme in ("http", "https"):
            with pytest.raises(UnreachableError, match=r"within 0\.3 s"):
                request("POST", f"{scheme}://127.0.0.1:{port}/", {}, b"{}", private=LOOPBACK, seconds=0.3)


@contextmanager
def encrypted(certificate: Path) -> Iterator[int]:
    """Answer one line to whoever comes, over TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with socket.socket() as plain:
        plain.bind(("127.0.0.1", 0))
        plain.listen()

        def serve() -> None:
            while True:
                try:
                    with context.wrap_socket(plain.accept()[0], server_side=True) as line:
                        asked = b""
                        while not asked.endswith(
                            b"\r\n\r\n{}"
                        ):  # closing on unread bytes would reset the line
                            asked += line.recv(4096) or b"\r\n\r\n{}"
                        line.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
                except ssl.SSLError:
                    continue
                except OSError:
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield plain.getsockname()[1]
        plain.shutdown(socket.SHUT_RDWR)
        thread.join()


def signed_for(names: list[x509.GeneralName], path: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=1))
    made = builder.add_extension(x509.SubjectAlternativeName(names), critical=False).sign(
        key, hashes.SHA256()
    )
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    path.write_bytes(made.public_bytes(pem) + key.private_bytes(pem, *form))
    return path


def test_a_host_proves_by_its_certificate_that_it_is_the_one(tmp_path, monkeypatch):
    here = signed_for([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))], tmp_path / "here.pem")
    other = signed_for([x509.DNSName("elsewhere.example")], tmp_path / "other.pem")
    for certificate, trusted, fine in ((here, here, True), (here, other, False), (other, other, False)):
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        with encrypted(certificate) as port:
            url = f"https://127.0.0.1:{port}/"
            if fine:
                assert request("POST", url, {}, b"{}", private=LOOPBACK).status == 204
            else:
                with pytest.raises(UnreachableError, match="certificate"):
                    request("POST", url, {}, b"{}", private=LOOPBACK)
