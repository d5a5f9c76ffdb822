"""Untrusted bytes, names and values → text and JSON that is safe to store. Knows no format."""

from __future__ import annotations

import hashlib
import json
import math
import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from pipeline.errors import RowError

MAX_TEXT = 1 << 20
"""Bytes of a caption or JSON file; a larger one is `too_large`."""
MAX_KEY = 200

_UNSTORABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def clean(text: str) -> str:
    """`text` without control characters and lone surrogates (each becomes a space)."""
    return _UNSTORABLE.sub(" ", text)


def decoded(data: bytes, name: str) -> str:
    """UTF-8 bytes of the file `name` as clean text, a byte order mark dropped.

    Raises RowError `not_utf8` or `too_large`.
    """
    if len(data) > MAX_TEXT:
        raise RowError("too_large", f"{name}: {len(data):,} bytes of text; allowed: {MAX_TEXT:,}")
    try:
        return clean(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        at = f"byte {error.start} is 0x{data[error.start]:02x}"
        raise RowError("not_utf8", f"{name}: not UTF-8 text ({at}); convert it") from error


def caption(value: Any) -> str | None:
    """A caption column's value as text; None where it is missing or blank.

    Raises RowError `wrong_type` where it is neither text nor a number.
    """
    if value is None:
        return None
    if not isinstance(value, str | int | float):
        raise RowError("wrong_type", f"the caption is a {type(value).__name__}; expected text")
    return clean(str(value)).strip() or None


def key(name: str) -> str:
    """`name` as a printable key of at most 200 characters; different names stay different."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    if len(text) <= MAX_KEY:
        return text
    digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    return f"{text[: MAX_KEY - 17]}~{digest}"


def json_object(data: bytes, name: str) -> dict[str, Any]:
    """The JSON object in the file `name`, its strings clean, NaN as null.

    Raises RowError `bad_json`, `not_utf8` or `too_large`.
    """
    text = decoded(data, name)
    try:
        value = jsonable(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise RowError("bad_json", f"{name}: not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise RowError("bad_json", f"{name}: a {type(value).__name__}; expected a JSON object")
    return value


def jsonable(value: Any) -> Any:
    """`value` as JSON can hold it: dates in ISO 8601, NaN and infinities null, bytes dropped."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(str(k)): jsonable(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return str(value)
    return value if isinstance(value, int | None) else None
