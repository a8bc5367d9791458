"""What services offer to their own account alone, whatever the policies of both accounts allow.

Sources: KMS API reference, "Cross-account use" of each operation, and KMS developer guide, "Allowing users in other
accounts to use a KMS key"; Secrets Manager user guide, "Access AWS Secrets Manager secrets from a different account";
AWS Backup developer guide, "Vault access policies"; SQS API reference, the note on cross-account permissions of each
operation; S3 API reference, PutBucketPolicy, GetBucketPolicy and DeleteBucketPolicy.
"""

from __future__ import annotations

from typing import Final

#: The only actions of a service that work for principals of another account.
_OFFERED: Final = {
    "kms": frozenset(
        """creategrant decapsulate decrypt derivesharedsecret describekey encapsulate encrypt generatedatakey
        generatedatakeypair generatedatakeypairwithoutplaintext generatedatakeywithoutplaintext generatemac
        getkeyrotationstatus getpublickey listgrants reencryptfrom reencryptto retiregrant revokegrant sign verify
        verifymac""".split()
    ),
    "secretsmanager": frozenset(
        """cancelrotatesecret deleteresourcepolicy deletesecret describesecret getrandompassword getresourcepolicy
        getsecretvalue listsecretversionids putresourcepolicy putsecretvalue removeregionsfromreplication
        replicatesecrettoregions restoresecret rotatesecret stopreplicationtoreplica tagresource untagresource
        updatesecret updatesecretversionstage validateresourcepolicy""".split()
    ),
    "backup": frozenset({"copyintobackupvault"}),
}
#: Actions of a service that do not work for principals of another account, while its others do.
_WITHHELD: Final = {
    "sqs": frozenset(
        """addpermission createqueue deletequeue listqueues listqueuetags removepermission setqueueattributes tagqueue
        untagqueue""".split()
    ),
    "s3": frozenset({"putbucketpolicy", "getbucketpolicy", "deletebucketpolicy"}),
}
#: What the root user of the bucket's account may do whatever the bucket policy denies.
UNLOCKED_BY_ROOT: Final = frozenset({"s3:putbucketpolicy", "s3:getbucketpolicy", "s3:deletebucketpolicy"})


def offered(action: str) -> bool:
    """True if the service lets principals of another account call the action (in lower case) at all."""
    service, _, name = action.partition(":")
    if service in _OFFERED:
        return name in _OFFERED[service]
    return name not in _WITHHELD.get(service, frozenset())
