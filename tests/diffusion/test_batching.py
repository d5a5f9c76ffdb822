"""Micro-batches: sizes, memory that runs out, and that nothing else is swallowed."""

from __future__ import annotations

import pytest
import torch

from pipeline.diffusion.batching import MicroBatch


def test_every_row_once_and_in_order() -> None:
    rows = torch.arange(10)
    seen: list[int] = []

    def forward(part: slice) -> torch.Tensor:
        seen.append(len(rows[part]))
        return rows[part] * 2

    assert torch.equal(MicroBatch(4).map(10, forward), rows * 2)
    assert seen == [4, 4, 2]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
    ],
)
def test_out_of_memory_halves_and_is_remembered(error: RuntimeError) -> None:
    rows, sizes = torch.arange(11), []

    def forward(part: slice) -> torch.Tensor:
        sizes.append(len(rows[part]))
        if sizes[-1] > 3:
            raise error
        return rows[part]

    micro_batch = MicroBatch(8)
    assert torch.equal(micro_batch.map(11, forward), rows)
    assert micro_batch.size == 2
    assert sizes == [8, 4, 2, 2, 2, 2, 2, 1]


def test_a_row_that_never_fits_is_an_error() -> None:
    def forward(part: slice) -> torch.Tensor:
        raise torch.OutOfMemoryError

    with pytest.raises(torch.OutOfMemoryError):
        MicroBatch(4).map(4, forward)


def test_other_errors_pass_at_once() -> None:
    calls = 0

    def forward(part: slice) -> torch.Tensor:
        nonlocal calls
        calls += 1
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        MicroBatch(4).map(4, forward)
    assert calls == 1
