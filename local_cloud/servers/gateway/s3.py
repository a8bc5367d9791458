"""S3: its rules put together from buckets, objects, uploads, listings and locks."""

from __future__ import annotations

from .call import Rule
from .cloud import Cloud
from .kms_use import KeyUse
from .s3_buckets import Buckets
from .s3_bytes import ObjectBytes
from .s3_encryption import Encryption
from .s3_listing import Listings
from .s3_lock import ObjectLocks
from .s3_multipart import Multipart
from .s3_objects import Objects


def s3_rules(cloud: Cloud, use: KeyUse) -> list[Rule]:
    """All rules of S3."""
    buckets, locks = Buckets(cloud), ObjectLocks(cloud)
    stored = ObjectBytes(cloud.objects.folder)
    encryption = Encryption(stored, use, buckets)
    objects = Objects(cloud, stored, encryption, locks)
    multipart = Multipart(cloud, stored, encryption, objects)
    return [
        *buckets.rules(),
        *objects.rules(),
        *multipart.rules(),
        *Listings(cloud).rules(),
        *locks.rules(),
    ]
