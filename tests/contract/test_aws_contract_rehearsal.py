"""The run on AWS, rehearsed with the laptop cloud in AWS's place: accounts, users, ledger and removal really work."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from gateway_process import AUDIT, BACKUP, WORKLOAD, GatewayProcess

pytestmark = pytest.mark.cloud
HERE = Path(__file__).parent
#: One service's rows and some of each other: every kind of thing that is made and removed.
SAMPLE = (
    "grants,lock-bypass,lock-a_legal_hold,quotas-a_user_is,s3-a_disabled,access-reading,access-receiving,regions-a_rep"
)


def rehearse(home: Path, rows: str) -> tuple[str, GatewayProcess]:
    """(what pytest said, the gateway still running) of a run on a gateway that is taken for AWS."""
    gateway = GatewayProcess(home)
    accounts = {"workload": WORKLOAD, "backup": BACKUP, "audit": AUDIT}
    config = [
        f"[profile {name}]\nrole_arn = arn:aws:iam::{account}:role/OrganizationAccountAccessRole\n"
        f"source_profile = bootstrap-admin\nregion = us-east-1\n"
        for name, account in accounts.items()
    ]
    (home / "profiles").write_text("\n".join(config))
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PYTEST_"))} | {
        "STRONGROOM_AWS_CONTRACT": "1",
        "STRONGROOM_AWS_CONTRACT_PROFILES": ",".join(f"{name}:{account}" for name, account in accounts.items()),
        "STRONGROOM_AWS_CONTRACT_ROWS": rows,
        "AWS_ENDPOINT_URL": gateway.url,
        "AWS_ENDPOINT_URL_KMS": gateway.kms_url,
        "AWS_CA_BUNDLE": str(gateway.certificate),
        "AWS_CONFIG_FILE": str(home / "profiles"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / "aws" / "credentials"),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    ran = subprocess.run(
        [*command, str(HERE / "test_contract_on_aws.py")],
        env=environment,
        capture_output=True,
        text=True,
        cwd=HERE.parents[1],
    )
    return ran.stdout + ran.stderr, gateway


def passed(said: str) -> int:
    """How many tests passed; 0 where any failed or broke."""
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error)", said)}
    return counts.get("passed", 0) if set(counts) == {"passed"} else 0


def nothing_left(gateway: GatewayProcess) -> None:
    """Asserts that of what rows made only keys are there, and that they await deletion."""
    for account in (WORKLOAD, BACKUP, AUDIT):
        iam, kms = (gateway.client(f"admin@{account}", service) for service in ("iam", "kms"))
        listed = [*iam.list_users()["Users"], *iam.list_roles()["Roles"], *iam.list_groups()["Groups"]]
        listed += iam.list_policies(Scope="Local")["Policies"]
        assert [row for row in listed if row["Path"].startswith("/strongroom-contract/")] == []
        assert gateway.client(f"admin@{account}", "s3").list_buckets()["Buckets"] == []
        for region in ("us-east-1", "us-west-2"):
            there = kms if region == "us-east-1" else gateway.client(f"admin@{account}", "kms", region)
            keys = [
                there.describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in there.list_keys(Limit=1000)["Keys"]
            ]
            assert {key["KeyState"] for key in keys if key["KeyManager"] == "CUSTOMER"} <= {"PendingDeletion"}


def test_a_sample_of_rows_passes_and_leaves_nothing(tmp_path: Path) -> None:
    said, gateway = rehearse(tmp_path, SAMPLE)
    try:
        assert passed(said) >= 25, said[-4000:]
        nothing_left(gateway)
        made = gateway.client(f"admin@{WORKLOAD}", "kms").list_keys(Limit=1000)["Keys"]
        assert len(made) >= 20  # the control: there was something to remove
    finally:
        gateway.stop()


@pytest.mark.nightly
@pytest.mark.skipif(not os.environ.get("STRONGROOM_NIGHTLY"), reason="the whole set takes a minute")
def test_every_row_that_may_run_on_aws_passes(tmp_path: Path) -> None:
    said, gateway = rehearse(tmp_path, "")
    try:
        assert passed(said) >= 150, said[-8000:]
        nothing_left(gateway)
    finally:
        gateway.stop()
