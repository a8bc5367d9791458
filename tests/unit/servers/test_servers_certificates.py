"""The laptop's authority vouches for loopback only, and its clients believe nobody else."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509

from local_cloud.servers.certificates import ServerCertificate, authority
from local_cloud.servers.layout import Layout, private_folder


def handshake(issued: ServerCertificate, client: ssl.SSLContext, name: str) -> str | None:
    """Connects to a server with this certificate under a host name; the TLS version, or raises as the client does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                try:
                    context.wrap_socket(connection, server_side=True).close()
                except (ssl.SSLError, ConnectionError):
                    return

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            with (
                socket.create_connection(listener.getsockname()) as plain,
                client.wrap_socket(plain, server_hostname=name) as secured,
            ):
                return secured.version()
        finally:
            thread.join()


@pytest.fixture
def home(tmp_path: Path) -> Layout:
    return Layout(private_folder(tmp_path / "home"))


def strict(home: Layout) -> ssl.SSLContext:
    client = ssl.create_default_context(cafile=str(home.ca_pem))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    return client


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_loopback_is_believed_under_strict_rules(home: Layout, name: str) -> None:
    issued = authority(home).issue("server", home.home)
    assert handshake(issued, strict(home), name) == "TLSv1.3"


def test_another_name_and_another_authority_are_refused(home: Layout, tmp_path: Path) -> None:
    issued = authority(home).issue("server", home.home)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(issued, strict(home), "example.org")
    stranger = Layout(private_folder(tmp_path / "stranger"))
    authority(stranger)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(issued, strict(stranger), "localhost")


def test_the_authority_cannot_vouch_for_a_real_site(home: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever steals its key and signs for a real name is refused by the name constraints."""
    stolen = authority(home)
    real: Callable[..., x509.DNSName] = x509.DNSName
    monkeypatch.setattr(x509, "DNSName", lambda _: real("bank.example"))
    issued = stolen.issue("server", home.home)
    monkeypatch.undo()
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        handshake(issued, strict(home), "bank.example")


def test_the_authority_stays_and_server_keys_change(home: Layout) -> None:
    first = authority(home)
    pem = home.ca_pem.read_bytes()
    key = first.issue("server", home.home).key.read_bytes()
    assert authority(home).issue("server", home.home).key.read_bytes() != key
    assert home.ca_pem.read_bytes() == pem


def test_keys_are_private(home: Layout) -> None:
    issued = authority(home).issue("server", home.home)
    assert [(path.stat().st_mode & 0o777) for path in (home.ca / "ca.key", issued.key)] == [0o600, 0o600]
