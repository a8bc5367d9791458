"""The laptop's certificate authority: it can vouch for loopback and for nothing else.

The authority lives in `ca/` (key 0600) and outlives generations, so that a trusted `ca.pem` stays trusted. Name
constraints bind it to localhost and the loopback addresses: whoever steals its key cannot impersonate a real site even
on a machine that trusts it. Server certificates are issued at each start, one key a server.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from local_cloud.servers.layout import Layout, private_folder, write_private

_AUTHORITY_YEARS = 10
_SERVER_DAYS = 90  # a start renews them; a laptop that runs longer than that restarts its cloud
_SKEW = dt.timedelta(minutes=5)


@dataclass(frozen=True)
class ServerCertificate:
    """Files of one server: certificate with its chain, and its key (0600)."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Authority:
    """The certificate authority, ready to sign."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def issue(self, name: str, folder: Path) -> ServerCertificate:
        """Writes `<name>.pem` and `<name>.key` for 127.0.0.1, ::1 and localhost; the key is new every time."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = dt.datetime.now(dt.UTC)
        certificate = (
            _builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"strongroom {name}")]), key, now)
            .issuer_name(self.certificate.subject)
            .not_valid_after(min(now + dt.timedelta(days=_SERVER_DAYS), self.certificate.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.SubjectAlternativeName(
                    [
                        x509.DNSName("localhost"),
                        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
                        x509.IPAddress(ipaddress.ip_address("::1")),
                    ]
                ),
                critical=False,
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )
        files = ServerCertificate(folder / f"{name}.pem", folder / f"{name}.key")
        write_private(files.certificate, _pem(certificate) + _pem(self.certificate))
        write_private(files.key, _key_pem(key))
        return files


def authority(layout: Layout) -> Authority:
    """The authority under `ca/`; made on first use, and again when it expires within a server certificate's life."""
    private_folder(layout.ca)
    key_file = layout.ca / "ca.key"
    if key_file.exists() and layout.ca_pem.exists():
        certificate = x509.load_pem_x509_certificate(layout.ca_pem.read_bytes())
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        if certificate.not_valid_after_utc > dt.datetime.now(dt.UTC) + dt.timedelta(days=_SERVER_DAYS):
            return Authority(certificate, key)
    made = _new_authority()
    write_private(key_file, _key_pem(made.key))
    write_private(layout.ca_pem, _pem(made.certificate))
    return made


def _new_authority() -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "strongroom laptop authority")])
    loopback = [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_network("127.0.0.0/8")),
        x509.IPAddress(ipaddress.ip_network("::1/128")),
    ]
    certificate = (
        _builder(name, key, now)
        .issuer_name(name)
        .not_valid_after(now + dt.timedelta(days=365 * _AUTHORITY_YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints(permitted_subtrees=loopback, excluded_subtrees=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def _builder(subject: x509.Name, key: ec.EllipticCurvePrivateKey, now: dt.datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
