"""The words of the IAM policy language that this package knows; any other word is refused, never ignored."""

from __future__ import annotations

VERSIONS = ("2012-10-17", "2008-10-17")
DOCUMENT_ELEMENTS = frozenset({"Version", "Id", "Statement"})
STATEMENT_ELEMENTS = frozenset(
    {
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    }
)
PRINCIPAL_TYPES = frozenset({"AWS", "Service", "Federated", "CanonicalUser"})

#: Global condition keys (IAM user guide, "AWS global condition context keys"). A misspelt `aws:` key is never present,
#: which silently opens a Deny and closes an Allow: it is refused instead. Keys of services are not listed.
GLOBAL_KEYS = frozenset(
    key.lower()
    for key in [
        "aws:AssumedRoot",
        "aws:CalledVia",
        "aws:CalledViaAWSMCP",
        "aws:CalledViaFirst",
        "aws:CalledViaLast",
        "aws:ChatbotSourceArn",
        "aws:CurrentTime",
        "aws:Ec2InstanceSourcePrivateIPv4",
        "aws:Ec2InstanceSourceVpc",
        "aws:EpochTime",
        "aws:FederatedProvider",
        "aws:IsMcpServiceAction",
        "aws:MultiFactorAuthAge",
        "aws:MultiFactorAuthPresent",
        "aws:PrincipalAccount",
        "aws:PrincipalArn",
        "aws:PrincipalIsAWSService",
        "aws:PrincipalOrgID",
        "aws:PrincipalOrgPaths",
        "aws:PrincipalServiceName",
        "aws:PrincipalServiceNamesList",
        "aws:PrincipalType",
        "aws:referer",
        "aws:RequestedRegion",
        "aws:ResourceAccount",
        "aws:ResourceOrgID",
        "aws:ResourceOrgPaths",
        "aws:SecureTransport",
        "aws:SourceAccount",
        "aws:SourceArn",
        "aws:SourceIdentity",
        "aws:SourceIp",
        "aws:SourceOrgID",
        "aws:SourceOrgPaths",
        "aws:SourceOwner",
        "aws:SourceVpc",
        "aws:SourceVpcArn",
        "aws:SourceVpce",
        "aws:TagKeys",
        "aws:TokenIssueTime",
        "aws:UserAgent",
        "aws:userid",
        "aws:username",
        "aws:ViaAWSMCPService",
        "aws:ViaAWSService",
        "aws:VpceAccount",
        "aws:VpceOrgID",
        "aws:VpceOrgPaths",
        "aws:VpcSourceIp",
    ]
)
GLOBAL_KEY_FAMILIES = ("aws:principaltag/", "aws:requesttag/", "aws:resourcetag/")


def known_key(key: str) -> bool:
    """True if a condition key is a listed global key, of a listed family, or of a service's own namespace.

    Keys ignore case; a key that becomes another one's letters only by folding Unicode is not known.
    """
    lowered = key.lower()
    if lowered.isascii() and not key.isascii():
        return False  # a letter that only looks like ours, such as the Kelvin sign, and becomes it in lower case
    namespace, colon, name = lowered.partition(":")
    if not colon or not namespace or not name:
        return False
    if namespace != "aws":
        return True
    return lowered in GLOBAL_KEYS or any(
        lowered.startswith(family) and len(lowered) > len(family) for family in GLOBAL_KEY_FAMILIES
    )
