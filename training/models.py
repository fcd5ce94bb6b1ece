"""The networks: diffusers' own classes, small. 128x128 pictures, latents of 8 channels at 16x16."""
import math
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from transformers import CLIPTextConfig, CLIPTextModel

LATENTS, WIDTH = 8, 128


def autocast(device):
    """bfloat16 where the device computes in it: on CUDA, and on CPUs that have it (two Zen 4 cores train the autoencoder 1.4 times as fast)."""
    return torch.autocast(device, torch.bfloat16, enabled=device == "cuda" or torch.cpu._is_avx512_bf16_supported())


class Convolve(torch.autograd.Function):
    """A 1x1 or 3x3 convolution whose backward pass is made of products: PyTorch's own for bfloat16 on CPUs is 5 to 30 times as slow as these (AMX, PyTorch 2.15)."""
    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.bfloat16)
    def forward(ctx, x, weight, bias, stride, padding):
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(x, weight, bias, stride, padding)

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")
    def backward(ctx, grad):
        (x, weight), (stride, padding) = ctx.saved_tensors, (ctx.stride, ctx.padding)
        outputs, inputs, size, _ = weight.shape
        height, width = x.shape[2:]
        if stride == 1: to_x = F.conv2d(grad, weight.flip(2, 3).transpose(0, 1).contiguous(memory_format=torch.channels_last), None, 1, size - 1 - padding)
        else: to_x = F.conv_transpose2d(grad, weight, None, stride, padding, output_padding=stride - 1)
        rows, taps = grad.permute(0, 2, 3, 1).reshape(-1, outputs), F.pad(x, (padding,) * 4).permute(0, 2, 3, 1).unfold(1, size, stride).unfold(2, size, stride)
        to_weight = (rows.T @ taps.permute(0, 1, 2, 4, 5, 3).reshape(len(rows), -1)).view(outputs, size, size, inputs)
        return to_x, to_weight.permute(0, 3, 1, 2), grad.sum((0, 2, 3)), None, None


class Convolution(torch.nn.Conv2d):
    def forward(self, x):
        if not torch.is_autocast_enabled("cpu"): return super().forward(x)
        return Convolve.apply(x, self.weight, self.bias, self.stride[0], self.padding[0])


def quick_backward(net):
    """Lets the convolutions of a network that is trained on a CPU in bfloat16 go backward by `Convolve`."""
    for m in net.modules():
        if type(m) is torch.nn.Conv2d: m.__class__ = Convolution
    return net


def autoencoder():
    vae = AutoencoderKL(in_channels=3, out_channels=3, down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4, block_out_channels=(16, 32, 64, 96),
                        layers_per_block=1, latent_channels=LATENTS, norm_num_groups=2, mid_block_add_attention=False, sample_size=128, force_upcast=False)
    for name, p in vae.named_parameters():   # every resnet starts as its shortcut
        if ".conv2.weight" in name: torch.nn.init.zeros_(p)
    return vae.to(memory_format=torch.channels_last)


def text_encoder(tokenizer):
    """At the start it hands on each token's own vector, all of them different: what a word means is learned sooner so than through random layers."""
    text = CLIPTextModel(CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=WIDTH, intermediate_size=4 * WIDTH, num_hidden_layers=3, num_attention_heads=4, hidden_act="quick_gelu", max_position_embeddings=tokenizer.model_max_length,
        projection_dim=WIDTH, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.eos_token_id))
    for name, p in text.named_parameters():
        if name.endswith("token_embedding.weight"): torch.nn.init.normal_(p, std=0.5)
        elif name.endswith("position_embedding.weight"): torch.nn.init.normal_(p, std=0.1)
        elif name.endswith(("out_proj.weight", "fc2.weight")): torch.nn.init.zeros_(p)
    return text


def unet():
    net = UNet2DConditionModel(sample_size=16, in_channels=LATENTS, out_channels=LATENTS, cross_attention_dim=WIDTH, attention_head_dim=4, block_out_channels=(64, 128, 192), layers_per_block=1, norm_num_groups=16,
                               down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), use_linear_projection=True)
    for name, p in net.named_parameters():
        if name.endswith(("conv2.weight", "to_out.0.weight", "ff.net.2.weight", "proj_out.weight", "conv_out.weight")): torch.nn.init.zeros_(p)
    net.set_attn_processor(AttnProcessor())   # on CPUs its backward pass is 1.4 times as fast as the fused one's
    return net.to(memory_format=torch.channels_last)


def scheduler():
    """Velocity prediction down to no signal at all, so that plain backgrounds get their colour from the first step."""
    return DDIMScheduler(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type="v_prediction", rescale_betas_zero_snr=True,
                         timestep_spacing="trailing", steps_offset=1, set_alpha_to_one=True, clip_sample=False)
