"""BEATs' learnt bias over how far apart two tokens lie."""

import math
from functools import lru_cache

import torch
from torch import Tensor


def relative_buckets(offsets: Tensor, buckets: int, max_distance: int) -> Tensor:
    """Bucket of each offset, key index minus query index (Raffel et al. 2020, section 2.1, both directions).

    Half the buckets are for keys at or before the query, half for keys after it. Of each half, the first half holds
    one distance each, the rest grow logarithmically up to `max_distance`, beyond which all share the last.
    """
    side = buckets // 2
    exact = side // 2
    distance = offsets.abs()
    # float32 on purpose: the published weights were trained with its roundings at the edges of the buckets.
    growth = torch.log(distance.clamp_min(1).float() / exact) / math.log(max_distance / exact) * (side - exact)
    far = (exact + growth.long()).clamp_max(side - 1)
    return torch.where(distance < exact, distance, far) + side * (offsets > 0)


@lru_cache(maxsize=64)
def buckets_of_length(tokens: int, buckets: int, max_distance: int, device: torch.device) -> Tensor:
    """Buckets of the offsets -(tokens - 1) .. tokens - 1, (2 * tokens - 1,): all that a clip of `tokens` can hold."""
    # A table made under inference mode could never take part in a training step. (No keyword: torch.compile has none.)
    with torch.inference_mode(False):
        offsets = torch.arange(1 - tokens, tokens, device="cpu")
        return relative_buckets(offsets, buckets, max_distance).to(device)


def relative_bias(table: Tensor, tokens: int, max_distance: int) -> Tensor:
    """Bias (heads, tokens, tokens), query then key, from the table (buckets, heads).

    The bias depends on key minus query alone, so 2 * tokens - 1 rows are looked up and every query's row is a stretch
    of them.
    """
    buckets = buckets_of_length(tokens, table.shape[0], max_distance, table.device)
    by_offset = table[buckets].t()
    return by_offset.unfold(1, tokens, 1).flip(1)
