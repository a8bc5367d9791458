"""Use of KMS keys: encrypt, decrypt, data keys, MACs and signatures, with key state, versions and DryRun enforced."""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Mapping

from . import kms_material
from .call import Call, Refuse, Response, Rule
from .cloud import Cloud
from .kms_answers import not_dry, usable
from .kms_demands import key_demand, source_key
from .kms_keys import Key, Material

SYMMETRIC = "SYMMETRIC_DEFAULT"


class KeyUse:
    """The rules of every operation that uses key material, and the same for other services (`via`)."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud, self._keys = cloud, cloud.keys

    def rules(self) -> list[Rule]:
        """One rule for each cryptographic operation."""
        named: dict[str, Callable[[Call], Response]] = {
            "Encrypt": self.encrypt,
            "Decrypt": self.decrypt,
            "ReEncrypt": self.re_encrypt,
            "GenerateDataKey": self.generate_data_key,
            "GenerateDataKeyWithoutPlaintext": self.generate_data_key_without_plaintext,
            "GenerateRandom": self.generate_random,
            "GenerateMac": self.generate_mac,
            "VerifyMac": self.verify_mac,
            "Sign": self.sign,
            "Verify": self.verify,
            "GetPublicKey": self.get_public_key,
        }
        return [Rule("kms", operation, replace=method) for operation, method in named.items()]

    # what other services do with keys, on behalf of a principal

    def data_key_via(self, call: Call, reference: str, context: Mapping[str, str]) -> tuple[Key, bytes, bytes]:
        """(key, plaintext, ciphertext) of a data key for a service; the caller needs kms:GenerateDataKey on the key.

        `call.via_service` names the service. Raises Refuse where policy, key state or an outage of KMS forbids it.
        """
        key = self._for_service(call, reference, "GenerateDataKey", context)
        plaintext = os.urandom(32)
        blob = self._seal(key, plaintext, context)
        self._used(call, key, "GenerateDataKey")
        return key, plaintext, blob

    def encrypt_via(self, call: Call, reference: str, plaintext: bytes, context: Mapping[str, str]) -> bytes:
        """A ciphertext for a service; the caller needs kms:Encrypt on the key."""
        key = self._for_service(call, reference, "Encrypt", context)
        self._used(call, key, "Encrypt")
        return self._seal(key, plaintext, context)

    def decrypt_via(self, call: Call, blob: bytes, context: Mapping[str, str]) -> bytes:
        """The plaintext of a data key for a service; the caller needs kms:Decrypt on the key."""
        self._reachable()
        key = source_key(self._cloud, call, blob, None, SYMMETRIC)
        self._for_service(call, key.arn, "Decrypt", context)
        plaintext, _ = self._open(key, blob, context)
        self._used(call, key, "Decrypt")
        return plaintext

    def check_via(self, call: Call, reference: str, action: str, context: Mapping[str, str]) -> None:
        """Raises Refuse where a service could not use a key for the caller: policy, key state or an outage of KMS."""
        key = self._for_service(call, reference, action, context)
        self._used(call, key, action)

    def _reachable(self) -> None:
        if not self._cloud.kms_up:
            raise Refuse("ServiceUnavailable", "KMS does not answer, so the object's key cannot be used", 503)

    def _for_service(self, call: Call, reference: str, action: str, context: Mapping[str, str]) -> Key:
        self._reachable()
        key = self._keys.find(reference, call.account, call.region)
        self._cloud.access.require(call, key_demand(self._cloud, call, action, key, dict(context)))
        state = {"Disabled": "KMS.DisabledException", "PendingDeletion": "KMS.KMSInvalidStateException"}.get(key.state)
        if state is not None:
            raise Refuse(state, f"{key.arn} is {'disabled' if key.state == 'Disabled' else 'pending deletion'}.", 400)
        if key.usage != "ENCRYPT_DECRYPT" or key.spec != SYMMETRIC:
            raise Refuse("KMS.InvalidKeyUsageException", f"{key.arn} is not a symmetric encryption key", 400)
        return key

    # the operations

    def key_for(self, call: Call, usage: str) -> Key:
        """The key a call names, if it is enabled and of the usage."""
        key = self._keys.find(call.params["KeyId"], call.account, call.region)
        self._fit(key, usage)
        return key

    def _fit(self, key: Key, usage: str) -> None:
        usable(key)
        if key.usage != usage:
            raise Refuse("InvalidKeyUsageException", f"{key.arn} key usage is {key.usage}, which is not for this use")

    def _current(self, key: Key, now_call: Call) -> Material:
        with self._keys.lock:
            if key.rotate_if_due(now_call.now):
                self._keys.save(key)
        return key.current

    def seal_for(self, call: Call, key: Key, plaintext: bytes, context: Mapping[str, str]) -> bytes:
        """A ciphertext under the newest version of a key that a call uses."""
        self._current(key, call)
        self._used(call, key, call.operation)
        return self._seal(key, plaintext, context)

    def _seal(self, key: Key, plaintext: bytes, context: Mapping[str, str]) -> bytes:
        material = key.current
        return kms_material.seal(material.bytes, key.id, material.version, plaintext, context)

    def _open(self, key: Key, blob: bytes, context: Mapping[str, str]) -> tuple[bytes, Material]:
        sealed = kms_material.take_apart(blob)
        material = key.version(sealed.version)
        if self._keys.withheld(key, material.version):
            raise Refuse(
                "KMSInvalidStateException", f"version {material.version} of {key.arn} is withheld by the operator"
            )
        return kms_material.unseal(material.bytes, sealed, context), material

    def _used(self, call: Call, key: Key, operation: str) -> None:
        # the event of the call carries it into the trail, and from there into `last_uses`
        call.trail.setdefault("resources", []).append(key.arn)
        call.trail.setdefault("keyUses", []).append({"key": key.arn, "operation": operation})

    def _algorithm(self, call: Call, key: Key, name: str, default: str = "") -> str:
        algorithm = str(call.params.get(name, default))
        if algorithm not in kms_material.algorithms(key.spec, key.usage):
            raise Refuse("InvalidKeyUsageException", f"{name} {algorithm or '(none)'} does not fit {key.arn}")
        return algorithm

    def encrypt(self, call: Call) -> Response:
        """Encrypt up to 4096 bytes, or what an RSA key takes."""
        key = self.key_for(call, "ENCRYPT_DECRYPT")
        algorithm = self._algorithm(call, key, "EncryptionAlgorithm", SYMMETRIC)
        plaintext = call.params["Plaintext"]
        if not 1 <= len(plaintext) <= 4096:
            raise Refuse("ValidationException", "Plaintext must have 1 to 4096 bytes")
        not_dry(call)
        if algorithm == SYMMETRIC:
            blob = self.seal_for(call, key, plaintext, call.params.get("EncryptionContext", {}))
        else:
            blob = kms_material.rsa_encrypt(key.current.bytes, algorithm, plaintext)
            self._used(call, key, "Encrypt")
        return call.answer({"CiphertextBlob": blob, "KeyId": key.arn, "EncryptionAlgorithm": algorithm})

    def decrypt(self, call: Call) -> Response:
        """Decrypt with the version that encrypted, under the same encryption context."""
        params = call.params
        wanted = params.get("EncryptionAlgorithm", SYMMETRIC)
        key = source_key(self._cloud, call, params["CiphertextBlob"], params.get("KeyId"), wanted)
        self._fit(key, "ENCRYPT_DECRYPT")
        algorithm = self._algorithm(call, key, "EncryptionAlgorithm", SYMMETRIC)
        answer = {"KeyId": key.arn, "EncryptionAlgorithm": algorithm}
        if algorithm == SYMMETRIC:
            plaintext, material = self._open(key, params["CiphertextBlob"], params.get("EncryptionContext", {}))
            answer["KeyMaterialId"] = material.id
        else:
            plaintext = kms_material.rsa_decrypt(key.current.bytes, algorithm, params["CiphertextBlob"])
        not_dry(call)
        self._used(call, key, "Decrypt")
        return call.answer({**answer, "Plaintext": plaintext})

    def re_encrypt(self, call: Call) -> Response:
        """ReEncrypt: opened and sealed again inside KMS, under the newest version of the destination."""
        params = call.params
        first = params.get("SourceEncryptionAlgorithm", SYMMETRIC)
        second = params.get("DestinationEncryptionAlgorithm", SYMMETRIC)
        if (first, second) != (SYMMETRIC, SYMMETRIC):
            raise Refuse("UnsupportedOperationException", "this cloud re-encrypts under symmetric keys only")
        source = source_key(self._cloud, call, params["CiphertextBlob"], params.get("SourceKeyId"), first)
        target = self._keys.find(params["DestinationKeyId"], call.account, call.region)
        self._fit(source, "ENCRYPT_DECRYPT")
        self._fit(target, "ENCRYPT_DECRYPT")
        if target.spec != SYMMETRIC:
            raise Refuse("InvalidKeyUsageException", f"{target.arn} is not a symmetric key")
        opened = params.get("SourceEncryptionContext", {})
        plaintext, material = self._open(source, params["CiphertextBlob"], opened)
        not_dry(call)
        newest = self._current(target, call)
        self._used(call, source, "ReEncrypt")
        self._used(call, target, "ReEncrypt")
        return call.answer(
            {
                "CiphertextBlob": self._seal(target, plaintext, params.get("DestinationEncryptionContext", {})),
                "SourceKeyId": source.arn,
                "KeyId": target.arn,
                "SourceEncryptionAlgorithm": SYMMETRIC,
                "DestinationEncryptionAlgorithm": SYMMETRIC,
                "SourceKeyMaterialId": material.id,
                "DestinationKeyMaterialId": newest.id,
            }
        )

    def _data_key(self, call: Call) -> tuple[Key, bytes, bytes]:
        key, params = self.key_for(call, "ENCRYPT_DECRYPT"), call.params
        if key.spec != SYMMETRIC:
            raise Refuse("InvalidKeyUsageException", f"{key.arn} is not a symmetric encryption key")
        spec, size = params.get("KeySpec"), params.get("NumberOfBytes")
        if (spec is None) == (size is None):
            raise Refuse("ValidationException", "Please specify either number of bytes or key spec.")
        size = {"AES_256": 32, "AES_128": 16}[spec] if spec else size
        if size is None or not 1 <= size <= 1024:
            raise Refuse("ValidationException", "NumberOfBytes must be between 1 and 1024")
        not_dry(call)
        plaintext = os.urandom(size)
        return key, plaintext, self.seal_for(call, key, plaintext, params.get("EncryptionContext", {}))

    def generate_data_key(self, call: Call) -> Response:
        """GenerateDataKey of AES_128, AES_256 or 1 to 1024 bytes."""
        key, plaintext, blob = self._data_key(call)
        return call.answer(
            {"CiphertextBlob": blob, "Plaintext": plaintext, "KeyId": key.arn, "KeyMaterialId": key.current.id}
        )

    def generate_data_key_without_plaintext(self, call: Call) -> Response:
        """GenerateDataKeyWithoutPlaintext."""
        key, _, blob = self._data_key(call)
        return call.answer({"CiphertextBlob": blob, "KeyId": key.arn, "KeyMaterialId": key.current.id})

    def generate_random(self, call: Call) -> Response:
        """GenerateRandom of 1 to 1024 bytes."""
        size = call.params.get("NumberOfBytes", 0)
        if not 1 <= size <= 1024:
            raise Refuse("ValidationException", "NumberOfBytes must be between 1 and 1024")
        return call.answer({"Plaintext": os.urandom(size)})

    def _mac(self, call: Call) -> tuple[Key, str, bytes]:
        key = self.key_for(call, "GENERATE_VERIFY_MAC")
        algorithm = self._algorithm(call, key, "MacAlgorithm")
        message = call.params["Message"]
        if not 1 <= len(message) <= 4096:
            raise Refuse("ValidationException", "Message must have 1 to 4096 bytes")
        return key, algorithm, kms_material.mac(key.current.bytes, algorithm, message)

    def generate_mac(self, call: Call) -> Response:
        """GenerateMac."""
        key, algorithm, mac = self._mac(call)
        not_dry(call)
        self._used(call, key, "GenerateMac")
        return call.answer({"Mac": mac, "MacAlgorithm": algorithm, "KeyId": key.arn})

    def verify_mac(self, call: Call) -> Response:
        """VerifyMac; a wrong MAC is KMSInvalidMacException."""
        key, algorithm, mac = self._mac(call)
        if not hmac.compare_digest(mac, call.params["Mac"]):
            raise Refuse("KMSInvalidMacException", "the MAC does not match the message")
        not_dry(call)
        self._used(call, key, "VerifyMac")
        return call.answer({"KeyId": key.arn, "MacValid": True, "MacAlgorithm": algorithm})

    def _signing(self, call: Call) -> tuple[Key, str, bytes, str]:
        key = self.key_for(call, "SIGN_VERIFY")
        algorithm = self._algorithm(call, key, "SigningAlgorithm")
        kind = call.params.get("MessageType", "RAW")
        return key, algorithm, kms_material.digest_of(algorithm, call.params["Message"], kind), kind

    def sign(self, call: Call) -> Response:
        """Sign a message of at most 4096 bytes, or a digest as it is."""
        key, algorithm, digest, kind = self._signing(call)
        not_dry(call)
        signature = kms_material.sign(key.current.bytes, algorithm, digest, kind)
        self._used(call, key, "Sign")
        return call.answer({"KeyId": key.arn, "Signature": signature, "SigningAlgorithm": algorithm})

    def verify(self, call: Call) -> Response:
        """Verify; a wrong signature is KMSInvalidSignatureException."""
        key, algorithm, digest, kind = self._signing(call)
        if not kms_material.verify(key.current.bytes, algorithm, digest, call.params["Signature"], kind):
            raise Refuse("KMSInvalidSignatureException", "the signature does not match the message")
        not_dry(call)
        self._used(call, key, "Verify")
        return call.answer({"KeyId": key.arn, "SignatureValid": True, "SigningAlgorithm": algorithm})

    def get_public_key(self, call: Call) -> Response:
        """GetPublicKey as SubjectPublicKeyInfo."""
        key = self._keys.find(call.params["KeyId"], call.account, call.region)
        if key.spec == SYMMETRIC or key.usage == "GENERATE_VERIFY_MAC":
            raise Refuse("UnsupportedOperationException", f"a key of spec {key.spec} has no public key")
        usable(key)
        names = list(kms_material.algorithms(key.spec, key.usage))
        field = "SigningAlgorithms" if key.usage == "SIGN_VERIFY" else "EncryptionAlgorithms"
        return call.answer(
            {
                "KeyId": key.arn,
                "PublicKey": kms_material.public_key(key.current.bytes),
                "CustomerMasterKeySpec": key.spec,
                "KeySpec": key.spec,
                "KeyUsage": key.usage,
                field: names,
            }
        )
