"""Seeds: a function of run and row alone, the same in every version."""

from __future__ import annotations

import torch

from pipeline.diffusion.noise import noise_maps
from pipeline.diffusion.seeds import row_seed


def test_seeds_are_pinned() -> None:
    """A changed value here means that every earlier run would be drawn anew."""
    assert row_seed(0, "train/00000.tar", "0001") == 174718495266781


def test_seeds_of_63_bits_of_earlier_runs_draw_the_same_noise() -> None:
    assert torch.equal(
        noise_maps(4909098312329107421, 2, (4, 8, 8)), noise_maps(174718495266781, 2, (4, 8, 8))
    )


def test_parts_of_a_key_do_not_run_together() -> None:
    seeds = {
        row_seed(1, "a", "bc"),
        row_seed(1, "ab", "c"),
        row_seed(1, "abc"),
        row_seed(11, "abc"),
    }
    assert len(seeds) == 4
    assert all(0 <= seed < 2**53 for seed in seeds)


def test_noise_is_standard_normal_and_a_function_of_the_seed() -> None:
    noise = noise_maps(row_seed(0, "shard", "key"), 10, (4, 16, 16))
    assert torch.equal(noise, noise_maps(row_seed(0, "shard", "key"), 10, (4, 16, 16)))
    assert not torch.equal(noise, noise_maps(row_seed(0, "shard", "yek"), 10, (4, 16, 16)))
    assert abs(noise.mean()) < 0.05 and abs(noise.std() - 1) < 0.05
