"""The dataflow: the only place that imports Ray; and `local`, the same stages in a for-loop."""
