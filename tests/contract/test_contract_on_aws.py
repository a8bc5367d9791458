"""The rows of the contract on real accounts: the same rules, asked of AWS itself.

Runs only where STRONGROOM_AWS_CONTRACT=1 and STRONGROOM_AWS_CONTRACT_PROFILES=PROFILE:ACCOUNT,... names administrators
of three accounts that hold nothing of value (workload, backup, audit). Everything made lies under the IAM path
/strongroom-contract/ or has a name that begins with contract-, and is removed at the end; KMS keys seven days later.
STRONGROOM_AWS_CONTRACT_ROWS limits the run to services or rows whose id begins so, by commas.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from contract_rows import ON_AWS, ROWS, Row

pytestmark = [
    pytest.mark.aws,
    pytest.mark.skipif(not ON_AWS, reason="STRONGROOM_AWS_CONTRACT=1 names no accounts"),
]
for _path in sorted(Path(__file__).parent.glob("rows_of_*.py")):
    import_module(_path.stem)
_BEGINNINGS = tuple(filter(None, os.environ.get("STRONGROOM_AWS_CONTRACT_ROWS", "").split(","))) or ("",)
CHOSEN = [row for row in ROWS if not row.laptop_only and str(row).startswith(_BEGINNINGS)] if ON_AWS else ROWS[:1]


@pytest.fixture(scope="module")
def aws() -> Iterator[object]:
    from aws_cloud import SETTLING, AwsCloud

    # where the endpoint is this machine's, as in the rehearsal, nothing takes time to be known
    cloud = AwsCloud(SETTLING if "AWS_ENDPOINT_URL" not in os.environ else (0.0, 0.0))
    try:
        yield cloud
    finally:
        left = cloud.close()
    assert left == []


@pytest.mark.parametrize("row", CHOSEN, ids=str)
def test_aws_keeps_the_rule(aws: object, row: Row) -> None:
    came = aws.outcome(row)  # type: ignore[attr-defined]
    if came.startswith("NotRemovable"):
        pytest.skip(came)
    assert came == ""
