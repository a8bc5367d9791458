"""What the pages of AWS's documentation say of their own examples: policies, requests, outcomes, page by page.

Facts only, in our own names, accounts and words; each page was read before its rows were written.
"""

from __future__ import annotations

import documented_conditions
import documented_elements
import documented_iam
import documented_kms
import documented_kms_conditions
import documented_organizations
import documented_resource_control
import documented_s3
import documented_s3_keys
import documented_secrets
import documented_services
import documented_tags
import documented_trust
import documented_variables

PAGES = [
    documented_iam,
    documented_elements,
    documented_conditions,
    documented_tags,
    documented_variables,
    documented_trust,
    documented_kms,
    documented_kms_conditions,
    documented_s3,
    documented_s3_keys,
    documented_organizations,
    documented_resource_control,
    documented_services,
    documented_secrets,
]
EXAMPLES = [example for page in PAGES for example in page.EXAMPLES]
