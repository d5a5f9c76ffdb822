"""The seed of a row's noise. Free of torch, for plans."""

from __future__ import annotations

import hashlib


def row_seed(run_seed: int, *key: str) -> int:
    """The seed of a row, 0..2**53 - 1, from the run's seed and the row's (shard, key).

    The edit's name is no part of it: an image's targets share one set of noise maps, because they
    share the source predictions made on it.
    """
    # A length before each part keeps ("a", "bc") and ("ab", "c") apart.
    parts = [f"{len(part)}:{part}" for part in (str(run_seed), *key)]
    digest = hashlib.blake2b("".join(parts).encode(), digest_size=8).digest()
    # What JSON readers can hold. torch's CPU generator takes the lowest 32 bits of a seed alone, so
    # the bits above change no noise.
    return (int.from_bytes(digest, "big") >> 1) & (2**53 - 1)
