"""KMS key handles: symmetric wrapping keys and HMAC keys.

Wrapped blobs are raw KMS ciphertexts: ReEncrypt moves them to another key version without showing the data key
(https://docs.aws.amazon.com/kms/latest/APIReference/API_ReEncrypt.html). `version` is the KeyMaterialId where the
service reports it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NoReturn

from strongroom.errors import Denied, KeyFailure, Transient, UsageError
from strongroom.keys.handles import Context, DataKey, KeyState, Provider, Wrapped

_UNUSABLE = {
    "DisabledException": "is disabled",
    "KMSInvalidStateException": "is not in a usable state",
    "KeyUnavailableException": "is not available",
    "NotFoundException": "does not exist",
    "InvalidCiphertextException": "does not open this blob under this context",
    "IncorrectKeyException": "is not the key of this blob",
    "InvalidKeyUsageException": "is not made for this use",
    "KMSInvalidMacException": "does not confirm this MAC",
}


def call(client: Any, operation: str, key_ref: str, **arguments: Any) -> dict[str, Any]:
    """One KMS call; KeyFailure when the key cannot be used, Denied on a refusal, Transient on throttling."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return dict(getattr(client, operation)(**arguments))
    except ClientError as error:
        _raise(error, operation, key_ref)
    except BotoCoreError as error:
        raise KeyFailure(
            f"KMS cannot be reached for {key_ref} ({type(error).__name__})", hint="or restore with the escrow key"
        ) from None


def _raise(error: Any, operation: str, key_ref: str) -> NoReturn:
    code = str(error.response.get("Error", {}).get("Code", ""))
    message = str(error.response.get("Error", {}).get("Message", ""))
    if code in _UNUSABLE:
        raise KeyFailure(f"key {key_ref} {_UNUSABLE[code]} ({operation})") from None
    if code in ("AccessDeniedException", "AccessDenied"):
        raise Denied(f"{operation} on {key_ref} was refused: {message}") from None
    if code in ("ThrottlingException", "KMSInternalException", "DependencyTimeoutException"):
        raise Transient(f"{operation} on {key_ref} answered {code}", hint="run again") from None
    raise UsageError(f"{operation} on {key_ref} answered {code}: {message}") from None


def describe(client: Any, key_ref: str, *, rotations: bool = False) -> KeyState:
    """State of a KMS key by DescribeKey alone; with `rotations` its last rotation too.

    ListKeyRotations does not work across accounts, so only those ask for it who administer the key.
    """
    meta = call(client, "describe_key", key_ref, KeyId=key_ref)["KeyMetadata"]
    dates = _rotation_dates(client, key_ref, meta) if rotations else []
    version = str(meta.get("CurrentKeyMaterialId") or len(dates) + 1)
    created = meta["CreationDate"].astimezone(UTC)
    last = dates[-1] if dates else None
    return KeyState(meta["Arn"], bool(meta["Enabled"]), meta["KeyState"], version, created, last)


def _rotation_dates(client: Any, key_ref: str, meta: dict[str, Any]) -> list[datetime]:
    if meta.get("KeySpec", "SYMMETRIC_DEFAULT") != "SYMMETRIC_DEFAULT":
        return []
    rows = call(client, "list_key_rotations", key_ref, KeyId=meta["KeyId"]).get("Rotations", [])
    return sorted(row["RotationDate"].astimezone(UTC) for row in rows if "RotationDate" in row)


class KmsWrapper:
    """Makes and wraps data keys: kms:GenerateDataKey, kms:Encrypt, kms:DescribeKey."""

    provider: Provider = "aws-kms"

    def __init__(self, client: Any, key_ref: str) -> None:
        self._client, self.key_ref = client, key_ref

    def describe(self) -> KeyState:
        """The key's state."""
        return describe(self._client, self.key_ref)

    def generate(self, context: Context) -> DataKey:
        """A data key made by KMS."""
        answer = call(
            self._client,
            "generate_data_key",
            self.key_ref,
            KeyId=self.key_ref,
            KeySpec="AES_256",
            EncryptionContext=dict(context),
        )
        return DataKey(answer["Plaintext"], self._wrapped(answer))

    def wrap(self, plaintext: bytes, context: Context) -> Wrapped:
        """Wraps a data key made elsewhere."""
        answer = call(
            self._client,
            "encrypt",
            self.key_ref,
            KeyId=self.key_ref,
            Plaintext=plaintext,
            EncryptionContext=dict(context),
        )
        return self._wrapped(answer)

    def _wrapped(self, answer: dict[str, Any]) -> Wrapped:
        return Wrapped("aws-kms", answer["KeyId"], str(answer.get("KeyMaterialId", "")), answer["CiphertextBlob"])


class KmsUnwrapper:
    """Opens wrapped data keys: kms:Decrypt with the key named, so that no other key can answer."""

    provider: Provider = "aws-kms"

    def __init__(self, client: Any, key_ref: str) -> None:
        self._client, self.key_ref = client, key_ref

    def unwrap(self, wrapped: Wrapped, context: Context) -> bytes:
        """The data key; KeyFailure when context or blob do not match."""
        answer = call(
            self._client,
            "decrypt",
            self.key_ref,
            KeyId=self.key_ref,
            CiphertextBlob=wrapped.blob,
            EncryptionContext=dict(context),
        )
        return bytes(answer["Plaintext"])


class KmsAdministrator:
    """Rotates a key and rewraps under its newest version: kms:RotateKeyOnDemand, kms:ReEncrypt*; never kms:Decrypt."""

    provider: Provider = "aws-kms"

    def __init__(self, client: Any, key_ref: str) -> None:
        self._client, self.key_ref = client, key_ref

    def describe(self) -> KeyState:
        """The key's state."""
        return describe(self._client, self.key_ref, rotations=True)

    def rotate(self) -> KeyState:
        """New key material on demand; a key allows 25 of these in its life."""
        call(self._client, "rotate_key_on_demand", self.key_ref, KeyId=self.key_ref)
        return self.describe()

    def rewrap(self, wrapped: Wrapped, context: Context) -> Wrapped:
        """The same data key under the newest material, by ReEncrypt inside KMS."""
        answer = call(
            self._client,
            "re_encrypt",
            self.key_ref,
            CiphertextBlob=wrapped.blob,
            SourceKeyId=self.key_ref,
            SourceEncryptionContext=dict(context),
            DestinationKeyId=self.key_ref,
            DestinationEncryptionContext=dict(context),
        )
        return Wrapped(
            "aws-kms", answer["KeyId"], str(answer.get("DestinationKeyMaterialId", "")), answer["CiphertextBlob"]
        )


def mac(client: Any, key_ref: str, message: bytes) -> bytes:
    """HMAC-SHA-256 under a KMS HMAC key (GenerateMac); the key never leaves KMS."""
    answer = call(client, "generate_mac", key_ref, KeyId=key_ref, MacAlgorithm="HMAC_SHA_256", Message=message)
    return bytes(answer["Mac"])
