"""Trains the UNet and the text encoder together.

    python train.py --minutes N [--resume]      N minutes of work; stop it at any time, then go on with --resume
    python train.py --start weights/state.pt    begins from weights without optimizer state

work/vae holds the autoencoder (vae.py). Every few minutes work/train.pt is replaced whole. The rate is flat until the last part of --pictures:
to train longer, resume with a larger --pictures; the averaged weights (EMA) are good at any time.
"""
import argparse, math, time
from pathlib import Path
import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from transformers import CLIPTokenizer
import data, models
from muon import optimizers
from vae import write

HERE = Path(__file__).parent


def arguments():
    a = argparse.ArgumentParser()
    a.add_argument("--minutes", type=float, default=math.inf)
    a.add_argument("--pictures", type=float, default=1e6, help="length of the whole schedule")
    a.add_argument("--by-time", action="store_true", help="one schedule up to the end of --minutes or --until, whatever the number of pictures")
    a.add_argument("--cooldown", type=float, default=0.3, help="part of the schedule in which the rate falls to nothing")
    a.add_argument("--batch", type=int, help="pictures in a step; default: 24 for the first 50,000 pictures (steps are what counts then), 32 to 300,000, 64 after")
    a.add_argument("--lr", type=float, default=2e-3)
    a.add_argument("--reuse", type=int, default=4, help="how often a painted picture is seen, on average")
    a.add_argument("--pool", type=int, default=16384, help="latents kept")
    a.add_argument("--resume", action="store_true")
    a.add_argument("--start", help="weights/state.pt")
    a.add_argument("--out", default="work")
    a.add_argument("--device", default="cpu")
    a.add_argument("--workers", type=int, default=0, help="processes that write captions")
    a.add_argument("--compile", action="store_true")
    a.add_argument("--only", help="names of a few things, with commas, for a quick trial")
    a.add_argument("--adam", action="store_true", help="AdamW alone, for comparison")
    a.add_argument("--save", type=float, default=3, help="minutes between checkpoints")
    a.add_argument("--until", type=float, default=math.inf, help="stop at this time (seconds since 1970)")
    return a.parse_args()


def batch_size(a, done):
    return a.batch or (24 if done < 50_000 else 32 if done < 300_000 else 64)


class Captions(torch.utils.data.IterableDataset):
    """Batches of (plans, token ids)."""
    def __init__(self, tokenizer, count, seed, only=()):
        self.tokenizer, self.count, self.seed, self.only = tokenizer, count, seed, only

    def __iter__(self):
        info = torch.utils.data.get_worker_info()
        torch.set_num_threads(torch.get_num_threads() if info is None else 1)
        grammar = data.Grammar(self.seed + 7919 * (info.id if info else 0), data.natural_colours(data.sprites()), self.only)
        while True:
            plans, captions = grammar.batch(self.count)
            yield torch.from_numpy(plans), tokens(self.tokenizer, captions)


def tokens(tokenizer, captions):
    return torch.tensor(tokenizer(captions, padding="max_length", truncation=True, max_length=tokenizer.model_max_length).input_ids, dtype=torch.int16)


class Pool:
    """The last latents with their token ids: each step brings some new and draws from all."""
    def __init__(self, size, vae, painter, source, device):
        self.size, self.vae, self.painter, self.source = size, vae, painter, iter(source)
        self.z = torch.empty(size, models.LATENTS, 16, 16, dtype=torch.float16, device=device)
        self.ids = torch.empty(size, 32, dtype=torch.int16, device=device)
        self.filled = self.next = 0
        self.device = device

    @torch.no_grad()
    def add(self):
        plans, ids = next(self.source)
        x = self.painter.paint(plans)
        with models.autocast(self.device):
            z = self.vae.encode(x).latent_dist.mean.float() * self.vae.config.scaling_factor
        at = (self.next + torch.arange(len(z), device=self.device)) % self.size
        self.z[at], self.ids[at] = z.half(), ids.to(self.device)
        self.next = (self.next + len(z)) % self.size
        self.filled = min(self.size, self.filled + len(z))

    def draw(self, count):
        at = torch.randint(self.filled, (count,), device=self.device)
        return self.z[at].float(), self.ids[at].int()


def main():
    a = arguments()
    out = Path(a.out)
    if a.device == "cuda": torch.backends.cudnn.benchmark = True
    torch.manual_seed(time.time_ns() % 2**31 if a.resume else 0)
    tokenizer = CLIPTokenizer.from_pretrained(HERE / "data/tokenizer")
    empty = tokens(tokenizer, [""])[0].int().to(a.device)
    vae = AutoencoderKL.from_pretrained(out / "vae").eval().to(a.device, memory_format=torch.channels_last)
    text, unet = models.text_encoder(tokenizer), models.unet()
    start = torch.load(a.start, map_location="cpu") if a.start else None
    done = 0
    if start: text.load_state_dict(start["text"]); unet.load_state_dict(start["unet"]); done = start.get("done", 0)
    text, unet = text.to(a.device).train(), unet.to(a.device).train()
    if a.device == "cpu": models.quick_backward(unet)
    if a.device == "cuda":
        from diffusers.models.attention_processor import AttnProcessor2_0
        unet.set_attn_processor(AttnProcessor2_0())
    opts = optimizers([unet, text], a.lr) if not a.adam else [torch.optim.AdamW([*unet.parameters(), *text.parameters()], a.lr, betas=(0.9, 0.99), weight_decay=1e-3)]
    params = [*unet.parameters(), *text.parameters()]
    ema = [p.detach().clone() for p in params]
    if a.resume:
        c = torch.load(out / "train.pt", map_location=a.device)
        text.load_state_dict(c["text"]); unet.load_state_dict(c["unet"]); ema = c["ema"]; done = c["done"]
        for o, s in zip(opts, c["opts"]): o.load_state_dict(s)
    alphas = models.scheduler().alphas_cumprod.clone()
    alphas[-1] = 0
    snr = alphas / (1 - alphas)
    chance = (5 / (snr + 1)).clamp(max=1)   # times are drawn as often as min-SNR-5 would weigh them, so that no work is spent on what weighs little
    quantiles = (chance.cumsum(0) / chance.sum()).to(a.device)
    alphas = alphas.to(a.device)

    count = max(16, (a.batch or 64) // a.reuse)
    source = Captions(tokenizer, count, time.time_ns() % 2**31, a.only.split(",") if a.only else ())
    if a.workers: source = torch.utils.data.DataLoader(source, batch_size=None, num_workers=a.workers, prefetch_factor=16, pin_memory=a.device == "cuda")
    pool = Pool(a.pool, vae, data.Painter(a.device), source, a.device)
    while pool.filled < min(a.pool, 4 * batch_size(a, done)): pool.add()

    def predict(z, ids, t):
        with models.autocast(a.device):
            context = text(input_ids=ids).last_hidden_state
            return unet(z, t, encoder_hidden_states=context).sample
    if a.compile: unet.compile(dynamic=False); text.compile(dynamic=False)

    def save():
        write(out / "train.pt", dict(unet=unet.state_dict(), text=text.state_dict(), ema=ema, opts=[o.state_dict() for o in opts], done=done))
        names = [*(f"unet.{n}" for n, _ in unet.named_parameters()), *(f"text.{n}" for n, _ in text.named_parameters())]
        average = dict(zip(names, ema))
        write(out / "state.pt", dict(unet={n[5:]: v.half().cpu() for n, v in average.items() if n.startswith("unet.")}, text={n[5:]: v.half().cpu() for n, v in average.items() if n.startswith("text.")}, done=done))

    began = last = saved = time.time()
    first, step, fresh, run, cpu = done, 0, 0.0, None, time.process_time()
    end = min(began + a.minutes * 60, a.until)
    while (a.by_time or done < a.pictures) and time.time() < end:
        progress = (time.time() - began) / (end - began) if a.by_time else done / a.pictures
        rate = a.lr * min(1, (step + 1) / 20) * max(0.01, min(1, (1 - progress) / a.cooldown))
        for o in opts:
            for g in o.param_groups: g["lr"] = rate
        batch = batch_size(a, done)
        fresh += batch / a.reuse
        while fresh >= count: pool.add(); fresh -= count
        z, ids = pool.draw(batch)
        ids = torch.where(torch.rand(batch, 1, device=a.device) < 0.1, empty, ids)
        u = (torch.arange(batch, device=a.device) + torch.rand(batch, device=a.device)) / batch
        t = torch.searchsorted(quantiles, u).clamp(max=999)
        signal, sigma = alphas[t].sqrt()[:, None, None, None], (1 - alphas[t]).sqrt()[:, None, None, None]
        noise = torch.randn_like(z)
        prediction = predict((signal * z + sigma * noise).contiguous(memory_format=torch.channels_last), ids, t)
        loss = F.mse_loss(prediction.float(), signal * noise - sigma * z)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        for o in opts: o.step(); o.zero_grad(set_to_none=True)
        done += batch; step += 1
        keep = min(0.9995 if batch < 512 else 0.999, done / (done + 20 * batch))
        torch._foreach_lerp_(ema, [p.detach() for p in params], 1 - keep)
        if step % (10 if a.device == 'cuda' else 1) == 0:
            value = loss.item()
            run = value if run is None else 0.9 * run + 0.1 * value
            now = time.time()
            if now - last > 30: last = now; print(done, f"{(now - began) / 60:.1f} min, loss {run:.4f}, {(done - first) / (now - began):.1f} pictures/s, {1000 * (time.process_time() - cpu) / (done - first):.0f} core-ms/picture", flush=True)
            if now - saved > a.save * 60: saved = now; save()
    save()
    print(done, f"done, loss {run}, {(done - first) / (time.time() - began):.1f} pictures/s", flush=True)


if __name__ == "__main__":
    main()
