"""One benchmark protocol a public module: its own layout → records, and the columns it is told in.

What scores, tabulates and shows is in the private modules and knows no protocol.
"""

from pipeline.section import public


def names() -> list[str]:
    """The protocols there are, without importing them."""
    return public("evaluation")
