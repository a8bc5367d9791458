"""Certificates: a root made inside OpenBao and the roles that say what it signs."""

from __future__ import annotations

from dataclasses import replace

from local_cloud.plugins.shapes import BOOLEAN, DURATION, INTEGER, LIST, SET, Suffix
from local_cloud.plugins.table import Autoname, Operation, Prop, Properties, ResourceType
from local_cloud.plugins.vault_rows import bare, parts_of, plain_row

_PATH = Suffix(r"^/|/$")
_ISSUER = "{backend}/issuer/{issuerId}"


def _generate(op: Operation) -> str:
    request = op.api()
    for name in _JOINED:
        # OpenBao takes these lists as one text with commas.
        if name in op.inputs:
            request[_ROOT[name].api] = ",".join(op.inputs[name])
    backend, kind = bare(op.inputs["backend"]), op.inputs["type"]
    made = op.client.write(f"{backend}/root/generate/{kind}", request)
    op.olds |= {"serialNumber": made["serial_number"], "issuingCa": made["issuing_ca"]}
    return f"{backend}/issuer/{made['issuer_id']}"


def _read(op: Operation) -> Properties:
    issuer = op.client.read(op.id)
    where = parts_of(_ISSUER, op.id)
    return {
        **where,
        "certificate": issuer["certificate"].rstrip("\n"),
        "keyId": issuer.get("key_id"),
        "issuingCa": op.get("issuingCa"),
        "serialNumber": op.get("serialNumber"),
        "issuerName": issuer.get("issuer_name") or None,
    }


_JOINED = ("altNames", "ipSans", "uriSans", "otherSans", "permittedDnsDomains")
_ROOT = {
    "altNames": Prop("alt_names", codec=LIST),
    "commonName": Prop("common_name", required=True),
    "country": Prop("country"),
    "excludeCnFromSans": Prop("exclude_cn_from_sans", codec=BOOLEAN),
    "format": Prop("format", default="pem"),
    "ipSans": Prop("ip_sans", codec=LIST),
    "keyBits": Prop("key_bits", codec=INTEGER, default=2048),
    "keyName": Prop("key_name"),
    "keyType": Prop("key_type", default="rsa"),
    "locality": Prop("locality"),
    "maxPathLength": Prop("max_path_length", codec=INTEGER, default=-1),
    "notAfter": Prop("not_after"),
    "organization": Prop("organization"),
    "otherSans": Prop("other_sans", codec=LIST),
    "ou": Prop("ou"),
    "permittedDnsDomains": Prop("permitted_dns_domains", codec=LIST),
    "postalCode": Prop("postal_code"),
    "privateKeyFormat": Prop("private_key_format", default="der"),
    "province": Prop("province"),
    "signatureBits": Prop("signature_bits", codec=INTEGER),
    "streetAddress": Prop("street_address"),
    "ttl": Prop("ttl", codec=DURATION),
    "uriSans": Prop("uri_sans", codec=LIST),
}


def _switch(api: str, default: bool = False) -> Prop:
    return Prop(api, codec=BOOLEAN, default=default)


TYPES = (
    ResourceType(
        "vault:pkiSecret/secretBackendRootCert:SecretBackendRootCert",
        "vault",
        create=_generate,
        read=_read,
        update=None,
        delete=lambda op: op.client.delete(op.id),
        id=_ISSUER,
        inputs={
            "backend": Prop(codec=_PATH, replaces=True, required=True),
            "issuerName": Prop("issuer_name", replaces=True, computed=True),
            "type": Prop(replaces=True, required=True),
            # A certificate is what it was when it was signed: nothing in it changes later, nothing is read back.
            **{name: replace(prop, replaces=True, kept=True) for name, prop in _ROOT.items()},
        },
        outputs=("certificate", "issuerId", "issuingCa", "keyId", "serialNumber"),
    ),
    plain_row(
        "vault:pkiSecret/secretBackendRole:SecretBackendRole",
        "{backend}/roles/{name}",
        {
            "backend": Prop(codec=_PATH, replaces=True, required=True),
            "name": Prop(replaces=True, autoname=Autoname(255)),
            "allowAnyName": _switch("allow_any_name"),
            "allowBareDomains": _switch("allow_bare_domains"),
            "allowGlobDomains": _switch("allow_glob_domains"),
            "allowIpSans": _switch("allow_ip_sans", True),
            "allowLocalhost": _switch("allow_localhost", True),
            "allowSubdomains": _switch("allow_subdomains"),
            "allowWildcardCertificates": Prop("allow_wildcard_certificates", codec=BOOLEAN, default=True),
            "allowedDomains": Prop("allowed_domains", codec=SET),
            "allowedDomainsTemplate": _switch("allowed_domains_template"),
            "allowedUriSans": Prop("allowed_uri_sans", codec=SET),
            "clientFlag": _switch("client_flag", True),
            "codeSigningFlag": _switch("code_signing_flag"),
            "countries": Prop("country", codec=LIST),
            "emailProtectionFlag": _switch("email_protection_flag"),
            "enforceHostnames": _switch("enforce_hostnames", True),
            "extKeyUsages": Prop("ext_key_usage", codec=SET),
            "generateLease": _switch("generate_lease"),
            "issuerRef": Prop("issuer_ref", computed=True),
            "keyBits": Prop("key_bits", codec=INTEGER, default=2048),
            "keyType": Prop("key_type", default="rsa"),
            "keyUsages": Prop("key_usage", codec=SET, computed=True),
            "localities": Prop("locality", codec=LIST),
            "maxTtl": Prop("max_ttl", codec=DURATION),
            "noStore": _switch("no_store"),
            "organizationUnit": Prop("ou", codec=LIST),
            "organizations": Prop("organization", codec=LIST),
            "requireCn": _switch("require_cn", True),
            "serverFlag": _switch("server_flag", True),
            "ttl": Prop("ttl", codec=DURATION),
            "useCsrCommonName": _switch("use_csr_common_name", True),
            "useCsrSans": _switch("use_csr_sans", True),
        },
    ),
)
