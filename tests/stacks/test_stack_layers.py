"""What each layer's program declares, recorded without an engine and judged as plain data."""

from __future__ import annotations

import ast
import json
import shutil
from collections import Counter
from functools import lru_cache
from pathlib import Path

import pytest
import recording
from pulumi.runtime import rpc
from recording import MASTER_PASSWORD, run_stack

from infra.program import ROOT, split_stack
from strongroom.errors import UsageError
from strongroom.estate.manifest import LAYERS, merge
from strongroom.evidence.trust import Trust


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """A project with the dev estate and something to put into tools/."""
    made = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "stacks", made / "stacks")
    for name, text in (("tools/restore.py", "print('reader')\n"), ("docs/formats/repository.md", "# format\n")):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(text)
    return made


@lru_cache
def _run(layer: str, where: Path):
    return run_stack(f"{layer}.dev", where)


@pytest.fixture(scope="session")
def stacks(root):
    return {layer: _run(layer, root) for layer in LAYERS}


def test_the_estate_stays_lean(stacks):
    """Resources that a provider makes; the count is a budget, not a goal."""
    counts = {
        layer: sum(1 for r in stack.resources if not r.type.startswith("pulumi:")) for layer, stack in stacks.items()
    }
    assert sum(counts.values()) <= 172, counts


def test_every_resource_goes_through_an_explicit_provider(stacks):
    for layer, stack in stacks.items():
        for resource in stack.resources:
            if not resource.type.startswith("pulumi:providers:"):
                assert resource.provider, f"{layer}: {resource.name} would use the default provider"


def test_providers_assume_the_deployer_of_their_layer(stacks):
    for layer, stack in stacks.items():
        for provider in (r for r in stack.resources if r.type == "pulumi:providers:aws"):
            roles = provider.inputs["assumeRoles"]
            roles = json.loads(roles) if isinstance(roles, str) else roles
            wanted = (
                "role/OrganizationAccountAccessRole" if layer == "bootstrap" else f"strongroom/dev/deployer.{layer}"
            )
            assert [role["roleArn"].endswith(wanted) for role in roles] == [True]


def test_manifest_parts_merge_into_one_environment(stacks):
    parts = {
        f"dev/{layer}.json": stack.one("BucketObjectv2", "manifest-part").inputs["content"]
        for layer, stack in stacks.items()
    }
    for layer, stack in stacks.items():
        assert stack.outputs["manifest"] == json.loads(parts[f"dev/{layer}.json"])
    merged = merge({name: text.encode() for name, text in parts.items()})
    assert merged.environment_kind == "sandbox"
    assert {k.name for k in merged.keys} >= {
        "storage-clinical",
        "recipient-vaulted",
        "recipient-transit",
        "id",
        "signing-notary",
    }
    assert merged.key("recipient-transit").ref == "transit/recipient-transit"
    assert merged.role("backup", "copier") == "arn:aws:iam::210000000002:role/strongroom/dev/copier"
    assert merged.store("portal").endpoint == "strongroom-dev-portal.example:5432"
    assert merged.store("portal").secret_ref == "vault:database/creds/portal.{duty}"
    assert {f.field_id for f in merged.store("portal").fields} == {
        "patient-mrn",
        "patient-name",
        "lab-value",
        "psy-note",
    }
    repository = merged.repository("strongroom-dev")
    assert {c.name: c.recipients for c in repository.copies} == {
        "primary": ("recipient-primary", "recipient-transit", "escrow"),
        "vaulted": ("recipient-vaulted", "escrow"),
        "disk": ("escrow",),
    }
    assert merged.evidence is not None
    Trust.of(merged.evidence.keys)  # ids are those of the public keys
    assert MASTER_PASSWORD not in "".join(parts.values())


def test_every_key_rotates_or_cannot_and_outlives_its_stack(stacks):
    keys = [key for stack in stacks.values() for key in stack.of("Key")]
    assert len(keys) == 14
    for key in keys:
        rotates = key.inputs["customerMasterKeySpec"] == "SYMMETRIC_DEFAULT"
        assert key.inputs["enableKeyRotation"] is rotates
        assert ("rotationPeriodInDays" in key.inputs) is rotates
        assert key.inputs["deletionWindowInDays"] == 30
        assert key.inputs["multiRegion"] is False
        assert {"strongroom:env", "strongroom:owner"} <= key.inputs["tags"].keys()
    aliases = {alias.inputs["name"] for stack in stacks.values() for alias in stack.of("Alias")}
    assert len(aliases) == len(keys)
    assert "alias/strongroom/dev/signing-backup-writer" in aliases


def test_every_bucket_is_private_versioned_and_under_a_policy(stacks):
    for layer, stack in stacks.items():
        for bucket in stack.of("Bucket"):
            name = bucket.name
            blocked = stack.one("BucketPublicAccessBlock", name).inputs
            assert all(
                blocked[k]
                for k in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
            )
            locked = bucket.inputs["objectLockEnabled"]
            lock = [r for r in stack.of("BucketObjectLockConfiguration") if r.name == name]
            versioned = [r for r in stack.of("BucketVersioning") if r.name == name]
            assert bool(lock) is locked and bool(versioned) is not locked, f"{layer}: {name}"
            sids = {s["Sid"] for s in stack.document("BucketPolicy", name)["Statement"]}
            assert {"TlsOnly", "NoCustomerKeys"} <= sids
            assert bucket.inputs["forceDestroy"] is False


def test_class_buckets_are_under_their_class_key_and_repositories_are_not(stacks):
    encrypted = {
        r.inputs["bucket"]: r.inputs["rules"][0]
        for stack in stacks.values()
        for r in stack.of("BucketServerSideEncryptionConfiguration")
    }
    assert set(encrypted) == {"strongroom-dev-manifest", "strongroom-dev-evidence", "strongroom-dev-images"}
    for bucket, rule in encrypted.items():
        default = rule["applyServerSideEncryptionByDefault"]
        assert (
            default["sseAlgorithm"] == "aws:kms"
            and rule["bucketKeyEnabled"]
            and rule["blockedEncryptionTypes"] == ["SSE-C"]
        )
        assert default["kmsMasterKeyId"].endswith(
            {"manifest": "manifest", "evidence": "evidence", "images": "imaging"}[bucket.rpartition("-")[2]]
        )


def test_locks_are_those_of_the_estate(stacks):
    locks = {
        r.name: r.inputs["rule"]["defaultRetention"]
        for s in stacks.values()
        for r in s.of("BucketObjectLockConfiguration")
    }
    assert locks == {
        "evidence": {"mode": "GOVERNANCE", "days": 1},
        "strongroom-dev-primary": {"mode": "GOVERNANCE", "days": 1},
        "strongroom-dev-vaulted": {"mode": "COMPLIANCE", "days": 1},
    }


def test_the_database_is_encrypted_private_and_speaks_tls_only(stacks):
    database = stacks["data"].one("Instance", "portal").inputs
    key = "arn:aws:kms:us-east-1:210000000001:key/storage-clinical"
    assert database["storageEncrypted"] and database["kmsKeyId"] == key
    assert database["performanceInsightsKmsKeyId"] == key and database["masterUserSecretKmsKeyId"] == key
    assert database["manageMasterUserPassword"] and "password" not in database
    assert not database["publiclyAccessible"] and database["deletionProtection"] and not database["skipFinalSnapshot"]
    assert (
        database["multiAz"] and database["backupRetentionPeriod"] == 7 and database["iamDatabaseAuthenticationEnabled"]
    )
    assert database["enabledCloudwatchLogsExports"] == ["postgresql", "upgrade"]
    settings = {p["name"]: p["value"] for p in stacks["data"].one("ParameterGroup", "portal").inputs["parameters"]}
    assert settings["rds.force_ssl"] == "1" and settings["ssl_min_protocol_version"] == "TLSv1.2"
    group = stacks["data"].one("SecurityGroup", "databases").inputs
    assert [rule.get("cidrBlocks") for rule in group["ingress"]] == [None] and group["egress"] == []
    assert not any(subnet.inputs["mapPublicIpOnLaunch"] for subnet in stacks["data"].of("Subnet"))


def test_dynamic_logins_are_made_for_each_duty_that_connects(stacks):
    connection = stacks["data"].one("SecretBackendConnection", "portal-credentials").inputs
    sealed = connection["postgresql"]
    assert sealed[rpc._special_sig_key] == rpc._special_secret_sig, (
        "the master password must be a secret of the stack's state"
    )
    assert sealed["value"]["connectionUrl"].endswith("/portal?sslmode=verify-full")
    assert MASTER_PASSWORD not in sealed["value"]["connectionUrl"]
    roles = {r.name: r.inputs for r in stacks["data"].of("SecretBackendRole")}
    assert set(roles) == {f"portal.{d}" for d in ("application", "rotator", "re-encryptor", "backup-writer")}
    assert set(connection["allowedRoles"]) == set(roles)
    rotator = " ".join(roles["portal.rotator"]["creationStatements"])
    assert "subject_keys" not in rotator and "patients" not in rotator


def test_the_queue_and_its_dead_letters_share_a_key(stacks):
    queues = {q.name: q.inputs for q in stacks["data"].of("Queue")}
    assert queues["notices"]["kmsMasterKeyId"] == queues["notices-dead"]["kmsMasterKeyId"]
    assert json.loads(queues["notices"]["redrivePolicy"])["deadLetterTargetArn"].endswith("strongroom-dev-notices-dead")
    for name in queues:
        assert {s["Sid"] for s in stacks["data"].document("QueuePolicy", name)["Statement"]} == {
            "TlsOnly",
            "OwnAccountOnly",
        }


def test_transit_keys_are_derived_and_never_leave(stacks):
    keys = {k.name: k.inputs for k in stacks["keys"].of("SecretBackendKey")}
    assert set(keys) == {"fields-psychotherapy", "recipient-transit"}
    for key in keys.values():
        assert (
            key["derived"] and not key["exportable"] and not key["allowPlaintextBackup"] and not key["deletionAllowed"]
        )
    assert keys["fields-psychotherapy"]["autoRotatePeriod"] == 180 * 86400


def test_app_roles_carry_one_policy_and_no_default(stacks):
    for role in stacks["keys"].of("AuthBackendRole"):
        assert role.inputs["tokenPolicies"] == [role.inputs["roleName"]]
        assert role.inputs["tokenNoDefaultPolicy"] and role.inputs["tokenType"] == "service"


def test_every_copy_carries_its_own_reader_and_format(stacks):
    from backup_jobs.repository import layout
    from strongroom.storage.local import LocalStorage

    objects = Counter((r.inputs["bucket"], r.inputs["key"]) for r in stacks["backup"].of("BucketObjectv2"))
    for bucket in ("strongroom-dev-backup-primary", "strongroom-dev-backup-vaulted"):
        for key in ("format.json", "tools/restore.py", "tools/SPEC.md"):
            assert objects[bucket, key] == 1
    assert LocalStorage and layout.FORMAT_OBJECT == "format.json"


def test_the_format_object_is_the_one_the_repository_makes(tmp_path):
    """The program writes what backup_jobs would: neither may import the other, so this test compares the bytes."""
    from backup_jobs.repository import layout
    from infra.layers.backup import format_json
    from strongroom.storage.local import LocalStorage

    storage = LocalStorage(tmp_path)
    layout.create(storage, "strongroom-dev")
    assert storage.get("format.json").decode() == format_json("strongroom-dev")


def test_a_copy_without_its_reader_is_refused(tmp_path):
    shutil.copytree(ROOT / "stacks", tmp_path / "stacks")
    with pytest.raises(UsageError, match=r"tools/restore\.py is absent"):
        run_stack("backup.dev", tmp_path)


def test_jobs_run_without_a_writable_root_or_a_secret(stacks):
    task = stacks["jobs"].one("TaskDefinition", "job").inputs
    container = json.loads(task["containerDefinitions"])[0]
    assert container["readonlyRootFilesystem"] and not container["privileged"] and container["user"] != "root"
    assert {e["name"] for e in container["environment"]} == {"STRONGROOM_MANIFEST", "STRONGROOM_HOME", "TMPDIR"}
    assert "secrets" not in container
    log = stacks["jobs"].one("LogGroup", "job").inputs
    assert log["kmsKeyId"].endswith("storage-clinical") and log["retentionInDays"] == 2192
    schedules = {s.name: json.loads(s.inputs["target"]["input"]) for s in stacks["jobs"].of("Schedule")}
    assert schedules["backup"]["containerOverrides"][0]["command"] == ["job", "run", "backup", "-e", "dev"]
    assert set(schedules) == {
        "backup",
        "copy",
        "drill",
        "rotate-keys",
        "rewrap-slots",
        "rewrap-fields",
        "collect-evidence",
    }


def test_deployers_stand_under_a_boundary(stacks):
    for role in stacks["bootstrap"].of("Role"):
        assert role.inputs["permissionsBoundary"].endswith("/deployer-boundary")
        assert role.inputs["path"] == "/strongroom/dev/" and role.inputs["name"].startswith("deployer.")


def test_a_stack_name_must_name_a_layer():
    assert split_stack("keys.prod") == ("keys", "prod")
    for wrong in ("keys", "kees.dev", "keys.", ".dev"):
        with pytest.raises(UsageError, match="<layer>"):
            split_stack(wrong)


def test_an_unknown_resource_type_fails_the_recording(monkeypatch, root):
    """Negative control of the recording: an output nobody computes must not become None."""
    monkeypatch.delitem(recording.COMPUTED, "aws:sqs/queue:Queue")
    with pytest.raises(Exception, match="unknown resource type aws:sqs/queue:Queue"):
        run_stack("data.dev", root)


def test_no_assertion_hides_inside_an_apply():
    """An assertion in `.apply` that never runs passes silently; here they stand behind the run."""
    for file in Path(__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "apply":
                assert not [n for a in node.args for n in ast.walk(a) if isinstance(n, ast.Assert)], file.name


def test_policy_builders_know_nothing_of_pulumi():
    for file in (ROOT / "infra" / "policies").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
                assert not [n for n in names if n.startswith(("pulumi", "boto3", "local_cloud"))], file.name
