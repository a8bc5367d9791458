"""Row counts and digests of tables: equal contents give equal digests, in any row order, under one key.

The digest of a table is (row count, sum mod 2^256 of HMAC-SHA-256(table key, row)), where a row is its COPY text line
over the named columns in a fixed session setting, and the table key is HMAC-SHA-256(run's digest key, table and
columns). Without the key nobody can craft two tables with one sum, nor confirm a guessed row.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection, sql

_MODULUS = 1 << 256
#: Everything that changes how a value is written as text, and what would hide rows (row_security) or cut the read.
SESSION = """
    SET client_encoding = 'UTF8'; SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'; SET timezone = 'UTC';
    SET extra_float_digits = 3; SET bytea_output = 'hex'; SET lc_monetary = 'C'; SET xmloption = 'content';
    SET search_path = ''; SET row_security = off; SET statement_timeout = 0; SET lock_timeout = '60s';
    SET idle_in_transaction_session_timeout = 0
"""
LARGE_OBJECTS = "pg_catalog.pg_largeobject"


@dataclass(frozen=True, slots=True)
class Table:
    """An ordinary table: quoted name `schema.table`, object id, columns as pg_dump copies them, and all columns."""

    name: str
    schema: str
    relation: str
    oid: int
    copied: tuple[str, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TableDigest:
    """Row count and digest of one table."""

    rows: int
    digest: str

    def to_json(self) -> dict[str, Any]:
        """{"rows": int, "digest": hex}."""
        return {"rows": self.rows, "digest": self.digest}


_TABLES = """
    SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname), n.nspname, c.relname, c.oid::bigint,
           array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.attgenerated = ''),
           array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.attname IS NOT NULL)
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relkind = 'r' AND c.relpersistence <> 't'
      AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass
                      AND d.objid = c.oid AND d.deptype = 'e')
    GROUP BY 1, 2, 3, 4 ORDER BY 1
"""


def tables(connection: Connection[Any]) -> list[Table]:
    """The ordinary tables (partitions, not their parents) of a database, without those that extensions own."""
    rows = connection.execute(_TABLES).fetchall()
    return [Table(n, s, r, oid, tuple(copied or ()), tuple(columns or ())) for n, s, r, oid, copied, columns in rows]


def digest_table(connection: Connection[Any], name: str, source: Sequence[str], key: bytes) -> TableDigest:
    """Reads one table (`name` quoted, `source` its column names) and digests it; psycopg's errors pass through."""
    columns = sql.SQL(", ").join(sql.Identifier(column) for column in source)
    query = sql.SQL("COPY (SELECT {} FROM ONLY ").format(columns) + sql.SQL(name) + sql.SQL(") TO STDOUT")
    return _digest(connection, query, table_key(key, name, source))


def digest_large_objects(connection: Connection[Any], key: bytes) -> TableDigest:
    """Digests all large objects as one table of (oid, contents); (0, "00...") when there are none."""
    query = sql.SQL("COPY (SELECT oid, lo_get(oid) FROM pg_catalog.pg_largeobject_metadata) TO STDOUT")
    return _digest(connection, query, table_key(key, LARGE_OBJECTS, ("oid", "data")))


def table_key(key: bytes, name: str, columns: Iterable[str]) -> bytes:
    """The key of one table's digest: bound to its name and to the columns in order."""
    parts = [b"table/v1", name.encode(), *(column.encode() for column in columns)]
    return hmac.digest(key, b"".join(len(part).to_bytes(4, "big") + part for part in parts), "sha256")


def _digest(connection: Connection[Any], query: sql.SQL | sql.Composed, key: bytes) -> TableDigest:
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        return digest_rows(copy, key)


def digest_rows(blocks: Iterable[bytes | memoryview | bytearray], key: bytes) -> TableDigest:
    """Digests COPY text given in blocks of any size: line breaks inside values are escaped, so lines are rows."""
    total = rows = 0
    tail = b""
    row_digest: Callable[..., bytes] = hmac.digest
    for block in blocks:
        *lines, tail = (tail + bytes(block)).split(b"\n")
        for line in lines:
            total += int.from_bytes(row_digest(key, line, "sha256"), "big")
        rows += len(lines)
    assert not tail, "COPY text ends with a line break"
    return TableDigest(rows, format(total % _MODULUS, "064x"))
