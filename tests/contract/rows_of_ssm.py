"""Rules of Parameter Store: sizes, the KMS key of a SecureString, and what the trail may know of a value."""

from __future__ import annotations

from typing import Any

from contract_rows import ADMIN, BACKUP, allow, name, new_key, new_role, row
from rows_of_trail import delivered, lookup, new_trail


def ssm(cloud: Any, who: str = ADMIN) -> Any:
    return cloud.client(who, "ssm")


def secure(cloud: Any, value: str = "hidden-value", **more: Any) -> tuple[str, str]:
    """(name, key) of a SecureString under a key of its own."""
    parameter, key = f"/app/{name('p')}", new_key(cloud)
    ssm(cloud).put_parameter(Name=parameter, Value=value, Type="SecureString", KeyId=key, **more)
    return parameter, key


@row("ValidationException")
def a_standard_parameter_has_4096_characters(cloud: Any) -> None:
    ssm(cloud).put_parameter(Name=name("p"), Value="x" * 4096, Type="String")
    ssm(cloud).put_parameter(Name=name("p"), Value="x" * 4097, Type="String")


@row("ValidationException")
def an_advanced_parameter_has_8192_characters(cloud: Any) -> None:
    ssm(cloud).put_parameter(Name=name("p"), Value="x" * 8192, Type="String", Tier="Advanced")
    ssm(cloud).put_parameter(Name=name("p"), Value="x" * 8193, Type="String", Tier="Advanced")


@row()
def intelligent_tiering_takes_the_tier_that_fits(cloud: Any) -> None:
    made = [
        ssm(cloud).put_parameter(Name=name("p"), Value="x" * size, Type="String", Tier="Intelligent-Tiering")["Tier"]
        for size in (10, 5000)
    ]
    assert made == ["Standard", "Advanced"]


@row("ValidationException")
def an_advanced_parameter_stays_advanced(cloud: Any) -> None:
    parameter = name("p")
    ssm(cloud).put_parameter(Name=parameter, Value="x", Type="String", Tier="Advanced")
    ssm(cloud).put_parameter(Name=parameter, Value="x", Tier="Standard", Overwrite=True)


@row("ParameterPatternMismatchException")
def a_value_matches_its_pattern(cloud: Any) -> None:
    ssm(cloud).put_parameter(Name=name("p"), Value="abc", Type="String", AllowedPattern="^[0-9]+$")


@row()
def a_secure_string_comes_back_to_who_asks_for_decryption(cloud: Any) -> None:
    for value, tier in (("hidden-value", "Standard"), ("h" * 6000, "Advanced")):
        parameter, _ = secure(cloud, value, Tier=tier)
        sealed = ssm(cloud).get_parameter(Name=parameter)["Parameter"]["Value"]
        assert value not in sealed and "kms:" not in sealed
        assert ssm(cloud).get_parameter(Name=parameter, WithDecryption=True)["Parameter"]["Value"] == value
        many = ssm(cloud).get_parameters(Names=[parameter], WithDecryption=True)["Parameters"]
        history = ssm(cloud).get_parameter_history(Name=parameter, WithDecryption=True)["Parameters"]
        assert [row["Value"] for row in (*many, *history)] == [value, value]
    found = ssm(cloud).get_parameters_by_path(Path="/app", WithDecryption=True, MaxResults=10)["Parameters"]
    assert "hidden-value" in [row["Value"] for row in found]


@row()
def versions_and_labels_of_a_secure_string_open(cloud: Any) -> None:
    parameter, key = secure(cloud, "first")
    ssm(cloud).put_parameter(Name=parameter, Value="second", Type="SecureString", KeyId=key, Overwrite=True)
    ssm(cloud).label_parameter_version(Name=parameter, ParameterVersion=1, Labels=["old"])
    opened = [
        ssm(cloud).get_parameter(Name=f"{parameter}{which}", WithDecryption=True)["Parameter"]["Value"]
        for which in ("", ":1", ":old", ":2")
    ]
    assert opened == ["second", "first", "first", "second"]
    assert "first" not in str(ssm(cloud).get_parameter_history(Name=parameter))


@row("InvalidKeyId")
def a_disabled_key_hides_the_parameter(cloud: Any) -> None:
    parameter, key = secure(cloud)
    cloud.client(ADMIN, "kms").disable_key(KeyId=key.split("/")[-1])
    assert ssm(cloud).get_parameter(Name=parameter)
    ssm(cloud).get_parameter(Name=parameter, WithDecryption=True)


@row("InvalidKeyId")
def a_disabled_key_takes_no_parameter(cloud: Any) -> None:
    parameter, key = secure(cloud)
    cloud.client(ADMIN, "kms").disable_key(KeyId=key.split("/")[-1])
    ssm(cloud).put_parameter(Name=parameter, Value="y", Type="SecureString", KeyId=key, Overwrite=True)


@row("InvalidKeyId")
def a_key_that_does_not_exist_takes_no_parameter(cloud: Any) -> None:
    ssm(cloud).put_parameter(Name=name("p"), Value="y", Type="SecureString", KeyId="alias/no-such-key")


@row("AccessDeniedException")
def decrypting_a_parameter_needs_its_key(cloud: Any) -> None:
    parameter, _ = secure(cloud)
    reader = new_role(cloud, allow("ssm:*"))
    assert ssm(cloud, reader).get_parameter(Name=parameter)
    ssm(cloud, reader).get_parameter(Name=parameter, WithDecryption=True)


@row()
def a_key_is_used_through_the_service_for_that_parameter_only(cloud: Any) -> None:
    parameter = f"/app/{name('p')}"
    arn = f"arn:aws:ssm:us-east-1:210000000001:parameter{parameter}"
    condition = {
        "StringEquals": {"kms:ViaService": "ssm.us-east-1.amazonaws.com", "kms:EncryptionContext:PARAMETER_ARN": arn}
    }
    role = new_role(cloud, allow("ssm:*"), allow(["kms:Encrypt", "kms:Decrypt"], Condition=condition))
    key = new_key(cloud)
    ssm(cloud, role).put_parameter(Name=parameter, Value="hidden-value", Type="SecureString", KeyId=key)
    assert ssm(cloud, role).get_parameter(Name=parameter, WithDecryption=True)["Parameter"]["Value"] == "hidden-value"
    try:
        ssm(cloud, role).put_parameter(Name=f"{parameter}x", Value="v", Type="SecureString", KeyId=key)
    except ssm(cloud, role).exceptions.ClientError as refused:
        assert refused.response["Error"]["Code"] == "AccessDeniedException"
    else:
        raise AssertionError("the key served another parameter")


@row("AccessDeniedException")
def a_parameter_is_permitted_by_its_name(cloud: Any) -> None:
    parameter = name("p")
    arn = f"arn:aws:ssm:*:*:parameter/{parameter}"
    reader = new_role(cloud, allow("ssm:GetParameter", arn))
    ssm(cloud).put_parameter(Name=parameter, Value="x", Type="String")
    ssm(cloud).put_parameter(Name=f"{parameter}2", Value="x", Type="String")
    assert ssm(cloud, reader).get_parameter(Name=parameter)
    ssm(cloud, reader).get_parameter(Name=f"{parameter}2")


@row("AccessDeniedException")
def another_accounts_parameter_is_not_read(cloud: Any) -> None:
    parameter = name("p")
    ssm(cloud).put_parameter(Name=parameter, Value="x", Type="String")
    ssm(cloud, f"admin@{BACKUP}").get_parameter(Name=f"arn:aws:ssm:us-east-1:210000000001:parameter/{parameter}")


@row(laptop_only="CloudTrail delivers minutes later")
def no_event_holds_the_value_of_a_parameter(cloud: Any) -> None:
    trail, bucket = new_trail(cloud)
    parameter, key = secure(cloud, "hidden-value")
    ssm(cloud).put_parameter(Name=name("p"), Value="hidden-value", Type="String")
    ssm(cloud).get_parameter(Name=parameter, WithDecryption=True)
    events = delivered(cloud, trail, bucket)
    read = next(event for event in events if event["eventName"] == "GetParameter")
    assert parameter in read["requestParameters"]["Name"] and key in [row["ARN"] for row in read["resources"]]
    assert "hidden-value" not in str(events) and "hidden-value" not in str(lookup(cloud, "EventName", "PutParameter"))
