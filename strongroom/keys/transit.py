"""Transit key handles over OpenBao or Vault: derived keys, context = the canonical encryption context.

`associated_data` is not used: a ciphertext with it cannot be rewrapped (docs/adr/0004-transit-context.md).
A key reference is `<mount>/<name>`; blobs are the ASCII bytes `vault:v<N>:...`.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from strongroom.errors import Denied, KeyFailure, Transient, UsageError
from strongroom.keys.context import canonical
from strongroom.keys.handles import Context, DataKey, KeyState, Provider, Wrapped

#: Items a batch may hold with a context each: the server counts JSON strings and refuses from 1000 on.
BATCH = 240


def call(client: Any, method: str, path: str, key_ref: str, **body: Any) -> dict[str, Any]:
    """One call; KeyFailure when the server or key cannot be used, Denied on 403."""
    import hvac.exceptions as bao
    import requests

    try:
        answer = client.read(path) if method == "read" else client.write_data(path, data=body)
    except bao.Forbidden:
        raise Denied(f"{method} {path} was refused by policy") from None
    except (bao.InvalidPath, bao.InvalidRequest) as error:
        raise KeyFailure(f"transit key {key_ref}: {'; '.join(error.errors or ['refused'])}") from None
    except (bao.VaultDown, bao.InternalServerError, bao.BadGateway) as error:
        raise KeyFailure(f"OpenBao cannot serve {key_ref} ({type(error).__name__})", hint="is it sealed?") from None
    except requests.RequestException as error:
        raise KeyFailure(
            f"OpenBao cannot be reached for {key_ref} ({type(error).__name__})", hint="or restore with the escrow key"
        ) from None
    except bao.VaultError as error:
        raise Transient(f"{path}: {type(error).__name__}", hint="run again") from None
    if answer is None:
        raise KeyFailure(f"transit key {key_ref} does not exist")
    return dict(answer["data"]) if isinstance(answer, dict) else {}


def version_of(blob: bytes) -> str:
    """The key version written in a transit ciphertext, e.g. '3' of vault:v3:...; UsageError if it is none."""
    head, _, rest = blob.partition(b":v")
    number = rest.partition(b":")[0]
    if head != b"vault" or not number.isdigit():
        raise UsageError("not a transit ciphertext (vault:v<N>:...)")
    return number.decode()


class _Transit:
    provider: Provider = "transit"

    def __init__(self, client: Any, key_ref: str) -> None:
        self._client, self.key_ref = client, key_ref
        self._mount, _, self._name = key_ref.rpartition("/")

    def _path(self, verb: str) -> str:
        return f"{self._mount}/{verb}/{self._name}"

    def describe(self) -> KeyState:
        """The key's state and versions."""
        data = call(self._client, "read", self._path("keys"), self.key_ref)
        times = {int(v): _time(t) for v, t in data["keys"].items()}
        rotated = times[max(times)] if len(times) > 1 else None
        deleted = bool(data.get("soft_deleted"))
        return KeyState(
            self.key_ref,
            not deleted,
            "SoftDeleted" if deleted else "Enabled",
            str(data["latest_version"]),
            times[min(times)],
            rotated,
            str(data["min_decryption_version"]),
        )

    def _wrapped(self, ciphertext: str) -> Wrapped:
        blob = ciphertext.encode()
        return Wrapped("transit", self.key_ref, version_of(blob), blob)


class TransitWrapper(_Transit):
    """Makes and wraps data keys: update on datakey/plaintext and encrypt."""

    def generate(self, context: Context) -> DataKey:
        """A data key made by OpenBao."""
        path = f"{self._mount}/datakey/plaintext/{self._name}"
        data = call(self._client, "write", path, self.key_ref, context=_encode(canonical(context)), bits=256)
        return DataKey(base64.b64decode(data["plaintext"]), self._wrapped(data["ciphertext"]))

    def wrap(self, plaintext: bytes, context: Context) -> Wrapped:
        """Wraps a data key made elsewhere."""
        data = call(
            self._client,
            "write",
            self._path("encrypt"),
            self.key_ref,
            plaintext=_encode(plaintext),
            context=_encode(canonical(context)),
        )
        return self._wrapped(data["ciphertext"])


class TransitUnwrapper(_Transit):
    """Opens wrapped data keys: update on decrypt."""

    def unwrap(self, wrapped: Wrapped, context: Context) -> bytes:
        """The data key; KeyFailure when context or blob do not match."""
        data = call(
            self._client,
            "write",
            self._path("decrypt"),
            self.key_ref,
            ciphertext=wrapped.blob.decode(),
            context=_encode(canonical(context)),
        )
        return base64.b64decode(data["plaintext"])


class TransitAdministrator(_Transit):
    """Rotates a key and rewraps: update on keys/<name>/rotate and rewrap; never decrypt."""

    def rotate(self) -> KeyState:
        """A new key version."""
        call(self._client, "write", f"{self._path('keys')}/rotate", self.key_ref)
        return self.describe()

    def rewrap(self, wrapped: Wrapped, context: Context) -> Wrapped:
        """The same data key under the newest version."""
        return self.rewrap_all([(wrapped, context)])[0]

    def rewrap_all(self, items: Sequence[tuple[Wrapped, Context]]) -> list[Wrapped]:
        """Many at once, in batches of 240. An error of one item fails the call: the server hides it in HTTP 200."""
        done: list[Wrapped] = []
        for start in range(0, len(items), BATCH):
            batch = [
                {"ciphertext": wrapped.blob.decode(), "context": _encode(canonical(context))}
                for wrapped, context in items[start : start + BATCH]
            ]
            data = call(self._client, "write", self._path("rewrap"), self.key_ref, batch_input=batch)
            for offset, result in enumerate(data["batch_results"]):
                if result.get("error"):
                    raise KeyFailure(
                        f"transit key {self.key_ref}: item {start + offset} cannot be rewrapped: {result['error']}"
                    )
                done.append(self._wrapped(result["ciphertext"]))
        return done


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _time(value: Any) -> datetime:
    text = value["creation_time"] if isinstance(value, dict) else value
    if isinstance(text, int | float):
        return datetime.fromtimestamp(text, UTC)
    return datetime.fromisoformat(str(text).replace("Z", "+00:00")).astimezone(UTC)
