"""SCPs and RCPs above an account are read where the reader may; else they are left out, and that is said."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[2] / "contract"))

from gateway_process import AUDIT, BACKUP, MANAGEMENT, WORKLOAD, GatewayProcess

from infra.policies.duty_permissions import CONFIGURATION
from strongroom.authorization.deployed.organisation import Organisation, read_organisation
from strongroom.authorization.prover import Account

pytestmark = pytest.mark.cloud
SCP, RCP = "SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"


def doc(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def deny(action: str, **more: str) -> str:
    return doc({"Effect": "Deny", "Action": action, "Resource": "*", **more})


class Tree:
    """An organisation: the workload account two units below the root, the audit account at the root."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self.gateway = gateway
        self.client = gateway.client(f"admin@{MANAGEMENT}", "organizations")
        self.id = self.client.create_organization(FeatureSet="ALL")["Organization"]["Id"]
        self.root = self.client.list_roots()["Roots"][0]["Id"]
        self.client.enable_policy_type(RootId=self.root, PolicyType=RCP)
        for account in (WORKLOAD, AUDIT):
            asked = self.client.invite_account_to_organization(Target={"Id": account, "Type": "ACCOUNT"})["Handshake"]
            gateway.client(f"admin@{account}", "organizations").accept_handshake(HandshakeId=asked["Id"])
        self.outer, self.inner = self.unit(self.root, "outer"), ""
        self.inner = self.unit(self.outer, "inner")
        self.client.move_account(AccountId=WORKLOAD, SourceParentId=self.root, DestinationParentId=self.inner)
        self.attach("high", SCP, deny("iam:CreateUser"), self.outer)
        self.attach("low", SCP, deny("kms:DisableKey"), WORKLOAD)
        self.attach("around", RCP, deny("s3:*", Principal="*"), self.root)

    def unit(self, parent: str, name: str) -> str:
        made = self.client.create_organizational_unit(ParentId=parent, Name=name)
        return str(made["OrganizationalUnit"]["Id"])

    def attach(self, name: str, kind: str, text: str, target: str) -> None:
        made = self.client.create_policy(Name=name, Description="d", Type=kind, Content=text)
        self.client.attach_policy(PolicyId=made["Policy"]["PolicySummary"]["Id"], TargetId=target)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    process = GatewayProcess(tmp_path_factory.mktemp("organisation"), accounts=[MANAGEMENT])
    made = Tree(process)
    let_in = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{WORKLOAD}:user/strongroom/alice"}}
    reads = doc({"Effect": "Allow", "Action": list(CONFIGURATION), "Resource": "*"})
    for account in (MANAGEMENT, WORKLOAD, AUDIT, BACKUP):
        iam = process.client(f"admin@{account}", "iam")
        trust = doc({**let_in, "Action": "sts:AssumeRole"})
        for name in ("reader", "blind"):
            iam.create_role(Path="/strongroom/", RoleName=name, AssumeRolePolicyDocument=trust)
        iam.put_role_policy(RoleName="reader", PolicyName="reads", PolicyDocument=reads)
    yield made
    process.stop()


def clients(tree: Tree, role: str = "reader") -> Callable[[str], Any]:
    return lambda account: tree.gateway.client(f"arn:aws:iam::{account}:role/strongroom/{role}", "organizations")


def names(levels: Any) -> list[list[str]]:
    return [[policy.name.partition(" ")[0] for policy in level] for level in levels]


def test_the_levels_above_an_account_are_read_from_the_root_down(tree: Tree):
    found = read_organisation([AUDIT, MANAGEMENT, WORKLOAD], clients(tree))
    by_id = {account.id: account for account in found.accounts}
    full = "FullAWSAccess"
    assert [sorted(level) for level in names(by_id[WORKLOAD].scps)] == [[full], [full, "high"], [full], [full, "low"]]
    assert [sorted(level) for level in names(by_id[AUDIT].scps)] == [[full], [full]]
    assert "around" in names(by_id[AUDIT].rcps)[0] and "around" in names(by_id[WORKLOAD].rcps)[0]
    (low,) = [policy for policy in by_id[WORKLOAD].scps[-1] if policy.name.startswith("low ")]
    assert json.loads(str(low.document)) == json.loads(deny("kms:DisableKey"))
    assert (found.id, found.management, found.notes) == (tree.id, MANAGEMENT, ())


def test_the_management_account_is_under_nothing(tree: Tree):
    found = read_organisation([MANAGEMENT, WORKLOAD], clients(tree))
    assert found.accounts[0] == Account(MANAGEMENT)


def test_members_may_not_read_the_tree_which_is_said_and_no_gap(tree: Tree):
    found = read_organisation([AUDIT, WORKLOAD], clients(tree))
    assert (found.id, found.management) == (tree.id, MANAGEMENT)
    assert found.accounts == (Account(AUDIT), Account(WORKLOAD))
    assert all("left out, since they only take away" in note for note in found.notes) and len(found.notes) == 2


def test_an_account_outside_leaves_the_organisation_of_all_unknown(tree: Tree):
    found = read_organisation([WORKLOAD, BACKUP], clients(tree))
    assert (found.id, found.management) == ("", "")
    assert not any(BACKUP in note for note in found.notes)  # nothing of it is left out


def test_a_refusal_is_a_note(tree: Tree):
    found = read_organisation([WORKLOAD], clients(tree, "blind"))
    (note,) = found.notes
    assert note.endswith(f"account {WORKLOAD}: DescribeOrganization was refused: AccessDeniedException")
    assert found == Organisation("", "", (Account(WORKLOAD),), (note,))
