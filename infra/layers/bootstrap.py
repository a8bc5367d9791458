"""Once an account: the manifest's bucket and key, the deployers under their boundary, and what CI may assume."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from infra.components.duty_role import DutyRole, DutyRoleArgs
from infra.components.encrypted_bucket import EncryptedBucket, EncryptedBucketArgs
from infra.components.private_bucket import PrivateBucket, PrivateBucketArgs
from infra.deployment import Deployment
from infra.layers.keymaking import make_key
from infra.layers.manifest import key_fact, publish
from infra.policies import bucket_policies, deployer_permissions, duty_permissions, trust_policies
from infra.policies.document import to_json
from strongroom.estate import duties, keyring, names


def deploy(deployment: Deployment) -> None:
    """Composes the layer."""
    estate = deployment.estate
    key = make_key(deployment, keyring.find(estate, "storage-manifest"))
    roles, made = _deployers(deployment)
    # a state key names the deployer that seals with it, which must exist by then
    sealing = {s.name: make_key(deployment, s, made) for s in keyring.of_layer(estate, "bootstrap") if s.duty}
    bucket = EncryptedBucket(
        "manifest",
        EncryptedBucketArgs(
            bucket=names.manifest_bucket(estate),
            key_arn=key.arn,
            policy=key.arn.apply(lambda arn: to_json(bucket_policies.manifest_bucket(estate, arn))),
            tags=deployment.tags(owner="deployer"),
            protect=estate.protection.data,
        ),
        # the bucket's policy names the deployers; S3 refuses principals that do not exist
        deployment.in_account("workload", depends_on=made),
    )
    if estate.bootstrap.state_bucket:
        _state_bucket(deployment, made)
    publish(
        deployment,
        {
            "accounts": deployment.account_facts(roles),
            "keys": [
                key_fact(deployment, name, arn)
                for name, arn in {"storage-manifest": key.arn, **{n: k.arn for n, k in sealing.items()}}.items()
            ],
        },
        depends_on=[bucket],
    )


def _deployers(deployment: Deployment) -> tuple[dict[str, dict[str, str]], list[pulumi.Resource]]:
    estate = deployment.estate
    roles: dict[str, dict[str, str]] = {}
    made: list[pulumi.Resource] = []
    for account in ("workload", "backup", "audit"):
        options = pulumi.ResourceOptions(provider=deployment.aws(account))
        ceiling = aws.iam.Policy(
            f"boundary-{account}",
            name="deployer-boundary",
            path=names.role_path(estate),
            description="the ceiling of every deployer",
            policy=to_json(deployer_permissions.boundary(estate)),
            opts=options,
        )
        aws.iam.Policy(
            f"duty-boundary-{account}",
            name="duty-boundary",
            path=names.role_path(estate),
            description="the ceiling of every duty",
            policy=to_json(duty_permissions.duty_boundary(estate)),
            opts=options,
        )
        if estate.bootstrap.oidc_issuer:
            issuer = aws.iam.OpenIdConnectProvider(
                f"ci-{account}",
                url=estate.bootstrap.oidc_issuer,
                client_id_lists=["sts.amazonaws.com"],
                opts=options,
            )
            made.append(issuer)
        for layer, accounts in duties.DEPLOYERS.items():
            if account not in accounts:
                continue
            duty = duties.deployer(layer)
            role = DutyRole(
                f"{duty}-{account}",
                DutyRoleArgs(
                    duty=duty,
                    path=names.role_path(estate),
                    trust=to_json(trust_policies.duty_trust(estate, account, duty)),
                    policy=to_json(deployer_permissions.deployer_policy(estate, account, layer)),
                    tags=deployment.tags(owner="bootstrap"),
                    boundary=ceiling.arn,
                ),
                deployment.in_account(account),
            )
            made.append(role)
            roles.setdefault(account, {})[duty] = names.role_arn(estate, account, duty)
    return roles, made


def _state_bucket(deployment: Deployment, made: list[pulumi.Resource]) -> None:
    """Pulumi's state: its secrets are sealed by each layer's own secrets key before they get here."""
    PrivateBucket(
        "state",
        PrivateBucketArgs(
            bucket=names.state_bucket(deployment.estate),
            policy=to_json(bucket_policies.state_bucket(deployment.estate)),
            tags=deployment.tags(owner="deployer"),
        ),
        deployment.in_account("workload", depends_on=made),
    )
