"""TD-MPC2 in PyTorch, as its own code has it: one update and one plan, for states."""

import copy
import math

import torch
import torch.nn.functional as F
from torch import nn

OBS, ACT, BATCH, HORIZON = 39, 4, 256, 3
LATENT, ENCODER, HIDDEN, CRITICS = 128, 256, 384, 2
"""The preset of one million parameters."""
SAMPLES, POLICY_SAMPLES, ELITES, ITERATIONS = 512, 24, 64, 6
LOW, HIGH, BINS = -10, 10, 101
RHO, GAMMA, TAU = 0.5, 0.95, 0.01


class SimNorm(nn.Module):
    def forward(self, x):
        return F.softmax(x.view(*x.shape[:-1], -1, 8), dim=-1).view(*x.shape)


def mlp(sizes, last=None):
    layers = []
    for i, (a, b) in enumerate(zip(sizes[:-1], sizes[1:])):
        layers.append(nn.Linear(a, b))
        if i < len(sizes) - 2:
            layers += [nn.LayerNorm(b), nn.Mish()]
    return nn.Sequential(*layers, *([nn.LayerNorm(sizes[-1]), last] if last else []))


class Critics(nn.Module):
    """The critics as one batched product each layer, as torch.vmap over the reference's ensemble gives it."""

    def __init__(self):
        super().__init__()
        nets = [mlp([LATENT + ACT, HIDDEN, HIDDEN, BINS]) for _ in range(CRITICS)]
        params, _ = torch.func.stack_module_state(nets)
        self.names = list(params)
        self.stacked = nn.ParameterList([nn.Parameter(params[name].detach()) for name in self.names])
        self.__dict__["skeleton"] = copy.deepcopy(nets[0])

    def forward(self, x):
        call = lambda params, x: torch.func.functional_call(self.skeleton, params, (x,))
        return torch.vmap(call, (0, None))(dict(zip(self.names, self.stacked)), x)


def symlog(x):
    return torch.sign(x) * torch.log(1 + torch.abs(x))


def two_hot(x):
    x = torch.clamp(symlog(x), LOW, HIGH).squeeze(1)
    at = (x - LOW) / ((HIGH - LOW) / (BINS - 1))
    index, offset = at.floor().long(), (at - at.floor()).unsqueeze(-1)
    out = torch.zeros(x.shape[0], BINS).scatter(1, index.unsqueeze(1), 1 - offset)
    return out.scatter(1, (index.unsqueeze(1) + 1) % BINS, offset)


def decode(logits):
    x = (F.softmax(logits, dim=-1) * torch.linspace(LOW, HIGH, BINS)).sum(-1, keepdim=True)
    return torch.sign(x) * (torch.exp(torch.abs(x)) - 1)


def soft_ce(logits, target):
    return -(two_hot(target) * F.log_softmax(logits, dim=-1)).sum(-1, keepdim=True)


class TdMpc2:
    def __init__(self):
        torch.manual_seed(0)
        self.encoder = mlp([OBS, ENCODER, LATENT], SimNorm())
        self.dynamics = mlp([LATENT + ACT, HIDDEN, HIDDEN, LATENT], SimNorm())
        self.reward = mlp([LATENT + ACT, HIDDEN, HIDDEN, BINS])
        self.pi = mlp([LATENT, HIDDEN, HIDDEN, 2 * ACT])
        self.critics = Critics()
        self.targets = copy.deepcopy(self.critics).requires_grad_(False)
        rest = [*self.dynamics.parameters(), *self.reward.parameters(), *self.critics.parameters()]
        self.model = [*self.encoder.parameters(), *rest]
        self.optimiser = torch.optim.Adam([{"params": self.encoder.parameters(), "lr": 9e-5}, {"params": rest}], lr=3e-4)
        self.pi_optimiser = torch.optim.Adam(self.pi.parameters(), lr=3e-4, eps=1e-5)
        self.scale = torch.ones(1)
        self.obs, self.actions = torch.randn(HORIZON + 1, BATCH, OBS), torch.randn(HORIZON, BATCH, ACT)
        self.rewards = torch.full((HORIZON, BATCH, 1), -1.0)
        self.mean = torch.zeros(HORIZON, ACT)

    def act(self, z):
        mean, log_std = self.pi(z).chunk(2, -1)
        log_std = -10 + 6 * (torch.tanh(log_std) + 1)
        e = torch.randn_like(mean)
        gaussian = (-0.5 * e**2 - log_std - 0.5 * math.log(2 * math.pi)).sum(-1, keepdim=True)
        action = torch.tanh(mean + e * log_std.exp())
        density = gaussian - torch.log(F.relu(1 - action**2) + 1e-6).sum(-1, keepdim=True)
        return action, -density * (gaussian * ACT / (density + 1e-8))

    def judge(self, critics, z, action):
        out = critics(torch.cat([z, action], -1))
        return decode(out[torch.randperm(CRITICS)[:2]])

    def update(self):
        with torch.no_grad():
            next_z = self.encoder(self.obs[1:])
            action, _ = self.act(next_z)
            target = self.rewards + GAMMA * self.judge(self.targets, next_z, action).min(0).values
        z = self.encoder(self.obs[0])
        zs, consistency = [z], 0
        for t in range(HORIZON):
            z = self.dynamics(torch.cat([z, self.actions[t]], -1))
            consistency = consistency + F.mse_loss(z, next_z[t]) * RHO**t
            zs.append(z)
        zs = torch.stack(zs)
        both = torch.cat([zs[:-1], self.actions], -1)
        values, rewards = self.critics(both), self.reward(both)
        reward_loss, value_loss = 0, 0
        for t in range(HORIZON):
            reward_loss = reward_loss + soft_ce(rewards[t], self.rewards[t]).mean() * RHO**t
            for k in range(CRITICS):
                value_loss = value_loss + soft_ce(values[k, t], target[t]).mean() * RHO**t
        loss = 20 * consistency / HORIZON + 0.1 * reward_loss / HORIZON + 0.1 * value_loss / (HORIZON * CRITICS)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model, 20)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.update_pi(zs.detach())
        with torch.no_grad():
            for target, critic in zip(self.targets.parameters(), self.critics.parameters()):
                target.lerp_(critic, TAU)

    def update_pi(self, zs):
        self.critics.requires_grad_(False)
        action, entropy = self.act(zs)
        q = self.judge(self.critics, zs, action).mean(0)
        low, high = torch.quantile(q[0].detach(), torch.tensor([0.05, 0.95]))
        self.scale.lerp_((high - low).clamp(min=1).view(1), TAU)
        rho = RHO ** torch.arange(len(q))
        loss = (-(1e-4 * entropy + q / self.scale).mean(dim=(1, 2)) * rho).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.pi.parameters(), 20)
        self.pi_optimiser.step()
        self.pi_optimiser.zero_grad(set_to_none=True)
        self.critics.requires_grad_(True)

    @torch.no_grad()
    def plan(self):
        z = self.encoder(torch.randn(1, OBS))
        actions = torch.empty(HORIZON, SAMPLES, ACT)
        at = z.repeat(POLICY_SAMPLES, 1)
        for t in range(HORIZON):
            actions[t, :POLICY_SAMPLES], _ = self.act(at)
            if t < HORIZON - 1:
                at = self.dynamics(torch.cat([at, actions[t, :POLICY_SAMPLES]], -1))
        z = z.repeat(SAMPLES, 1)
        mean, std = torch.zeros(HORIZON, ACT), torch.full((HORIZON, ACT), 2.0)
        mean[:-1] = self.mean[1:]
        for _ in range(ITERATIONS):
            e = torch.randn(HORIZON, SAMPLES - POLICY_SAMPLES, ACT)
            actions[:, POLICY_SAMPLES:] = (mean.unsqueeze(1) + std.unsqueeze(1) * e).clamp(-1, 1)
            value = self.value(z, actions).nan_to_num(0)
            elites = torch.topk(value.squeeze(1), ELITES, dim=0).indices
            best, chosen = value[elites], actions[:, elites]
            score = torch.exp(0.5 * (best - best.max(0).values))
            score = score / score.sum(0)
            mean = (score * chosen).sum(1) / (score.sum(0) + 1e-9)
            std = ((score * (chosen - mean.unsqueeze(1)) ** 2).sum(1) / (score.sum(0) + 1e-9)).sqrt().clamp(0.05, 2)
        gumbel = -torch.empty(ELITES).exponential_().log()
        drawn = chosen[:, (score.squeeze(1).log() + gumbel).argmax()]
        self.mean = mean
        return (drawn[0] + std[0] * torch.randn(ACT)).clamp(-1, 1)

    def value(self, z, actions):
        total, discount = 0, 1
        for t in range(HORIZON):
            both = torch.cat([z, actions[t]], -1)
            total = total + discount * decode(self.reward(both))
            z = self.dynamics(both)
            discount *= GAMMA
        action, _ = self.act(z)
        return total + discount * self.judge(self.critics, z, action).mean(0)
