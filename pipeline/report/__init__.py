"""A finished (or running) output → one self-contained HTML page."""

from pipeline.report.page import write_report

__all__ = ["write_report"]
