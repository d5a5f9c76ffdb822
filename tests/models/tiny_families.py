"""Folders of random weights of each family, small enough to make in a test. Knows no test.

As diffusers' pipelines write them. 8 pixels a latent cell.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, UNet2DConditionModel
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    Qwen2Tokenizer,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3Model,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789,.-'"
CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}<|im_start|>assistant\n{% if not enable_thinking %}<think>\n{% endif %}"
)


def make(family: str, folder: Path, seed: int = 0) -> Path:
    """Writes the folder of `family` and returns it. The same seed gives the same weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        pipe = _PIPELINES[family]()
    pipe.save_pretrained(folder, safe_serialization=True)
    return folder


def clip_tokenizer(pad: str = "<|endoftext|>") -> CLIPTokenizer:
    words = [*LETTERS, *(letter + "</w>" for letter in LETTERS), "!"]
    words += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: i for i, word in enumerate(words)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=24, pad_token=pad)


def _clip_config(projection: int = 16) -> CLIPTextConfig:
    rows = 2 * len(LETTERS) + 3
    return CLIPTextConfig(
        vocab_size=rows,
        hidden_size=16,
        intermediate_size=32,
        projection_dim=projection,
        num_hidden_layers=3,
        num_attention_heads=2,
        max_position_embeddings=24,
        bos_token_id=rows - 2,
        eos_token_id=rows - 1,
        pad_token_id=rows - 1,
        initializer_factor=5.0,
    )


def _t5() -> tuple[T5EncoderModel, T5Tokenizer]:
    pieces = ["<pad>", "</s>", "<unk>", "▁", *LETTERS, *("▁" + letter for letter in LETTERS)]
    tokenizer = T5Tokenizer(
        vocab=[(piece, -float(i)) for i, piece in enumerate(pieces)], extra_ids=0
    )
    config = T5Config(
        vocab_size=len(pieces), d_model=48, d_ff=32, d_kv=8, num_heads=2, num_layers=2,
        feed_forward_proj="gated-gelu",
    )  # fmt: skip
    return T5EncoderModel(config), tokenizer


def _qwen(kind: Any, layers: int) -> tuple[Any, Qwen2Tokenizer]:
    symbols = sorted(ByteLevel.alphabet())
    vocabulary = {symbol: i for i, symbol in enumerate(symbols)}
    tokenizer = Qwen2Tokenizer(vocab=vocabulary, merges=[])
    tokenizer.chat_template = CHAT
    config = Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=layers,
        num_attention_heads=2, num_key_value_heads=1, head_dim=8, max_position_embeddings=1024,
        tie_word_embeddings=True,
    )  # fmt: skip
    return kind(config), tokenizer


def _vae(kind: Any = AutoencoderKL, channels: int = 16, **more: Any) -> Any:
    return kind(
        block_out_channels=(4, 4, 4, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=2,
        latent_channels=channels,
        mid_block_add_attention=False,
        **more,
    )


def _sdxl() -> Any:
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=4,
        cross_attention_dim=32,
        attention_head_dim=(2, 4),
        transformer_layers_per_block=(1, 2),
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + 16,
        use_linear_projection=True,
    )
    return diffusers.StableDiffusionXLPipeline(
        vae=_vae(channels=4, scaling_factor=16.0),
        text_encoder=CLIPTextModel(_clip_config()),
        text_encoder_2=CLIPTextModelWithProjection(_clip_config()),
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer("!"),
        unet=unet,
        scheduler=diffusers.EulerDiscreteScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            steps_offset=1,
            timestep_spacing="leading",
        ),
        force_zeros_for_empty_prompt=True,
    )


def _sd3() -> Any:
    t5, tokenizer = _t5()
    return diffusers.StableDiffusion3Pipeline(
        transformer=diffusers.SD3Transformer2DModel(
            sample_size=8, patch_size=2, in_channels=16, num_layers=2, attention_head_dim=8,
            num_attention_heads=2, joint_attention_dim=48, caption_projection_dim=16,
            pooled_projection_dim=32, out_channels=16, pos_embed_max_size=16,
            qk_norm="rms_norm", dual_attention_layers=(0,),
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=_vae(use_quant_conv=False, use_post_quant_conv=False, scaling_factor=1.5305,
                 shift_factor=0.0609),
        text_encoder=CLIPTextModelWithProjection(_clip_config()),
        text_encoder_2=CLIPTextModelWithProjection(_clip_config()),
        text_encoder_3=t5,
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer("!"),
        tokenizer_3=tokenizer,
    )  # fmt: skip


def _flux(told: bool = True) -> Any:
    t5, tokenizer = _t5()
    shift = {"use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15} if told else {}
    return diffusers.FluxPipeline(
        transformer=diffusers.FluxTransformer2DModel(
            in_channels=64, num_layers=1, num_single_layers=1, attention_head_dim=16,
            num_attention_heads=2, joint_attention_dim=48, pooled_projection_dim=16,
            guidance_embeds=told, axes_dims_rope=(4, 6, 6),
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0 if told else 1.0, **shift),
        vae=_vae(use_quant_conv=False, use_post_quant_conv=False, scaling_factor=0.3611,
                 shift_factor=0.1159),
        text_encoder=CLIPTextModel(_clip_config()),
        text_encoder_2=t5,
        tokenizer=clip_tokenizer(),
        tokenizer_2=tokenizer,
    )  # fmt: skip


def _z_image() -> Any:
    encoder, tokenizer = _qwen(Qwen3Model, 3)
    transformer = diffusers.ZImageTransformer2DModel(
        in_channels=16, dim=32, n_layers=2, n_refiner_layers=1, n_heads=2, n_kv_heads=2,
        cap_feat_dim=16, axes_dims=[8, 4, 4], axes_lens=[1024, 32, 32],
    )  # fmt: skip
    for token in (transformer.x_pad_token, transformer.cap_pad_token):
        torch.nn.init.normal_(token)  # left as memory was, otherwise
    return diffusers.ZImagePipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=_vae(use_quant_conv=False, use_post_quant_conv=False, scaling_factor=0.3611,
                 shift_factor=0.1159),
        text_encoder=encoder,
        tokenizer=tokenizer,
    )  # fmt: skip


def _klein() -> Any:
    encoder, tokenizer = _qwen(Qwen3ForCausalLM, 28)
    vae = _vae(diffusers.AutoencoderKLFlux2, channels=32)
    torch.nn.init.normal_(vae.bn.running_mean)
    torch.nn.init.uniform_(vae.bn.running_var, 0.5, 2)
    return diffusers.Flux2KleinPipeline(
        transformer=diffusers.Flux2Transformer2DModel(
            in_channels=128, num_layers=1, num_single_layers=1, attention_head_dim=16,
            num_attention_heads=2, joint_attention_dim=48, timestep_guidance_channels=16,
            axes_dims_rope=(4, 4, 4, 4), guidance_embeds=False,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
        vae=vae,
        text_encoder=encoder,
        tokenizer=tokenizer,
    )  # fmt: skip


_PIPELINES = {
    "stable_diffusion_xl": _sdxl,
    "stable_diffusion_3": _sd3,
    "flux": _flux,
    "z_image": _z_image,
    "flux2_klein": _klein,
}
