"""The duties of the dev estate, decided on the very documents that the programs deploy: who may, who may never."""

from __future__ import annotations

import pytest
from decisions import assumes, dev, every_role, on_key, on_object, session, user

from infra.policies.key_policies import ADMINISTER, OWN
from strongroom.authorization import Principal
from strongroom.estate import duties, names
from strongroom.estate.keyring import keyring

USE = (
    "kms:Decrypt",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
    "kms:Sign",
    "kms:GenerateMac",
)
#: what a principal might put into a request to get past a condition
HELPFUL = {
    "kms__EncryptionContext__repo": "strongroom-dev",
    "kms__EncryptionContext__purpose": "branch-key",
    "kms__EncryptionContext__tenant": "t1",
    "kms__SigningAlgorithm": "ECDSA_SHA_256",
    "kms__MacAlgorithm": "HMAC_SHA_256",
    "kms__GrantIsForAWSResource": "true",
    "kms__ReEncryptOnSameKey": "true",
}
KMS_KEYS = [spec for spec in keyring(dev()) if spec.provider == "aws-kms"]


def helpful(spec) -> dict[str, str]:
    return {**HELPFUL, "kms__EncryptionContext__class": spec.data_class}


def may(account: str, duty: str, action: str, spec) -> bool:
    return on_key(account, duty, action, spec.name, **helpful(spec)).allowed


@pytest.mark.parametrize("spec", KMS_KEYS, ids=lambda s: s.name)
def test_owner_administrator_and_users_of_a_key_never_meet(spec):
    """For every key: nobody who may change its policy or administer it may use it directly, whatever the context."""
    for account, duty in every_role():
        uses = any(may(account, duty, action, spec) for action in USE)
        owns = may(account, duty, "kms:PutKeyPolicy", spec) or may(account, duty, "kms:CreateGrant", spec)
        rules = any(may(account, duty, a, spec) for a in ("kms:DisableKey", "kms:ScheduleKeyDeletion"))
        assert not (uses and owns), f"{duty} in {account} owns and uses {spec.name}"
        assert not (uses and rules), f"{duty} in {account} administers and uses {spec.name}"
        assert not (owns and rules), f"{duty} in {account} owns and administers {spec.name}"


@pytest.mark.parametrize("spec", KMS_KEYS, ids=lambda s: s.name)
def test_exactly_one_role_owns_each_key(spec):
    """PutKeyPolicy belongs to the deployer of the layer that makes the key; grants to nobody outside of RDS."""
    roles = [*every_role(), ("workload", "bootstrap")]
    owners = [role for role in roles if may(*role, "kms:PutKeyPolicy", spec)]
    wanted = "bootstrap" if spec.layer == "bootstrap" else duties.deployer(spec.layer)
    assert owners == [(spec.account, wanted)]
    assert not [role for role in every_role() if may(*role, "kms:CreateGrant", spec)]


def test_only_the_root_user_recovers_a_key():
    """The root statement names the root user, not every IAM policy of the account."""
    from decisions import key_arn

    from infra.policies.document import to_json
    from infra.policies.key_policies import key_policy
    from strongroom.authorization import Named, Policies, Request, evaluate

    number = dev().accounts["workload"].id
    policy = Named("key", to_json(key_policy(dev(), next(s for s in KMS_KEYS if s.name == "storage-clinical"))))
    everything = Named(
        "admin", {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    )
    root = Principal(f"arn:aws:iam::{number}:root", number, "root")
    admin = Principal(f"arn:aws:iam::{number}:user/admin", number, "user")
    arn = key_arn("storage-clinical")
    for principal, wanted in ((root, True), (admin, False)):
        request = Request(principal, "kms:PutKeyPolicy", arn)
        identity = (everything,) if principal is admin else ()
        assert evaluate(request, Policies(identity=identity, resource=policy)).allowed is wanted
    for action in ("kms:Decrypt", "kms:CreateGrant", "kms:ScheduleKeyDeletion"):
        assert not evaluate(Request(root, action, arn), Policies(resource=policy)).allowed


def test_administrator_deletes_only_with_thirty_days():
    window = "kms__ScheduleKeyDeletionPendingWindowInDays"
    ask = "kms:ScheduleKeyDeletion"
    assert on_key("workload", "key-admin", ask, "recipient-primary", **{window: 30}).allowed
    assert not on_key("workload", "key-admin", ask, "recipient-primary", **{window: 7}).allowed
    assert not on_key("workload", "key-admin", ask, "recipient-primary").allowed


def test_administration_and_ownership_list_no_use():
    for action in USE:
        assert action not in ADMINISTER and action not in OWN


@pytest.mark.parametrize(
    ("account", "duty", "action", "key", "wanted"),
    [
        ("workload", "rotator", "kms:ReEncryptFrom", "recipient-primary", True),
        ("workload", "rotator", "kms:ReEncryptTo", "recipient-vaulted", True),
        ("workload", "rotator", "kms:RotateKeyOnDemand", "fields-clinical", True),
        ("workload", "rotator", "kms:Decrypt", "recipient-primary", False),
        ("workload", "rotator", "kms:Decrypt", "fields-clinical", False),
        ("workload", "backup-writer", "kms:GenerateDataKey", "recipient-primary", True),
        ("workload", "backup-writer", "kms:Encrypt", "recipient-vaulted", True),
        ("workload", "backup-writer", "kms:Decrypt", "recipient-primary", False),
        ("workload", "backup-writer", "kms:Decrypt", "storage-imaging", False),
        ("workload", "backup-writer", "kms:GenerateMac", "id", True),
        ("workload", "restorer", "kms:Decrypt", "recipient-primary", True),
        ("workload", "restorer", "kms:Decrypt", "recipient-vaulted", False),
        ("backup", "restorer", "kms:Decrypt", "recipient-vaulted", True),
        ("backup", "restorer", "kms:Decrypt", "recipient-primary", False),
        ("backup", "restorer", "kms:GenerateMac", "id", True),
        ("backup", "copier", "kms:Decrypt", "recipient-vaulted", False),
        ("backup", "copier", "kms:GenerateMac", "id", False),
        ("workload", "application", "kms:Decrypt", "fields-clinical", True),
        ("workload", "application", "kms:Decrypt", "recipient-primary", False),
        ("workload", "application", "kms:Decrypt", "storage-clinical", False),
        ("workload", "re-encryptor", "kms:Decrypt", "fields-clinical", True),
        ("workload", "re-encryptor", "kms:Decrypt", "storage-imaging", False),
        ("workload", "auditor", "kms:GetKeyPolicy", "fields-clinical", True),
        ("workload", "auditor", "kms:Decrypt", "fields-clinical", False),
    ],
)
def test_the_table_of_duties_on_keys(account, duty, action, key, wanted):
    """Rows of the duty table, with every helpful context key present."""
    spec = next(s for s in KMS_KEYS if s.name == key)
    decision = on_key(account, duty, action, key, **helpful(spec))
    assert decision.allowed is wanted, decision.explain()


def test_a_run_key_is_wrapped_for_its_repository_only_and_a_branch_key_for_its_class_and_tenant():
    ask = "kms:GenerateDataKey"
    assert not on_key("workload", "backup-writer", ask, "recipient-primary").allowed
    assert not on_key(
        "workload", "backup-writer", ask, "recipient-primary", kms__EncryptionContext__repo="other"
    ).allowed
    # an application enrols branch keys, it cannot forge the slot of a backup
    slot = {"kms__EncryptionContext__repo": "strongroom-dev"}
    branch = {"kms__EncryptionContext__purpose": "branch-key", "kms__EncryptionContext__class": "clinical"}
    assert not on_key("workload", "application", "kms:Encrypt", "recipient-primary", **slot).allowed
    assert on_key("workload", "application", "kms:Encrypt", "recipient-primary", **branch).allowed
    tenant = {"kms__EncryptionContext__tenant": "t1"}
    assert on_key("workload", "application", "kms:Decrypt", "fields-clinical", **branch, **tenant).allowed
    assert not on_key("workload", "application", "kms:Decrypt", "fields-clinical", **branch).allowed
    other = {**branch, **tenant, "kms__EncryptionContext__class": "imaging"}
    assert not on_key("workload", "application", "kms:Decrypt", "fields-clinical", **other).allowed


def test_storage_keys_serve_only_through_the_service_that_stores():
    via = {"kms__ViaService": "s3.us-east-1.amazonaws.com"}
    assert on_key("workload", "application", "kms:Decrypt", "storage-imaging", **via).allowed
    assert on_key("workload", "backup-writer", "kms:Decrypt", "storage-imaging", **via).allowed
    assert not on_key("workload", "backup-writer", "kms:GenerateDataKey", "storage-imaging", **via).allowed
    assert not on_key("workload", "application", "kms:Decrypt", "storage-imaging").allowed
    assert not on_key("workload", "deployer.data", "kms:Decrypt", "storage-imaging", **via).allowed
    grant = {"kms__ViaService": "rds.us-east-1.amazonaws.com"}
    for for_aws, wanted in (("true", True), ("false", False)):
        asked = {**grant, "kms__GrantIsForAWSResource": for_aws}
        assert on_key("workload", "deployer.data", "kms:CreateGrant", "storage-clinical", **asked).allowed is wanted
    assert not on_key("workload", "deployer.data", "kms:CreateGrant", "storage-clinical", **grant).allowed


def test_each_duty_signs_with_its_own_key_alone():
    for spec in KMS_KEYS:
        if spec.purpose == "signing":
            signers = [role for role in every_role() if may(*role, "kms:Sign", spec)]
            assert signers == [(duties.HOMES[spec.duty][0], spec.duty)]
            home = signers[0]
            other = {**helpful(spec), "kms__SigningAlgorithm": "ECDSA_SHA_384"}
            assert not on_key(*home, "kms:Sign", spec.name, **other).allowed


PRIMARY, VAULTED, CONTROL = (
    "strongroom-dev-backup-primary",
    "strongroom-dev-backup-vaulted",
    "strongroom-dev-backup-control",
)
ABSENT = {"s3__if_none_match": "*"}
MATCH = {"s3__if_match": '"etag"'}


@pytest.mark.parametrize(
    ("account", "duty", "action", "bucket", "key", "context", "wanted"),
    [
        ("workload", "backup-writer", "s3:PutObject", PRIMARY, "packs/aa/x.pack", ABSENT, True),
        ("workload", "backup-writer", "s3:PutObject", PRIMARY, "packs/aa/x.pack", {}, False),
        ("workload", "backup-writer", "s3:PutObject", PRIMARY, "packs/aa/x.pack", MATCH, False),
        ("workload", "backup-writer", "s3:PutObject", PRIMARY, "packs/aa/x.pack", {**ABSENT, **MATCH}, False),
        ("workload", "backup-writer", "s3:PutObject", PRIMARY, "format.json", ABSENT, False),
        ("workload", "backup-writer", "s3:PutObject", PRIMARY, "tombstones/x", ABSENT, False),
        ("workload", "backup-writer", "s3:PutObject", VAULTED, "packs/aa/x.pack", ABSENT, False),
        ("workload", "backup-writer", "s3:GetObject", PRIMARY, "format.json", {}, True),
        ("workload", "backup-writer", "s3:GetObject", PRIMARY, "index/r/x.idx", {}, True),
        ("workload", "backup-writer", "s3:GetObject", PRIMARY, "packs/aa/x.pack", {}, False),
        ("workload", "backup-writer", "s3:GetObject", PRIMARY, "snapshots/portal/r", {}, False),
        ("workload", "backup-writer", "s3:GetObject", PRIMARY, "keys/r/escrow.1.slot", {}, False),
        ("workload", "backup-writer", "s3:ListBucket", PRIMARY, "", {}, True),
        ("workload", "backup-writer", "s3:PutObject", CONTROL, "verified/r", {}, False),
        ("workload", "backup-writer", "s3:GetObject", CONTROL, "verified/r", {}, True),
        ("workload", "backup-writer", "s3:PutObject", CONTROL, "cache/portal", {}, True),
        ("workload", "backup-writer", "s3:PutObject", CONTROL, "leases/backup.json", {}, True),
        ("workload", "restorer", "s3:GetObject", PRIMARY, "packs/aa/x.pack", {}, True),
        ("workload", "restorer", "s3:PutObject", PRIMARY, "packs/aa/x.pack", ABSENT, False),
        ("workload", "restorer", "s3:PutObject", CONTROL, "verified/r", {}, True),
        ("workload", "restorer", "s3:GetObject", VAULTED, "packs/aa/x.pack", {}, False),
        ("backup", "restorer", "s3:GetObject", VAULTED, "packs/aa/x.pack", {}, True),
        ("backup", "copier", "s3:GetObject", PRIMARY, "packs/aa/x.pack", {}, True),
        ("backup", "copier", "s3:PutObject", PRIMARY, "packs/aa/x.pack", ABSENT, False),
        ("backup", "copier", "s3:PutObject", VAULTED, "packs/aa/x.pack", ABSENT, True),
        ("backup", "copier", "s3:PutObject", VAULTED, "packs/aa/x.pack", MATCH, True),
        ("backup", "copier", "s3:PutObject", VAULTED, "packs/aa/x.pack", {}, False),
        ("backup", "lock-keeper", "s3:GetObject", PRIMARY, "refs/portal/r.json", {}, True),
        ("backup", "lock-keeper", "s3:GetObject", PRIMARY, "packs/aa/x.pack", {}, False),
        ("backup", "lock-keeper", "s3:PutObjectRetention", PRIMARY, "packs/aa/x.pack", {}, True),
        ("backup", "lock-keeper", "s3:PutObject", VAULTED, "packs/aa/x.pack", ABSENT, False),
        ("workload", "rotator", "s3:GetObject", VAULTED, "keys/r/recipient-vaulted.1.slot", {}, True),
        ("workload", "rotator", "s3:PutObject", VAULTED, "keys/r/recipient-vaulted.2.slot", ABSENT, True),
        ("workload", "rotator", "s3:GetObject", PRIMARY, "packs/aa/x.pack", {}, False),
        ("workload", "deployer.backup", "s3:PutObject", PRIMARY, "tools/restore.py", {}, True),
        ("workload", "deployer.backup", "s3:PutObject", PRIMARY, "packs/aa/x.pack", ABSENT, False),
        ("workload", "deployer.backup", "s3:GetObject", PRIMARY, "packs/aa/x.pack", {}, False),
        ("workload", "application", "s3:GetObject", PRIMARY, "packs/aa/x.pack", {}, False),
        ("workload", "application", "s3:PutObject", "strongroom-dev-images", "a.dcm", {}, True),
        ("workload", "auditor", "s3:GetObject", "strongroom-dev-images", "a.dcm", {}, False),
    ],
)
def test_the_table_of_duties_on_buckets(account, duty, action, bucket, key, context, wanted):
    decision = on_object(account, duty, action, bucket, key, **context)
    assert decision.allowed is wanted, decision.explain()


@pytest.mark.parametrize("bucket", [PRIMARY, VAULTED, "strongroom-dev-evidence"])
@pytest.mark.parametrize("action", ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"])
def test_nobody_deletes_or_unlocks_what_must_last(bucket, action):
    for account, duty in [*every_role(), ("workload", "bootstrap"), ("backup", "bootstrap"), ("audit", "bootstrap")]:
        decision = on_object(account, duty, action, bucket, "packs/aa/x.pack")
        assert not decision.allowed, f"{duty} in {account}: {decision.explain()}"


def test_a_writer_cannot_lock_for_a_century():
    ask, days = "s3:PutObjectRetention", "s3__object_lock_remaining_retention_days"
    assert on_object("workload", "backup-writer", ask, PRIMARY, "packs/aa/x.pack", **{days: 2}).allowed
    assert not on_object("workload", "backup-writer", ask, PRIMARY, "packs/aa/x.pack", **{days: 36500}).allowed
    assert on_object("workload", "rotator", ask, VAULTED, "keys/r/x.2.slot", **{days: 2}).allowed
    assert not on_object("workload", "rotator", ask, VAULTED, "keys/r/x.2.slot", **{days: 36500}).allowed


SSE, SSE_KEY = "s3__x_amz_server_side_encryption", "s3__x_amz_server_side_encryption_aws_kms_key_id"
SSE_C = "s3__x_amz_server_side_encryption_customer_algorithm"


def test_ransomware_by_encryption_is_refused():
    """Customer keys, foreign keys, other algorithms: refused on class buckets; absent headers mean our default."""
    put = ("workload", "application", "s3:PutObject", "strongroom-dev-images", "a.dcm")
    ours = "arn:aws:kms:us-east-1:210000000001:key/storage-imaging"
    assert on_object(*put).allowed
    assert on_object(*put, **{SSE: "aws:kms", SSE_KEY: ours}).allowed
    assert not on_object(*put, **{SSE: "aws:kms", SSE_KEY: ours.replace("210000000001", "999999999999")}).allowed
    assert not on_object(*put, **{SSE: "AES256"}).allowed
    assert not on_object(*put, **{SSE_C: "AES256"}).allowed
    pack = ("workload", "backup-writer", "s3:PutObject", PRIMARY, "packs/aa/x.pack")
    assert on_object(*pack, **ABSENT, **{SSE: "AES256"}).allowed
    assert not on_object(*pack, **ABSENT, **{SSE: "aws:kms"}).allowed
    assert not on_object(*pack, **ABSENT, **{SSE_C: "AES256"}).allowed


def test_plain_http_is_refused_everywhere():
    for bucket in (
        PRIMARY,
        VAULTED,
        CONTROL,
        "strongroom-dev-images",
        "strongroom-dev-manifest",
        "strongroom-dev-evidence",
    ):
        for account, duty in [*every_role(), ("workload", "bootstrap")]:
            assert not on_object(account, duty, "s3:ListBucket", bucket, aws__SecureTransport=False).allowed


def test_evidence_is_appended_by_signers_and_read_by_auditors():
    statement = ("strongroom-dev-evidence", "evidence/dev/0000000001.dsse")
    for duty, kinds in duties.SIGNS.items():
        home = duties.HOMES[duty][0]
        assert kinds
        assert on_object(home, duty, "s3:PutObject", *statement, **ABSENT).allowed
        assert not on_object(home, duty, "s3:PutObject", *statement).allowed
        assert not on_object(home, duty, "s3:PutObject", *statement, **MATCH).allowed
        assert on_object(home, duty, "s3:GetObject", *statement).allowed
    assert on_object("audit", "auditor", "s3:GetObject", *statement).allowed
    for account, duty in every_role():
        if duty not in duties.SIGNS:
            assert not on_object(account, duty, "s3:PutObject", *statement, **ABSENT).allowed


def test_each_layer_writes_its_own_manifest_part_alone():
    for layer, accounts in duties.DEPLOYERS.items():
        for account in accounts:
            for part in duties.DEPLOYERS:
                put = on_object(
                    account, duties.deployer(layer), "s3:PutObject", "strongroom-dev-manifest", f"dev/{part}.json"
                )
                assert put.allowed is (part == layer), put.explain()
    assert on_object("workload", "bootstrap", "s3:PutObject", "strongroom-dev-manifest", "dev/bootstrap.json").allowed
    assert not on_object("workload", "bootstrap", "s3:PutObject", "strongroom-dev-manifest", "dev/keys.json").allowed
    for account, duty in every_role():
        if not duty.startswith("deployer."):
            assert on_object(account, duty, "s3:GetObject", "strongroom-dev-manifest", "dev/keys.json").allowed
            assert not on_object(account, duty, "s3:PutObject", "strongroom-dev-manifest", "dev/keys.json").allowed


def test_every_role_opens_the_manifest_and_nothing_else_under_that_permission():
    via = {"kms__ViaService": "s3.us-east-1.amazonaws.com"}
    ours = {**via, "kms__EncryptionContext__aws__s3__arn": "arn:aws:s3:::strongroom-dev-manifest"}
    other = {**via, "kms__EncryptionContext__aws__s3__arn": "arn:aws:s3:::strongroom-dev-images"}
    for account, duty in every_role():
        if not duty.startswith("deployer."):
            assert on_key(account, duty, "kms:Decrypt", "storage-manifest", **ours).allowed
            assert not on_key(account, duty, "kms:Decrypt", "storage-manifest", **other).allowed
            assert not on_key(account, duty, "kms:Decrypt", "storage-manifest").allowed


def test_each_runner_becomes_its_own_duty_alone():
    for account, duty in every_role():
        wanted = "deployer" if duty.startswith("deployer.") else f"runner.{duty}"
        for holder in ("deployer", "bootstrap-admin", *(f"runner.{d}" for d in duties.HOMES)):
            assert assumes(user(holder), account, duty).allowed is (holder == wanted), (holder, duty)


def test_no_deployer_becomes_a_duty():
    for account, duty in every_role():
        for layer, accounts in duties.DEPLOYERS.items():
            assert not assumes(session(accounts[0], duties.deployer(layer)), account, duty).allowed


def test_policies_fit_the_limits_of_the_service():
    """Inline role policies 10,240 characters, managed policies 6,144, bucket policies 20 KB, key policies 32 KB."""
    from decisions import _identity, bucket_documents

    for account, duty in every_role():
        policies = _identity(account, duty)
        assert len(policies.identity[0].document) <= 10240, duty
        if policies.boundary:
            assert len(policies.boundary.document) <= 6144
    assert max(map(len, bucket_documents().values())) <= 20480


def test_role_arns_are_fixed_by_path_and_duty():
    assert (
        names.role_arn(dev(), "workload", "backup-writer")
        == "arn:aws:iam::210000000001:role/strongroom/dev/backup-writer"
    )
    assert names.role_arns(dev(), "restorer") == (
        "arn:aws:iam::210000000001:role/strongroom/dev/restorer",
        "arn:aws:iam::210000000002:role/strongroom/dev/restorer",
    )


def test_the_harness_sees_a_wrong_policy(monkeypatch):
    """Negative control: a writer that could unwrap, an owner that could use, must turn the checks red."""
    import decisions

    from infra.policies.document import allow

    good = decisions.key_policy

    def widened(estate, spec):
        document = good(estate, spec)
        owner = names.role_arn(estate, "workload", "deployer.keys")
        document["Statement"].append(allow("Oops", ("kms:Encrypt",), to=[owner]))
        document["Statement"].append(
            allow("Oops2", ("kms:Decrypt",), to=[names.role_arn(estate, "workload", "backup-writer")])
        )
        return document

    monkeypatch.setattr(decisions, "key_policy", widened)
    assert on_key("workload", "backup-writer", "kms:Decrypt", "recipient-primary").allowed
    # the owner's boundary still refuses direct use: two fences, the key policy being the first
    assert not on_key("workload", "deployer.keys", "kms:Encrypt", "recipient-primary").allowed
    with pytest.raises(AssertionError, match="administers and uses"):
        monkeypatch.setattr(
            decisions,
            "key_policy",
            lambda estate, spec: {
                **good(estate, spec),
                "Statement": [
                    *good(estate, spec)["Statement"],
                    allow("Oops", ("kms:Decrypt",), to=[names.role_arn(estate, "workload", "key-admin")]),
                ],
            },
        )
        test_owner_administrator_and_users_of_a_key_never_meet(next(s for s in KMS_KEYS if s.name == "fields-clinical"))
