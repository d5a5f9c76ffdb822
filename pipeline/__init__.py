"""DiffEdit for whole datasets."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.engine.dataset import edit_dataset

__all__ = ["edit_dataset"]


def __getattr__(name: str) -> Any:
    """`edit_dataset`, when it is asked for: it imports Ray and torch."""
    if name in __all__:
        from pipeline.engine import dataset

        return getattr(dataset, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
