"""Trains the autoencoder.

    python vae.py --minutes N [--resume]     N minutes of work; stop it at any time, then go on with --resume

The rate falls with the pictures seen (--pictures), or with --by-time as the end nears. Every three minutes work/vae.pt is replaced whole,
work/vae is the checkpoint of the averaged weights and work/vae.png shows things beside their reconstructions.
"""
import argparse, json, math, os, time
from pathlib import Path
import numpy as np
import torch
import torch.nn.functional as F
from data import Painter, THINGS, dense_plans
from models import autocast, autoencoder
from muon import optimizers


def arguments():
    a = argparse.ArgumentParser()
    a.add_argument("--minutes", type=float, default=math.inf, help="length of this piece of work")
    a.add_argument("--pictures", type=int, default=40_000, help="length of the whole schedule")
    a.add_argument("--batch", type=int, default=8)
    a.add_argument("--lr", type=float, default=2e-3)
    a.add_argument("--by-time", action="store_true", help="one schedule up to the end of --minutes or --until, whatever the number of pictures")
    a.add_argument("--resume", action="store_true")
    a.add_argument("--start", help="a folder with an autoencoder to begin from")
    a.add_argument("--done", type=int, default=0, help="pictures that it has seen")
    a.add_argument("--decoder", action="store_true", help="the encoder stays as it is, so that latents keep their meaning")
    a.add_argument("--out", default="work")
    a.add_argument("--device", default="cpu")
    a.add_argument("--until", type=float, default=math.inf, help="stop at this time (seconds since 1970)")
    return a.parse_args()


def write(path, content):
    """All or nothing."""
    torch.save(content, str(path) + ".part")
    os.replace(str(path) + ".part", path)


def losses(vae, x, device):
    with autocast(device):
        d = vae.encode(x).latent_dist
        mean, logvar = d.mean.float(), d.logvar.float()
        y = vae.decode(mean + (0.5 * logvar).exp() * torch.randn_like(mean)).sample.float()
    edges = lambda p: (p[..., 1:] - p[..., :-1], p[..., 1:, :] - p[..., :-1, :])
    l1 = (y - x).abs().mean()
    slope = sum((a - b).abs().mean() for a, b in zip(edges(y), edges(x)))
    mse = F.mse_loss(y, x)
    kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
    flat = mean.permute(1, 0, 2, 3).flatten(1)
    unlike = (torch.cov(flat) - torch.eye(len(flat), device=device)).square().sum() / len(flat)   # else all channels say the same for long
    return l1 + 0.5 * slope + mse + 1e-3 * kl + 3e-3 * unlike, mse


def rate(step, progress):
    return min(1, (step + 1) / 50) * max(0.02, min(1, (1 - progress) / 0.7))   # flat, then straight down over the last 70 %


@torch.no_grad()
def measure(vae, painter, count=32):
    """PSNR of single things on any background, and the latents' spread."""
    rng = np.random.default_rng(99)
    plans = np.full((count, 21), -1, np.int16)
    for plan in plans: plan[:6] = (rng.integers(40), rng.integers(len(THINGS)), 1, 8, 8, -1)
    x = painter.paint(plans)
    x = x.contiguous(memory_format=torch.channels_last)
    z = vae.encode(x).latent_dist.mean
    y = vae.decode(z).sample.clamp(-1, 1)
    return dict(psnr=10 * math.log10(4 / F.mse_loss(y, x).item()), spread=z.std().item(), channels=[round(s, 2) for s in z.std((0, 2, 3)).tolist()]), x.cpu(), y.cpu()


def sheet(x, y, path):
    from PIL import Image
    rows = [torch.cat([torch.cat(list(x[n:n + 8]), 2), torch.cat(list(y[n:n + 8]), 2)], 1) for n in range(0, 32, 8)]
    Image.fromarray(((torch.cat(rows, 1).clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()).save(path)


def main():
    a = arguments()
    out = Path(a.out); out.mkdir(parents=True, exist_ok=True)
    if a.device == "cuda": torch.backends.cudnn.benchmark = True
    torch.manual_seed(time.time_ns() % 2**31 if a.resume else 0)
    vae, painter, rng = autoencoder(), Painter(a.device), np.random.default_rng(time.time_ns() if a.resume else 0)
    if a.start: vae.load_state_dict(type(vae).from_pretrained(a.start).state_dict())
    vae.to(a.device)
    if a.decoder: vae.encoder.requires_grad_(False); vae.quant_conv.requires_grad_(False)
    opts = optimizers([vae], a.lr)
    ema = {k: v.clone() for k, v in vae.state_dict().items()}
    done = a.done
    if a.resume and (out / "vae.pt").exists():
        c = torch.load(out / "vae.pt", map_location=a.device)
        vae.load_state_dict(c["model"]); ema = c["ema"]; done = c["done"]
        if not a.decoder:
            for o, s in zip(opts, c["opts"]): o.load_state_dict(s)
    start = last = saved = time.time(); first, run, cpu = done, None, time.process_time()

    def save():
        write(out / "vae.pt", dict(model=vae.state_dict(), ema=ema, done=done, opts=[o.state_dict() for o in opts]))
        now = {k: v.clone() for k, v in vae.state_dict().items()}
        vae.load_state_dict(ema)
        m, x, y = measure(vae, painter)
        sheet(x, y, out / "vae.png")
        vae.register_to_config(scaling_factor=round(1 / m["spread"], 5))
        vae.save_pretrained(out / "vae")
        vae.load_state_dict(now)
        print(done, "saved", {k: v if isinstance(v, list) else round(v, 3) for k, v in m.items()}, flush=True)

    step, end = 0, min(start + a.minutes * 60, a.until)
    while (a.by_time or done < a.pictures) and time.time() < end:
        progress = (time.time() - start) / (end - start) if a.by_time else done / a.pictures
        for o in opts:
            for g in o.param_groups: g["lr"] = a.lr * rate(step, progress)
        loss, mse = losses(vae, painter.paint(dense_plans(rng, a.batch, len(THINGS))), a.device)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        for o in opts: o.step(); o.zero_grad()
        done += a.batch; step += 1
        keep = min(0.998, done / (done + 20 * a.batch))
        for k, v in vae.state_dict().items(): ema[k].lerp_(v, 1 - keep)
        run = mse.detach() if run is None else 0.97 * run + 0.03 * mse.detach()
        now = time.time()
        if now - last > 30: last = now; print(done, f"{(now - start) / 60:.1f} min, loss {loss.item():.4f}, psnr (noisy, dense) {10 * math.log10(4 / run.item()):.2f}, {(done - first) / (now - start):.1f} pictures/s, {1000 * (time.process_time() - cpu) / (done - first):.0f} core-ms/picture", flush=True)
        if now - saved > 180: saved = now; save()
    save()


if __name__ == "__main__":
    main()
