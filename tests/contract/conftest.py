"""On AWS only the rows run there: everything else here knows the laptop cloud's accounts."""

from __future__ import annotations

from contract_rows import ON_AWS

collect_ignore_glob = ["test_gateway_*.py", "test_aws_*.py"] if ON_AWS else []
