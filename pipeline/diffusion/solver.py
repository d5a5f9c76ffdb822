"""Second-order steps, told as first-order ones: which ε to put into the DDIM step. Knows no loop.

A multistep method replaces the prediction of a step by its line through the step before. The DDIM
step itself, and so every (α, σ) family, stays as it is.

Shapes: B rows, C H W latent channels and sides.
"""

from __future__ import annotations

from torch import Tensor

from pipeline.diffusion.schedule import Schedule


def extrapolated(now: Tensor, before: Tensor, weight: Tensor) -> Tensor:
    """(B, C, H, W) now + weight·(now − before), with (B,) weights."""
    return now + weight.view(-1, 1, 1, 1) * (now - before)


def decoding_weights(schedule: Schedule) -> Tensor:
    """(N + 1,) weight of x̂_0's line in the step from level t to t − 1: h / 2h', in λ = log(α/σ).

    DPM-Solver++(2M), Lu et al. 2022b, algorithm 2. h is the step's length in λ, h' that of the
    step before it. 0 at level 1, whose step to σ = 0 is of infinite length, and at level N, which
    has none before.
    """
    snr = schedule.alphas.log() - schedule.sigmas.log()  # +∞ at level 0
    weights = snr.new_zeros(len(snr))
    lengths = snr[:-1] - snr[1:]  # of the step from t + 1 to t
    weights[2:-1] = lengths[1:-1] / (2 * lengths[2:])
    return weights


def encoding_weights(schedule: Schedule) -> Tensor:
    """(N,) weight of ε's line in the step from level t to t + 1: h / 2h', in u = σ/α; 0 at level 0.

    In u the way of x/α has the slope ε (Song et al. 2021, equation 14), so this is Adams &
    Bashforth's second-order method. λ is of no use here, for it is infinite at level 0.
    """
    u = schedule.sigmas / schedule.alphas
    lengths = u[1:] - u[:-1]  # of the step from t to t + 1
    weights = u.new_zeros(len(lengths))
    weights[1:] = lengths[1:] / (2 * lengths[:-1])
    return weights
