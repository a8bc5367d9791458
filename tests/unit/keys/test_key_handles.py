"""Key handles over real services: what they wrap opens under the same context only, and failures name the key."""

from __future__ import annotations

import hvac
import pytest

from strongroom.errors import KeyFailure, UsageError
from strongroom.keys import escrow, kms
from strongroom.keys.context import canonical
from strongroom.keys.handles import Wrapped
from strongroom.keys.kms import KmsAdministrator, KmsUnwrapper, KmsWrapper
from strongroom.keys.transit import BATCH, TransitAdministrator, TransitUnwrapper, TransitWrapper, version_of

CONTEXT = {"repo": "r", "run": "1", "recipient": "x"}


@pytest.fixture(scope="session")
def escrow_pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("escrow")
    private, public = folder / "escrow.pem", folder / "escrow.pub.pem"
    escrow.create(private, public, b"correct horse battery")
    return private, public


@pytest.fixture
def pair(request, escrow_pair):
    kind = request.param
    if kind == "kms":
        client = request.getfixturevalue("kms_client")
        ref = client.create_key()["KeyMetadata"]["Arn"]
        return KmsWrapper(client, ref), KmsUnwrapper(client, ref)
    if kind == "transit":
        client = request.getfixturevalue("bao_client")
        name = f"key-{id(request)}"
        client.secrets.transit.create_key(name, derived=True)
        return TransitWrapper(client, f"transit/{name}"), TransitUnwrapper(client, f"transit/{name}")
    return escrow.load_public(escrow_pair[1]), escrow.load_private(escrow_pair[0], b"correct horse battery")


every = pytest.mark.parametrize("pair", ["kms", "transit", "escrow"], indirect=True)


@every
def test_generate_and_wrap_open_again(pair):
    wrapper, unwrapper = pair
    made = wrapper.generate(CONTEXT)
    assert (
        len(made.plaintext) == 32 and made.plaintext.hex() not in repr(made) and str(made.plaintext) not in repr(made)
    )
    assert unwrapper.unwrap(made.wrapped, CONTEXT) == made.plaintext
    assert unwrapper.unwrap(wrapper.wrap(b"k" * 32, CONTEXT), CONTEXT) == b"k" * 32
    assert wrapper.describe().enabled


@every
def test_another_context_or_damaged_blob_is_refused(pair):
    wrapper, unwrapper = pair
    wrapped = wrapper.wrap(b"k" * 32, CONTEXT)
    with pytest.raises(KeyFailure):
        unwrapper.unwrap(wrapped, {**CONTEXT, "run": "2"})
    damaged = wrapped.blob[:-4] + bytes([wrapped.blob[-4] ^ 1]) + wrapped.blob[-3:]
    with pytest.raises(KeyFailure):
        unwrapper.unwrap(Wrapped(wrapped.provider, wrapped.key_ref, "1", damaged), CONTEXT)


def test_kms_rewrap_keeps_the_data_key(kms_client):
    ref = kms_client.create_key()["KeyMetadata"]["Arn"]
    wrapped = KmsWrapper(kms_client, ref).wrap(b"k" * 32, CONTEXT)
    administrator = KmsAdministrator(kms_client, ref)
    before = administrator.describe()
    assert administrator.rotate().current_version != before.current_version
    moved = administrator.rewrap(wrapped, CONTEXT)
    assert moved.blob != wrapped.blob
    assert KmsUnwrapper(kms_client, ref).unwrap(moved, CONTEXT) == b"k" * 32


def test_a_kms_key_that_does_not_exist_is_a_key_failure(kms_client):
    ref = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
    with pytest.raises(KeyFailure, match=ref):
        KmsWrapper(kms_client, ref).generate(CONTEXT)
    with pytest.raises(KeyFailure, match="does not exist"):
        kms.describe(kms_client, ref)


def test_transit_rotation_and_rewrap_over_a_batch_boundary(bao_client):
    bao_client.secrets.transit.create_key("rotated", derived=True)
    wrapper, ref = TransitWrapper(bao_client, "transit/rotated"), "transit/rotated"
    contexts = [{**CONTEXT, "run": str(n)} for n in range(BATCH + 3)]
    items = [(wrapper.wrap(bytes([n % 256]) * 32, context), context) for n, context in enumerate(contexts)]
    administrator = TransitAdministrator(bao_client, ref)
    assert administrator.rotate().current_version == "2"
    moved = administrator.rewrap_all(items)
    assert {m.version for m in moved} == {"2"} and len(moved) == len(items)
    last = TransitUnwrapper(bao_client, ref).unwrap(moved[-1], contexts[-1])
    assert last == bytes([(BATCH + 2) % 256]) * 32


def test_one_bad_item_in_a_transit_batch_is_not_hidden(bao_client):
    bao_client.secrets.transit.create_key("hidden", derived=True)
    wrapper = TransitWrapper(bao_client, "transit/hidden")
    good = wrapper.wrap(b"k" * 32, CONTEXT)
    bad = Wrapped("transit", good.key_ref, "1", good.blob[:-8] + b"AAAAAAA=")
    with pytest.raises(KeyFailure, match="item 1"):
        TransitAdministrator(bao_client, "transit/hidden").rewrap_all([(good, CONTEXT), (bad, CONTEXT)])


def test_openbao_that_cannot_be_reached_is_a_key_failure(unused_port):
    client = hvac.Client(url=f"http://127.0.0.1:{unused_port}", token="t")
    with pytest.raises(KeyFailure, match="escrow"):
        TransitWrapper(client, "transit/x").generate(CONTEXT)
    client.adapter.session.close()


def test_version_of_refuses_what_is_no_transit_ciphertext():
    assert version_of(b"vault:v12:abc") == "12"
    with pytest.raises(UsageError):
        version_of(b"vault:12:abc")


def test_escrow_files_are_private_encrypted_and_never_overwritten(escrow_pair):
    private, public = escrow_pair
    assert private.stat().st_mode & 0o077 == 0 and b"ENCRYPTED PRIVATE KEY" in private.read_bytes()
    with pytest.raises(UsageError, match="never overwritten"):
        escrow.create(private, public, b"correct horse battery")
    with pytest.raises(KeyFailure, match="passphrase"):
        escrow.load_private(private, b"wrong passphrase")
    with pytest.raises(UsageError, match="12 characters"):
        escrow.create(private.with_name("other.pem"), public.with_name("o.pub"), b"short")


def test_a_slot_of_another_escrow_key_is_named(escrow_pair):
    opened = escrow.load_private(escrow_pair[0], b"correct horse battery")
    with pytest.raises(KeyFailure, match="escrow:feed"):
        opened.unwrap(Wrapped("rsa-oaep-sha256", "escrow:feed", "1", b"x" * 512), CONTEXT)


def test_the_canonical_context_is_fixed():
    assert canonical({"b": "ü", "a": "1"}) == b'{"a":"1","b":"\\u00fc"}'
