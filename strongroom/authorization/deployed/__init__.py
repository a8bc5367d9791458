"""What is deployed, read back from the services as the prover's facts; what cannot be read is a gap, never left out.

    deployed = read(manifest, estate, lambda account, region: ctx.session("auditor", account, region))
    decide(deployed, pairs(deployed.facts, manifest, estate))   # REFUTED as well if anything could not be read

Read in every account, in the Regions of the manifest: users, roles, groups, managed policies, boundaries and trust
policies; KMS key policies and grants; policies of buckets, queues, topics, secrets, repositories of images and backup
vaults; secrets and parameters that hold credentials; whatever runs with a role: tasks, images, schedules, rules,
functions, instances, build projects, stacks, state machines; the state and the manifest that deployers and jobs obey;
SCPs and RCPs where the auditor may read them. And what OpenBao lets its logins do.
"""

from strongroom.authorization.deployed.reading import Deployed, decide, read
from strongroom.authorization.deployed.stores import stores_by_purpose
from strongroom.authorization.deployed.survey import Gap

__all__ = ["read", "decide", "stores_by_purpose", "Deployed", "Gap"]
