"""The same training steps and samplers as `protege bench` measures, as one would write them in PyTorch 2.

Every class builds its networks and data once; calling it does one step, the drawing of the batch included.
"""

import copy
import math

import torch
from torch import nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

# Sizes of `protege bench`.
OBS, ACT, CHUNK = 39, 4, 4
WIDTH = ACT * CHUNK
PAIRS, BATCH, MEMBERS = 1000, 256, 100
TIME_DIM, TIMES, STEPS = 16, 100, 8


def mlp(sizes, activation, norm=False):
    layers = []
    for inputs, outputs in zip(sizes, sizes[1:]):
        layers.append(nn.Linear(inputs, outputs))
        layers.extend([nn.LayerNorm(outputs)] if norm else [])
        layers.append(activation())
    return nn.Sequential(*layers[: -2 if norm else -1])


class Encoder:
    """TD-MPC2's convolutions for pictures of 84 x 84 and six channels, forward and backward."""

    def __init__(self, batch):
        sizes = [(6, 7), (32, 5), (32, 3), (32, 3)]
        layers = [layer for inputs, kernel in sizes for layer in (nn.Conv2d(inputs, 32, kernel, 2), nn.ReLU())]
        self.net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(288, 128), nn.LayerNorm(128))
        self.pictures = torch.randint(256, (batch, 6, 84, 84), dtype=torch.uint8)

    def __call__(self):
        self.net.zero_grad()
        # The random shift, which counts on protege's side, is left out here.
        self.net(self.pictures.float() / 255).square().mean().backward()


class Ensemble:
    """PostBC's regressors; every member has its own batch."""

    def __init__(self, hidden):
        self.sizes = [OBS, hidden, hidden, hidden, WIDTH]
        self.obs, self.chunks = torch.randn(PAIRS, OBS), torch.randn(PAIRS, WIDTH)

    def batch(self):
        rows = torch.randint(PAIRS, (MEMBERS, BATCH))
        return self.obs[rows], self.chunks[rows]


class LoopedEnsemble(Ensemble):
    """A Python loop over the members."""

    def __init__(self, hidden):
        super().__init__(hidden)
        self.nets = [mlp(self.sizes, nn.ReLU) for _ in range(MEMBERS)]
        self.optimisers = [torch.optim.Adam(net.parameters(), lr=1e-3) for net in self.nets]

    def __call__(self):
        for net, optimiser, obs, chunks in zip(self.nets, self.optimisers, *self.batch()):
            optimiser.zero_grad()
            nn.functional.mse_loss(net(obs), chunks).backward()
            optimiser.step()


class VmappedEnsemble(Ensemble):
    """torch.func: the members stacked, gradients by vmap, one Adam (`foreach` or `fused`)."""

    def __init__(self, hidden, adam):
        super().__init__(hidden)
        nets = [mlp(self.sizes, nn.ReLU) for _ in range(MEMBERS)]
        skeleton = copy.deepcopy(nets[0]).to("meta")
        params, _ = stack_module_state(nets)
        self.params = {name: value.detach() for name, value in params.items()}
        self.optimiser = torch.optim.Adam(self.params.values(), lr=1e-3, **{adam: True})

        def loss(params, obs, chunks):
            return nn.functional.mse_loss(functional_call(skeleton, params, (obs,)), chunks)

        self.gradients = vmap(grad_and_value(loss))

    def __call__(self):
        gradients, _ = self.gradients(self.params, *self.batch())
        for name, value in self.params.items():
            value.grad = gradients[name]
        self.optimiser.step()


class Residual(nn.Module):
    """DPPO's residual MLP: Linear, one pre-activation block of two layers, Linear."""

    def __init__(self, inputs, hidden, outputs):
        super().__init__()
        self.input, self.output = nn.Linear(inputs, hidden), nn.Linear(hidden, outputs)
        self.block = nn.Sequential(nn.Mish(), nn.Linear(hidden, hidden), nn.Mish(), nn.Linear(hidden, hidden))

    def forward(self, x):
        x = self.input(x)
        return self.output(x + self.block(x))


class Diffusion(nn.Module):
    """DPPO's noise predictor and its DDIM sampler."""

    def __init__(self, hidden=512):
        super().__init__()
        rates = torch.exp(torch.arange(TIME_DIM // 2) * -(math.log(10000) / (TIME_DIM // 2 - 1)))
        self.register_buffer("rates", rates)
        self.time = nn.Sequential(nn.Linear(TIME_DIM, 2 * TIME_DIM), nn.Mish(), nn.Linear(2 * TIME_DIM, TIME_DIM))
        self.body = Residual(WIDTH + TIME_DIM + OBS, hidden, WIDTH)
        grid = torch.cos((torch.linspace(0, TIMES + 1, TIMES + 1) / (TIMES + 1) + 0.008) / 1.008 * math.pi / 2) ** 2
        betas = (1 - grid[1:] / grid[:-1]).clamp(0, 0.999)
        self.register_buffer("signal", torch.cumprod(1 - betas, 0))

    def forward(self, x, times, obs):
        angles = times[:, None] * self.rates
        time = self.time(torch.cat([angles.sin(), angles.cos()], -1))
        return self.body(torch.cat([x, time, obs], -1))

    def loss(self, obs, chunks):
        times = torch.randint(TIMES, (len(obs),))
        noise = torch.randn_like(chunks)
        signal = self.signal[times][:, None]
        latents = signal.sqrt() * chunks + (1 - signal).sqrt() * noise
        return nn.functional.mse_loss(self(latents, times, obs), noise)

    def sample(self, obs, x):
        times = [i * (TIMES // STEPS) for i in range(STEPS)]
        signals = [1.0] + [self.signal[t].item() for t in times]
        for time, signal, before in reversed(list(zip(times, signals[1:], signals))):
            eps = self(x, torch.full((len(x),), time), obs)
            x0 = ((x - math.sqrt(1 - signal) * eps) / math.sqrt(signal)).clamp(-1, 1)
            eps = (x - math.sqrt(signal) * x0) / math.sqrt(1 - signal)
            x = math.sqrt(before) * x0 + math.sqrt(1 - before) * eps
        return x


class DiffusionTraining:
    """One step of cloning with AdamW."""

    def __init__(self, **adam):
        self.obs, self.chunks = torch.randn(PAIRS, OBS), torch.randn(PAIRS, WIDTH)
        self.net = Diffusion()
        self.optimiser = torch.optim.AdamW(self.net.parameters(), lr=1e-4, weight_decay=1e-6, **adam)

    def __call__(self):
        rows = torch.randint(PAIRS, (BATCH,))
        self.optimiser.zero_grad()
        self.net.loss(self.obs[rows], self.chunks[rows]).backward()
        self.optimiser.step()


class DiffusionSampling:
    """One decision."""

    def __init__(self):
        self.net, self.obs = Diffusion(), torch.randn(1, OBS)

    @torch.inference_mode()
    def __call__(self):
        return self.net.sample(self.obs, torch.randn(1, WIDTH))


class Dsrl:
    """One update of DSRL-NA: temperature, critics, actor and targets, and the critics of noise. Separate modules, as in
    Stable-Baselines3."""

    MAGNITUDE, GAMMA, TAU, TARGET_ENTROPY = 1.5, 0.99, 0.005, 0.0

    def __init__(self, hidden, **adam):
        self.policy = Diffusion()
        sizes = [hidden] * 3
        critics = lambda: nn.ModuleList(mlp([OBS + WIDTH, *sizes, 1], nn.Tanh, norm=True) for _ in range(2))
        self.actor = mlp([OBS, *sizes, 2 * WIDTH], nn.Tanh, norm=True)
        self.critics, self.noise_critics = critics(), critics()
        self.targets = copy.deepcopy(self.critics).requires_grad_(False)
        self.log_alpha = torch.zeros(1, requires_grad=True)
        optimiser = lambda params: torch.optim.Adam(params, lr=3e-4, **adam)
        self.actor_optimiser = optimiser(self.actor.parameters())
        self.critic_optimiser = optimiser(self.critics.parameters())
        self.noise_optimiser = optimiser(self.noise_critics.parameters())
        self.alpha_optimiser = optimiser([self.log_alpha])
        self.obs, self.next_obs = torch.randn(BATCH, OBS), torch.randn(BATCH, OBS)
        self.chunks, self.rewards, self.done = torch.randn(BATCH, WIDTH), torch.zeros(BATCH), torch.zeros(BATCH)

    def choose(self, obs):
        mean, log_std = self.actor(obs).chunk(2, -1)
        log_std = log_std.clamp(-20, 2)
        e = torch.randn_like(mean)
        choice = torch.tanh(mean + log_std.exp() * e)
        gaussian = -0.5 * e**2 - log_std - 0.5 * math.log(2 * math.pi)
        return choice, (gaussian - torch.log(1 - choice**2 + 1e-6)).sum(-1)

    @staticmethod
    def judge(critics, obs, actions):
        x = torch.cat([obs, actions], -1)
        return torch.stack([critic(x).squeeze(-1) for critic in critics])

    @staticmethod
    def descend(optimiser, loss):
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    def __call__(self):
        alpha = self.log_alpha.detach().exp()
        choice, log_density = self.choose(self.obs)
        self.descend(self.alpha_optimiser, -(self.log_alpha * (log_density.detach().mean() + self.TARGET_ENTROPY)).sum())

        with torch.no_grad():
            next_choice, next_log_density = self.choose(self.next_obs)
            next_chunks = self.policy.sample(self.next_obs, self.MAGNITUDE * next_choice)
            value = self.judge(self.targets, self.next_obs, next_chunks).min(0).values
            y = self.rewards + self.GAMMA * (1 - self.done) * (value - alpha * next_log_density)
        error = self.judge(self.critics, self.obs, self.chunks) - y
        self.descend(self.critic_optimiser, 0.5 * error.square().mean(-1).sum())

        self.noise_critics.requires_grad_(False)
        loss = (alpha * log_density - self.judge(self.noise_critics, self.obs, choice).min(0).values).mean()
        self.descend(self.actor_optimiser, loss)
        self.noise_critics.requires_grad_(True)

        with torch.no_grad():
            for target, critic in zip(self.targets.parameters(), self.critics.parameters()):
                target.mul_(1 - self.TAU).add_(critic, alpha=self.TAU)

            noise = torch.randn(BATCH, WIDTH)
            taught = self.judge(self.critics, self.obs, self.policy.sample(self.obs, noise))
        error = self.judge(self.noise_critics, self.obs, noise / self.MAGNITUDE) - taught
        self.descend(self.noise_optimiser, 0.5 * error.square().mean(-1).sum())


class Dppo:
    """One gradient step of DPPO's actor and critic (`diffusion_ppo.py`, `loss`), from 7,500 decisions of ten denoising steps each."""

    STEPS, ROWS, HIDDEN = 10, 7500, 256
    STD, CLIP, CLIP_BASE, GAMMA = 0.1, 0.01, 0.001, 0.99

    def __init__(self, **adam):
        self.actor, self.critic = Diffusion(), Residual(OBS, self.HIDDEN, 1)
        self.actor_optimiser = torch.optim.Adam(self.actor.parameters(), lr=1e-5, **adam)
        self.critic_optimiser = torch.optim.Adam(self.critic.parameters(), lr=1e-3, **adam)
        rows = self.ROWS
        self.obs, self.returns, self.advantages = torch.randn(rows, OBS), torch.randn(rows, 1), torch.randn(rows)
        self.latents, self.old = torch.randn(rows, self.STEPS + 1, WIDTH), torch.randn(rows, self.STEPS)
        # The last steps of the chain, the noisiest first.
        self.times = torch.arange(self.STEPS - 1, -1, -1)
        signal = self.actor.signal[: self.STEPS].flip(0)
        before = torch.cat([self.actor.signal[: self.STEPS - 1].flip(0), torch.ones(1)])
        beta = 1 - signal / before
        self.from_x0 = beta * before.sqrt() / (1 - signal)
        self.from_x = (1 - before) * (signal / before).sqrt() / (1 - signal)
        self.signal = signal
        late = torch.linspace(0, 1, self.STEPS)
        self.ranges = self.CLIP_BASE + (self.CLIP - self.CLIP_BASE) * (torch.exp(3 * late) - 1) / (math.exp(3) - 1)
        self.discounts = self.GAMMA ** torch.arange(self.STEPS - 1, -1, -1)

    def log_probs(self):
        """Of every step of every decision: rows x steps."""
        x, after = self.latents[:, :-1], self.latents[:, 1:]
        flat = lambda values: values.reshape(self.ROWS * self.STEPS, -1)
        obs = self.obs[:, None].expand(-1, self.STEPS, -1)
        eps = self.actor(flat(x), self.times.repeat(self.ROWS), flat(obs)).view_as(x)
        signal = self.signal[:, None]
        x0 = ((x - (1 - signal).sqrt() * eps) / signal.sqrt()).clamp(-1, 1)
        mean = self.from_x0[:, None] * x0 + self.from_x[:, None] * x
        density = -0.5 * ((after - mean) / self.STD) ** 2 - math.log(self.STD * math.sqrt(2 * math.pi))
        return density.clamp(-5, 2).mean(-1)

    def __call__(self):
        self.critic_optimiser.zero_grad()
        (0.5 * 0.5 * (self.critic(self.obs) - self.returns).square().mean()).backward()
        self.critic_optimiser.step()
        advantages = (self.advantages - self.advantages.mean()) / (self.advantages.std() + 1e-8)
        advantages = advantages[:, None] * self.discounts
        ratio = (self.log_probs() - self.old).exp()
        loss = torch.maximum(-advantages * ratio, -advantages * ratio.clamp(1 - self.ranges, 1 + self.ranges)).mean()
        self.actor_optimiser.zero_grad()
        loss.backward()
        self.actor_optimiser.step()
