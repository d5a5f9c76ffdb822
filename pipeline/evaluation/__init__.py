"""One benchmark protocol a public module: its own layout → records, and the columns it is told in.

What scores, tabulates and shows is in the private modules and knows no protocol.
"""

import pkgutil


def names() -> list[str]:
    """The protocols there are, without importing them."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))
