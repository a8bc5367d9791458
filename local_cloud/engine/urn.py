"""A URN names a resource of a stack: urn:pulumi:<stack>::<project>::<parent types>$<type>::<name>."""

from __future__ import annotations

ROOT_TYPE = "pulumi:pulumi:Stack"
PROVIDER_PREFIX = "pulumi:providers:"


def make(stack: str, project: str, parent: str, type_: str, name: str) -> str:
    """The URN of a resource; parents' types are kept except the stack's own."""
    qualified = type_
    if parent:
        parent_types = qualified_type(parent)
        if parent_types != ROOT_TYPE:
            qualified = f"{parent_types}${type_}"
    return f"urn:pulumi:{stack}::{project}::{qualified}::{name}"


def qualified_type(urn: str) -> str:
    """The chain of types in a URN, joined by $."""
    return urn.split("::", 3)[2]


def type_of(urn: str) -> str:
    """The resource's own type token."""
    return qualified_type(urn).rsplit("$", 1)[-1]


def name_of(urn: str) -> str:
    """The resource's name."""
    return urn.split("::", 3)[3]


def rename(
    urn: str, *, parent: str | None = None, type_: str = "", name: str = "", stack: str = "", project: str = ""
) -> str:
    """The URN with some parts replaced; parent "" means directly below the stack."""
    head, old_project, qualified, old_name = urn.split("::", 3)
    own = type_ or qualified.rsplit("$", 1)[-1]
    if parent is None:
        chain = qualified.rsplit("$", 1)[0] + "$" + own if "$" in qualified else own
    elif parent and qualified_type(parent) != ROOT_TYPE:
        chain = f"{qualified_type(parent)}${own}"
    else:
        chain = own
    return (
        f"urn:pulumi:{stack or head.removeprefix('urn:pulumi:')}::{project or old_project}::{chain}::{name or old_name}"
    )


def package_of(type_: str) -> str:
    """The package whose plugin serves a type token: aws of aws:s3/bucket:Bucket, aws of pulumi:providers:aws."""
    return type_.removeprefix(PROVIDER_PREFIX) if is_provider(type_) else type_.split(":", 1)[0]


def is_provider(type_: str) -> bool:
    """Whether the token names a provider resource."""
    return type_.startswith(PROVIDER_PREFIX)


def split_reference(reference: str) -> tuple[str, str]:
    """The URN and id of a provider reference <urn>::<id>."""
    urn, _, id_ = reference.rpartition("::")
    return urn, id_
