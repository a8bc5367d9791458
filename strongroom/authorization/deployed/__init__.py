"""What is deployed, read back from the services as the prover's facts; what cannot be read is a gap, never left out.

    deployed = read(manifest, estate, lambda account, region: ctx.session("auditor", account, region))
    decide(deployed, pairs(deployed.facts, manifest, estate))   # REFUTED as well if anything could not be read

Read: users, roles, groups, managed policies, boundaries and trust policies; KMS key policies and grants in the Regions
of the manifest. Not read: policies of buckets, queues and secrets, SCPs and RCPs (left out, they only take away),
tasks and schedules, OpenBao.
"""

from strongroom.authorization.deployed.reading import Deployed, Gap, decide, read

__all__ = ["read", "decide", "Deployed", "Gap"]
