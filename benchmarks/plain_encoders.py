"""BEATs and AudioMAE as plainly as they can be written: the yardstick of `encoders.py`, and a check on it.

Each takes one of our networks for its weights and computes the same tokens in float32, eagerly: attention written out,
relative biases worked out anew in every call, the positional kernel too, and the filter bank clip by clip.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from asdstream.models.audiomae import AudioMAE
from asdstream.models.beats import BEATs
from asdstream.models.fbank import FbankFrontEnd, _frame_window, _mel_weights
from asdstream.models.relative_position import relative_buckets


def attend_written_out(query: Tensor, key: Tensor, value: Tensor, *_: object, **__: object) -> Tensor:
    """Attention with its weights in memory, as it stands in the papers."""
    return (query @ key.mT * query.shape[-1] ** -0.5).softmax(dim=-1) @ value


def plain_front_end(front_end: FbankFrontEnd, waveform: Tensor) -> Tensor:
    """(B, N) to the normalised filter bank (B, T, 128)."""
    banks = []
    for clip in waveform * front_end.scale:
        frames = clip.unfold(0, 400, 160)
        frames = frames - frames.mean(dim=1, keepdim=True)
        previous = F.pad(frames[:, None], (1, 0), mode="replicate")[:, 0, :-1]
        frames = (frames - 0.97 * previous) * _frame_window(front_end.window, clip.device)
        power = torch.fft.rfft(F.pad(frames, (0, 112))).abs().pow(2)
        banks.append((power @ _mel_weights(clip.device)).clamp_min(torch.finfo(torch.float32).eps).log())
    return front_end.normalise(torch.stack(banks))


def plain_beats(model: BEATs, waveform: Tensor) -> Tensor:
    """(B, N) to (B, T, D)."""
    encoder = model.encoder
    x = model.patch_embedding._conv_forward(
        plain_front_end(model.front_end, waveform)[:, None], model.patch_embedding.weight, None
    )
    x = model.layer_norm(x.flatten(2).transpose(1, 2))
    if model.post_extract_proj is not None:
        x = model.post_extract_proj(x)
    batch, tokens, dim = x.shape
    position = encoder.pos_conv[0]
    kernel = position.weight_v * position.weight_g / position.weight_v.pow(2).sum(dim=(0, 1), keepdim=True).sqrt()
    near = F.conv1d(x.mT, kernel, position.bias, padding=kernel.shape[-1] // 2, groups=position.groups)
    x = encoder.layer_norm(x + F.gelu(near[..., :tokens]).mT)

    place = torch.arange(tokens, device=x.device)
    table = encoder.layers[0].self_attn.relative_attention_bias
    buckets = relative_buckets(place[None] - place[:, None], table.num_embeddings, model.config.max_distance)
    heads = model.config.encoder_attention_heads
    bias = table(buckets).permute(2, 0, 1)[None].repeat(batch, 1, 1, 1)

    def apart(t: Tensor) -> Tensor:
        return t.view(batch, tokens, heads, dim // heads).transpose(1, 2)

    for layer in encoder.layers:
        attention = layer.self_attn
        query, key, value = (apart(p(x)) for p in (attention.q_proj, attention.k_proj, attention.v_proj))
        a, b = attention.grep_linear(query).view(batch, heads, tokens, 2, 4).sum(-1).sigmoid().chunk(2, dim=-1)
        gate = a * (b * attention.grep_a - 1.0) + 2.0
        scores = (query * (dim // heads) ** -0.5) @ key.mT + gate * bias
        mixed = scores.softmax(dim=-1) @ value
        mixed = attention.out_proj(mixed.transpose(1, 2).reshape(batch, tokens, dim))
        x = layer.self_attn_layer_norm(x * layer.residual_scale + mixed)
        x = layer.final_layer_norm(x * layer.residual_scale + layer.fc2(F.gelu(layer.fc1(x))))
    return x


def plain_audiomae(model: AudioMAE, waveform: Tensor) -> Tensor:
    """(B, N) to (B, 1 + L, D)."""
    patches = model.patch_embed.proj
    x = patches._conv_forward(plain_front_end(model.front_end, waveform)[:, None], patches.weight, patches.bias)
    x = x.flatten(2).transpose(1, 2) + model.pos_embed[:, 1:]
    x = torch.cat([(model.cls_token + model.pos_embed[:, :1]).expand(len(x), -1, -1), x], dim=1)
    batch, tokens, dim = x.shape
    heads = model.config.heads
    for block in model.blocks:
        joint = block.attn.qkv(block.norm1(x)).reshape(batch, tokens, 3, heads, dim // heads)
        query, key, value = joint.permute(2, 0, 3, 1, 4)
        scores = (query @ key.mT) * (dim // heads) ** -0.5
        mixed = (scores.softmax(dim=-1) @ value).transpose(1, 2).reshape(batch, tokens, dim)
        x = x + block.attn.proj(mixed)
        x = x + block.mlp.fc2(F.gelu(block.mlp.fc1(block.norm2(x))))
    return model.norm(x)
