"""GenerateDataKeyPair: a key pair of any asymmetric spec, its private half sealed under a symmetric KMS key."""

from __future__ import annotations

from . import kms_material
from .call import Call, Refuse, Response, Rule
from .cloud import Cloud
from .kms_answers import not_dry
from .kms_use import SYMMETRIC, KeyUse


class DataKeyPairs:
    """The rules of GenerateDataKeyPair, with and without the plain private key."""

    def __init__(self, cloud: Cloud, use: KeyUse) -> None:
        self._cloud, self._use = cloud, use

    def rules(self) -> list[Rule]:
        """One rule for each operation."""
        operations = ("GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext")
        return [Rule("kms", operation, replace=self.generate) for operation in operations]

    def generate(self, call: Call) -> Response:
        """The pair as PKCS #8 and SubjectPublicKeyInfo DER; without plaintext only the sealed private half."""
        params, spec = call.params, call.params["KeyPairSpec"]
        key = self._use.key_for(call, "ENCRYPT_DECRYPT")
        if key.spec != SYMMETRIC:
            raise Refuse("InvalidKeyUsageException", f"{key.arn} is not a symmetric encryption key")
        if spec not in kms_material.PAIRS:
            raise Refuse("UnsupportedOperationException", f"this cloud makes no pairs of spec {spec}")
        not_dry(call)
        private = kms_material.generate(spec)
        answer = {
            "PrivateKeyCiphertextBlob": self._use.seal_for(call, key, private, params.get("EncryptionContext", {})),
            "PublicKey": kms_material.public_key(private),
            "KeyId": key.arn,
            "KeyPairSpec": spec,
            "KeyMaterialId": key.current.id,
        }
        if call.operation == "GenerateDataKeyPair":
            answer["PrivateKeyPlaintext"] = private
        return call.answer(answer)
