"""Patterns that models of any kind tell apart soon: for images, sequences and rows of numbers. Own generator only.

Everything is made on the CPU in float32; callers scale and move it.
"""

from __future__ import annotations

import math
from typing import Any

from dlmon_probes.training import tensors

COARSE = 4  # cells of a low-frequency pattern along each dimension


def generator(seed: int) -> Any:
    """Random numbers of our own; the script's stay as they are."""
    torch = tensors.torch_module()
    made = torch.Generator(device="cpu")
    made.manual_seed(seed)
    return made


def normal(shape: tuple[int, ...], own: Any) -> Any:
    return tensors.torch_module().randn(shape, generator=own, dtype=tensors.torch_module().float32, device="cpu")


def uniform(shape: tuple[int, ...], own: Any) -> Any:
    return tensors.torch_module().rand(shape, generator=own, dtype=tensors.torch_module().float32, device="cpu")


def whole(high: int, shape: tuple[int, ...], own: Any) -> Any:
    """Whole numbers from 0 to high - 1."""
    return tensors.torch_module().randint(high, shape, generator=own, dtype=tensors.torch_module().int64, device="cpu")


def prototypes(count: int, shape: tuple[int, ...], own: Any, apart: bool = True) -> Any:
    """(count, *shape): patterns of standard deviation 1. apart: one at a time is shown, so what is common to all is
    left out; where they are added up, each stands for itself. Each differs from the others in its mean along each
    dimension (what pooling leaves), in its low frequencies (what a linear layer sees) and, for images, in the
    direction of a grating (what convolutions see)."""
    if not shape:
        levels = tensors.torch_module().linspace(-1.5, 1.5, count, dtype=tensors.torch_module().float32, device="cpu")
        return levels[tensors.torch_module().randperm(count, generator=own, device="cpu")]
    if len(shape) == 1:
        return _standardised(normal((count, *shape), own), apart)
    made = low_frequency(count, shape, own)
    for dim in range(len(shape)):
        profile = [1] * len(shape)
        profile[dim] = shape[dim]
        if shape[dim] > 1:
            made = made + (0.7 if shape[dim] <= 64 else 0.3) * normal((count, *profile), own)
    if len(shape) == 3:
        made = made + _gratings(count, shape)
    return _standardised(made, apart)


def low_frequency(count: int, shape: tuple[int, ...], own: Any) -> Any:
    """(count, *shape): random values on a coarse grid, in between interpolated along the last dimensions."""
    torch = tensors.torch_module()
    spatial = shape[-2:] if len(shape) >= 2 else shape
    leading = shape[: len(shape) - len(spatial)]
    coarse = tuple(min(size, COARSE) for size in spatial)
    grid = normal((count * math.prod(leading), 1, *coarse), own)
    mode = "bilinear" if len(spatial) == 2 else "linear"
    wide = torch.nn.functional.interpolate(grid, size=spatial, mode=mode, align_corners=False)
    return wide.reshape(count, *shape)


def _gratings(count: int, shape: tuple[int, ...]) -> Any:
    """Waves of `count` different directions over the two largest of three dimensions."""
    torch = tensors.torch_module()
    flat = min(range(3), key=lambda dim: shape[dim])
    first, second = (dim for dim in range(3) if dim != flat)
    one, other = (torch.arange(shape[dim], dtype=torch.float32, device="cpu") for dim in (first, second))
    one, other = one[:, None], other[None, :]
    waves = []
    for k in range(count):
        angle = math.pi * k / count
        period = 4.0 + 2.0 * (k % 3)
        phase = 2 * math.pi / period * (math.cos(angle) * one + math.sin(angle) * other)
        waves.append(torch.sin(phase).unsqueeze(flat))
    return 0.8 * torch.stack(waves)


def _standardised(made: Any, apart: bool) -> Any:
    """Standard deviation 1, and mean 0 over all patterns where they are shown one at a time."""
    if apart and made.shape[0] > 1:
        made = made - made.mean(0, keepdim=True)
    deviation = made.std() if made.numel() > 1 else made.abs().amax()
    return made / deviation.clamp(min=1e-6)


def areas(rows: int, spatial: tuple[int, ...], labels: int, own: Any) -> Any:
    """(rows, *spatial): label numbers; 0 everywhere but in one box for each of up to two others. Every label of a
    large set comes up in some row."""
    torch = tensors.torch_module()
    made = torch.zeros((rows, *spatial), dtype=torch.int64, device="cpu")
    if labels < 2:
        return made
    for row in range(rows):
        for _ in range(2):
            box: list[Any] = [row]
            for size in spatial:
                length = max(1, size // 4 + int(whole(max(size // 3, 1), (1,), own)))
                begin = int(whole(max(size - length, 0) + 1, (1,), own))
                box.append(slice(begin, begin + length))
            made[tuple(box)] = 1 + int(whole(labels - 1, (1,), own))
    return made
