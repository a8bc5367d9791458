"""The gateway in front of moto: it authenticates, authorises and enforces what moto only stores.

A request passes `protocol` (which operation), `authentication` (whose signature), `decision` (do the policies allow
it), the service's rules (`kms`, `s3`, `sts` ...), moto where a rule does not answer, and `events` (the trail).
"""
