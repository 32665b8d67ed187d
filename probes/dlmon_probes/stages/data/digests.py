"""Hashes of tensors' values: whether two batches are the same, without keeping either."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from dlmon_probes.training import tensors

SAMPLED = 4096  # elements of each tensor that are looked at
_MULTIPLIER = 0x5851F42D4C957F2D  # Knuth's for 64 bits
_OFFSET = 0x632BE59B  # so that zeros count by their places, too


def digest_of(named: Iterable[tuple[str, Any]]) -> int:
    """64 bits over names, types, shapes and (a subsample of) values. Call it within `tensors.immune()`."""
    state = hashlib.blake2b(digest_size=8)
    for name, tensor in named:
        sizes = [] if tensor.is_nested else [int(size) for size in tensor.shape]
        state.update(f"{name} {tensor.dtype} {sizes} {value_bits(tensor)}|".encode())
    return int.from_bytes(state.digest(), "little")


def value_bits(tensor: Any) -> int:
    """A number made of the bits of an evenly spaced subsample; 0 for what cannot be read. Waits for the device."""
    torch = tensors.torch_module()
    if tensor.layout is torch.sparse_coo:
        return value_bits(tensor._values()) ^ (3 * value_bits(tensor._indices()))
    readable = tensors.local(tensor)
    if readable is None or not readable.numel():
        return 0
    if readable.dtype.is_complex:
        readable = torch.view_as_real(readable.resolve_conj())
    bits = _as_integers(tensors.subsample(readable, SAMPLED).contiguous())
    # An odd multiplier for each place, so that the order counts.
    places = torch.arange(1, bits.numel() + 1, dtype=torch.int64, device=bits.device) * _MULTIPLIER
    return int(((bits + _OFFSET) * (places | 1)).sum().item())


def _as_integers(flat: Any) -> Any:
    torch = tensors.torch_module()
    if flat.dtype.is_floating_point:
        same_width = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[flat.element_size()]
        return flat.view(same_width).to(torch.int64)
    return flat.to(torch.int64)
