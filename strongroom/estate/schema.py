"""The JSON schema of estate files, for editors: docs/formats/estate.schema.json is a generated copy."""

from __future__ import annotations

import json

from strongroom.estate.model import Estate


def estate_schema() -> str:
    """The schema as text, ending in a newline; the committed copy is compared with it by a test."""
    schema = Estate.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Strongroom estate"
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"
