"""Key material, object bytes, operation tables and the trail, without a server."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from botocore.session import Session as Botocore
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from local_cloud.servers.gateway import (
    backup,
    ecr,
    event_kinds,
    iam,
    kms_demands,
    kms_material,
    operations,
    protocol,
    s3_demands,
    secretsmanager,
    sns,
    sqs,
    ssm,
)
from local_cloud.servers.gateway.call import Refuse
from local_cloud.servers.gateway.events import recorded
from local_cloud.servers.gateway.kms_keys import Key, KeyStore
from local_cloud.servers.gateway.s3_bytes import SEGMENT, ObjectBytes
from local_cloud.servers.gateway.sts import totp

ID = "00000000-1111-2222-3333-444444444444"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_ciphertext_names_its_key_and_version_and_holds_its_context() -> None:
    material = kms_material.generate("SYMMETRIC_DEFAULT")
    blob = kms_material.seal(material, ID, 7, b"plain", {"b": "2", "a": "1"})
    sealed = kms_material.take_apart(blob)
    assert (sealed.key_id, sealed.version) == (ID, 7)
    assert kms_material.unseal(material, sealed, {"a": "1", "b": "2"}) == b"plain"
    for context in ({}, {"a": "1"}, {"a": "1", "b": "3"}, {"a": "1b2"}):
        with pytest.raises(Refuse, match="InvalidCiphertextException"):
            kms_material.unseal(material, sealed, context)
    for position in range(len(blob)):
        broken = blob[:position] + bytes([blob[position] ^ 1]) + blob[position + 1 :]
        with pytest.raises(Refuse, match="InvalidCiphertextException"):
            kms_material.unseal(material, kms_material.take_apart(broken), {"a": "1", "b": "2"})


def test_signatures_verify_without_this_code() -> None:
    material = kms_material.generate("ECC_NIST_P384")
    digest = kms_material.digest_of("ECDSA_SHA_384", b"message", "RAW")
    public = serialization.load_der_public_key(kms_material.public_key(material))
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(kms_material.sign(material, "ECDSA_SHA_384", digest, "RAW"), b"message", ec.ECDSA(hashes.SHA384()))


@pytest.mark.parametrize("spec", ["RSA_2048", "ECC_NIST_P256", "ECC_SECG_P256K1"])
def test_every_signing_algorithm_of_a_spec_works_and_tells_digests_apart(spec: str) -> None:
    material = kms_material.generate(spec)
    for algorithm in kms_material.algorithms(spec, "SIGN_VERIFY"):
        digest = kms_material.digest_of(algorithm, b"message", "RAW")
        other = kms_material.digest_of(algorithm, b"another", "RAW")
        signature = kms_material.sign(material, algorithm, digest, "RAW")
        assert kms_material.verify(material, algorithm, digest, signature, "RAW")
        assert not kms_material.verify(material, algorithm, other, signature, "RAW")
    with pytest.raises(Refuse):
        kms_material.digest_of(algorithm, b"short", "DIGEST")


def test_keys_are_private_files_and_the_operator_can_withhold_a_version(tmp_path: Path) -> None:
    store = KeyStore(tmp_path / "kms")
    key = Key(ID, "210000000001", "us-east-1", "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "{}", NOW.timestamp())
    key.add_material(NOW)
    store.add(key)
    path = tmp_path / "kms" / key.account / key.region / f"{ID}.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    secret = key.current.secret
    assert secret in path.read_text() and secret not in repr(key) + repr(key.current)
    assert not store.withheld(key, 1)
    (tmp_path / "kms" / "withheld.json").write_text(json.dumps([{"key": ID, "version": 1}]))
    assert store.withheld(key, 1) and not store.withheld(key, 2)


def test_automatic_rotation_happens_at_the_first_use_after_its_date() -> None:
    key = Key(ID, "210000000001", "us-east-1", "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "{}", NOW.timestamp())
    key.add_material(NOW)
    key.rotation_days, key.rotation_since = 90, NOW.timestamp()
    assert not key.rotate_if_due(datetime(2026, 3, 31, tzinfo=UTC))
    assert key.rotate_if_due(datetime(2026, 4, 2, tzinfo=UTC))
    assert [material.kind for material in key.materials] == ["", "AUTOMATIC"]


@given(st.lists(st.integers(0, 3 * SEGMENT), min_size=1, max_size=3), st.data())
@settings(max_examples=15, deadline=None)
def test_ranges_over_files_and_segments(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], data: st.DataObject
) -> None:
    stored = ObjectBytes(tmp_path_factory.mktemp("bytes"))
    key, wrapped = stored.new_data_key()
    assert stored.unwrap(wrapped) == key
    whole, files = b"", []
    for number, size in enumerate(sizes):
        body = bytes([number + 1, 7, 9]) * (size // 3)
        pieces = iter([body[: size // 2], body[size // 2 :], b""])
        files.append(stored.write(key, lambda _, pieces=pieces: next(pieces, b""), lambda _: None))
        whole += body
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole)))
    assert b"".join(stored.read(key, files, start, end)) == whole[start:end]


def test_object_files_are_private_encrypted_and_tamper_evident(tmp_path: Path) -> None:
    stored = ObjectBytes(tmp_path)
    key, _ = stored.new_data_key()
    pieces = iter([b"health data " * 100, b""])
    name, size = stored.write(key, lambda _: next(pieces), lambda _: None)
    (path,) = (tmp_path / "objects").glob(f"*/{name}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    raw = bytearray(path.read_bytes())
    assert b"health" not in raw
    raw[5] ^= 1
    path.write_bytes(raw)
    with pytest.raises(Refuse, match="changed on disk"):
        list(stored.read(key, [(name, size)], 0, size))


def test_a_failed_write_leaves_no_file(tmp_path: Path) -> None:
    stored = ObjectBytes(tmp_path)

    def broken(_: int) -> bytes:
        raise Refuse("IncompleteBody", "cut off")

    with pytest.raises(Refuse):
        stored.write(stored.new_data_key()[0], broken, lambda _: None)
    assert not [path for path in (tmp_path / "objects").rglob("*") if path.is_file()]


def test_every_operation_in_a_table_exists_in_the_service_model() -> None:
    for service, table in operations.TABLES.items():
        model = protocol._MODELS.get(service, service)
        assert set(table) <= set(Botocore().get_service_model(model).operation_names), service
    for service, names in (
        ("kms", kms_demands.ON_KEY | kms_demands.ON_NOTHING),
        ("s3", set(s3_demands.BUCKET_ACTIONS) | set(s3_demands.OBJECT_ACTIONS)),
        ("iam", {*iam._ROLE, *iam._USER, *iam._GROUP, *iam._POLICY, *iam._PROVIDER, *iam._ANY}),
        ("sqs", {*sqs._ON_QUEUE, *sqs._BATCH}),
        ("secretsmanager", set(secretsmanager._ON_SECRET)),
        ("ssm", ssm._ON_NAME | ssm._TAGGING | set(ssm._READING)),
        ("sns", sns._ON_TOPIC | set(sns._BATCH)),
        ("ecr", ecr._ON_REPOSITORY),
        ("backup", backup._ON_VAULT | backup._ON_POINT | backup._ON_NOTHING | backup._ON_PLAN | backup._ON_ARN),
        *((service, set(names)) for service, names in event_kinds._DATA.items()),
    ):
        assert names <= set(Botocore().get_service_model(service).operation_names), service


def test_the_trail_records_names_and_never_contents() -> None:
    secret = "hunter2"
    params = {
        "KeyId": "alias/x",
        "Plaintext": secret,
        "SecretString": secret,
        "MessageBody": secret,
        "Policy": secret,
        "MasterUserPassword": secret,
        "Item": {"a": secret},
        "Body": secret.encode(),
        "ClientRequestToken": secret,
        "EncryptionContext": {"repo": "a"},
        "Attributes": {"x": secret},
        "SSECustomerKey": secret,
    }
    kept = recorded(params)
    assert kept == {"KeyId": "alias/x", "EncryptionContext": {"repo": "a"}}


def test_one_time_codes_are_those_of_rfc_6238() -> None:
    # appendix B, seed "12345678901234567890": the last six digits of the eight given there
    seed = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    for seconds, code in ((59, "287082"), (1111111109, "081804"), (2000000000, "279037")):
        assert totp(seed, seconds // 30) == code
