"""Queue policies: TLS only; no principal of another account, whatever an identity policy says."""

from __future__ import annotations

from infra.policies.document import Document, deny, document
from strongroom.estate.model import Estate


def queue_policy(estate: Estate, queue_arn: str) -> Document:
    """The policy of a queue or its dead-letter queue."""
    account = estate.accounts["workload"].id
    return document(
        [
            deny("TlsOnly", ("sqs:*",), [queue_arn], everyone=True, when={"Bool": {"aws:SecureTransport": "false"}}),
            deny(
                "OwnAccountOnly",
                ("sqs:*",),
                [queue_arn],
                everyone=True,
                # fires for anonymous callers too: a negated operator matches an absent key
                when={"StringNotEquals": {"aws:PrincipalAccount": account}},
            ),
        ]
    )
