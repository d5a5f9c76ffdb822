"""Untrusted bytes, names and values → text and JSON that is safe to store. Knows no format."""

from __future__ import annotations

import hashlib
import json
import math
import re
from datetime import date, datetime, time, timedelta
from typing import Any

from pipeline.errors import RowError

MAX_TEXT = 1 << 20
"""Bytes of a caption or JSON file; a larger one is `too_large`."""
MAX_KEY = 200
MAX_CAPTIONS = 100
"""Of one image; each is a row."""

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


def captions(value: Any) -> list[str]:
    """A caption column's value (text, UTF-8 bytes, a number, or a list of them) as texts.

    Blank ones, nulls and NaN are left out. Raises RowError `wrong_type`, `not_utf8`, `too_large`
    or `too_many_captions`.
    """
    values = value if isinstance(value, list | tuple) else [value]
    texts = [text for text in map(_caption, values) if text]
    if len(texts) > MAX_CAPTIONS:
        message = f"{len(texts):,} captions of one image; allowed: {MAX_CAPTIONS}"
        raise RowError("too_many_captions", message)
    return texts


def _caption(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bytes):
        return decoded(value, "the caption").strip()
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RowError("wrong_type", f"the caption is a {type(value).__name__}; expected text")
    return clean(str(value)).strip()


def lfs_pointer(data: bytes) -> bool:
    """Whether Git left a pointer in place of the file's content."""
    return data[:200].startswith(b"version https://git-lfs.github.com/spec/")


POINTER = "a Git LFS pointer in place of the file; run `git lfs pull`"


def utf8(name: str) -> str:
    """A file's name, bytes in it that are not UTF-8 told as escapes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def printable(name: str) -> str:
    """As `utf8`, control characters too."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in utf8(name)
    )


def key(name: str) -> str:
    """`name` as a printable key of at most 200 characters; different names stay different."""
    text = printable(name)
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
    """`value` as JSON can hold it: dates in ISO 8601, NaN and infinities null, else its text."""
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
    if isinstance(value, int | None):
        return value
    if isinstance(value, bytes):
        return clean(value.decode("utf-8", "backslashreplace"))
    if hasattr(value, "tolist"):  # NumPy's scalars and arrays
        return jsonable(value.tolist())
    return clean(str(value))
