"""What a derivation leads to, shown by a real call: what it changes is put back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from strongroom.authorization.prover.holdings import Held
from strongroom.authorization.replay.key_moves import key_of, kms, put_policy
from strongroom.authorization.replay.moves import Answered, Move, NotReplayable, Request, Way
from strongroom.authorization.replay.scene import Scene, statements_of, text_of
from strongroom.authorization.replay.showing_openbao import show_openbao
from strongroom.authorization.replay.showing_stores import show_store

_PLAIN = b"shown by strongroom duty replay"
_CIPHERTEXT = Answered("prepared.CiphertextBlob")
#: What KMS says to who may, of a key that is of another kind: a pair of abilities is over all keys.
_OTHER_KIND = frozenset({"InvalidKeyUsageException", "UnsupportedOperationException"})

#: Shown after all else: the deployed policy put again undoes what was rewritten, and nothing reaches a withheld key.
LATE = {"kms:PutKeyPolicy": 1, "kms:ScheduleKeyDeletion": 2, "kms:DisableKey": 2}


def show(scene: Scene, held: Held) -> Move | NotReplayable:
    """The call that shows an ability."""
    words = f"{held.identity} does {held.action} on {held.resource}"
    service, _, name = held.action.partition(":")
    if service == "kms" and not held.through:
        maker = KEYS.get(name)
        return maker(scene, held, words) if maker else NotReplayable(words, f"{held.action} has no harmless call")
    if held.through:
        return NotReplayable(words, f"it is used through {held.through}, whose own calls show it")
    return show_openbao(held, words) if service == "bao" else show_store(held, words)


def contexts(scene: Scene, key: str) -> list[dict[str, str]]:
    """Encryption contexts that the statements of a key's policy ask for, none first."""
    found: list[dict[str, str]] = [{}]
    for statement in statements_of(key_of(scene, key).policy):
        context: dict[str, str] = {}
        for operator, keys in statement.get("Condition", {}).items():
            for name, values in keys.items():
                context |= dict(_asked(operator, name, values if isinstance(values, list) else [values]))
        if context and context not in found:
            found.append(context)
    return found


def _asked(operator: str, name: str, values: list[Any]) -> Iterator[tuple[str, str]]:
    prefix = "kms:encryptioncontext:"
    if name.lower().startswith(prefix):
        key = name[len(prefix) :]
        if operator == "Null":
            yield key, "replay"
        elif "Not" not in operator:
            yield key, str(values[0]).replace("*", "replay").replace("?", "r")
    elif name.lower() == "kms:encryptioncontextkeys" and "Not" not in operator:
        yield from ((str(key), "replay") for key in values)


def _simple(operation: str, **arguments: Any) -> Callable[[Scene, Held, str], Move]:
    """A call that changes nothing, once for each encryption context that may be asked for."""

    def make(scene: Scene, held: Held, words: str) -> Move:
        with_context = operation in ("encrypt", "generate_data_key", "generate_data_key_without_plaintext")
        given = contexts(scene, held.resource) if with_context else [{}]
        ways = [
            Way((kms(held.resource, operation, KeyId=held.resource, **arguments, **_context(context)),))
            for context in given
        ]
        return Move(words, held.identity, tuple(ways), answers=_OTHER_KIND)

    return make


def _context(context: Mapping[str, str], name: str = "EncryptionContext") -> dict[str, Any]:
    return {name: dict(context)} if context else {}


def _with_ciphertext(operation: str, **arguments: Any) -> Callable[[Scene, Held, str], Move]:
    """A call on a ciphertext that was made just before, by whoever may."""

    def make(scene: Scene, held: Held, words: str) -> Move:
        ways: list[Way] = []
        source = "SourceEncryptionContext" if operation == "re_encrypt" else "EncryptionContext"
        for context in contexts(scene, held.resource):
            given = {"CiphertextBlob": _CIPHERTEXT, **arguments, **_context(context, source)}
            given |= (
                {"SourceKeyId": held.resource, "DestinationKeyId": held.resource}
                if operation == "re_encrypt"
                else {"KeyId": held.resource}
            )
            if operation == "re_encrypt":
                given |= _context(context, "DestinationEncryptionContext")
            request = kms(held.resource, operation, **given)
            sealed = {"KeyId": held.resource, **_context(context)}
            for prepare in (
                kms(held.resource, "encrypt", **sealed, Plaintext=_PLAIN),
                kms(held.resource, "generate_data_key", **sealed, KeySpec="AES_256"),
            ):
                ways.append(Way((request,), prepare))
        without = {**ways[0].requests[0].arguments, "CiphertextBlob": bytes(152)}
        ways.append(Way((kms(held.resource, operation, **without),)))  # a key that seals nothing says what it is
        return Move(words, held.identity, tuple(ways), answers=_OTHER_KIND)

    return make


def _put_back(
    operation: str, mend: str | None, stays: str = "", **arguments: Any
) -> Callable[[Scene, Held, str], Move]:
    """A call that changes the key, with the call that undoes it."""

    def make(_scene: Scene, held: Held, words: str) -> Move:
        key = held.resource
        mends: tuple[Request, ...] = (kms(key, mend, KeyId=key),) if mend else ()
        if operation == "schedule_key_deletion":
            mends += (kms(key, "enable_key", KeyId=key),)
        return Move(words, held.identity, (Way((kms(key, operation, KeyId=key, **arguments),)),), mends=mends,
                    stays=stays)  # fmt: skip

    return make


def _same_policy(scene: Scene, held: Held, words: str) -> Move:
    """The policy put as it is."""
    text = text_of(key_of(scene, held.resource).policy)
    return Move(words, held.identity, (Way((put_policy(held.resource, text),)),))


def _grant(_scene: Scene, held: Held, words: str) -> Move:
    """A grant of each operation in turn, with DryRun: keys differ in what can be granted."""
    ways = tuple(
        Way((kms(held.resource, "create_grant", KeyId=held.resource, GranteePrincipal=held.identity,
                 Operations=[operation], DryRun=True),))
        for operation in ("Decrypt", "Sign", "GenerateMac")
    )  # fmt: skip
    return Move(words, held.identity, ways, answers=frozenset({"DryRunOperationException"}))


_SIGNED = {"Message": _PLAIN, "MessageType": "RAW", "SigningAlgorithm": "ECDSA_SHA_256"}
#: action of KMS -> how it is shown
KEYS: Mapping[str, Callable[[Scene, Held, str], Move]] = {
    "Decrypt": _with_ciphertext("decrypt"),
    "ReEncryptFrom": _with_ciphertext("re_encrypt"),
    "ReEncryptTo": _with_ciphertext("re_encrypt"),
    "Encrypt": _simple("encrypt", Plaintext=_PLAIN),
    "GenerateDataKey": _simple("generate_data_key", KeySpec="AES_256"),
    "GenerateDataKeyWithoutPlaintext": _simple("generate_data_key_without_plaintext", KeySpec="AES_256"),
    "Sign": _simple("sign", **_SIGNED),
    "GenerateMac": _simple("generate_mac", Message=_PLAIN, MacAlgorithm="HMAC_SHA_256"),
    "DescribeKey": _simple("describe_key"),
    "GetKeyPolicy": _simple("get_key_policy", PolicyName="default"),
    "ListGrants": _simple("list_grants"),
    "GetPublicKey": _simple("get_public_key"),
    "CreateGrant": _grant,
    "PutKeyPolicy": _same_policy,
    "DisableKey": _put_back("disable_key", "enable_key"),
    "EnableKey": _put_back("enable_key", None),
    "EnableKeyRotation": _put_back("enable_key_rotation", None, "the key's rotation is on"),
    "DisableKeyRotation": _put_back("disable_key_rotation", "enable_key_rotation"),
    "ScheduleKeyDeletion": _put_back("schedule_key_deletion", "cancel_key_deletion", PendingWindowInDays=30),
    "RotateKeyOnDemand": _put_back("rotate_key_on_demand", None, "the key has one more version"),
}
