"""An ordinary torch program that trains what a vgrad config says: for twins of whole trainings.

It takes from vgrad what is random, the first weights, the order of the batches and which numbers
are dropped, and nothing else: its layers, losses, optimizers and schedules are torch's own.
"""

from __future__ import annotations

import math
from functools import partial
from itertools import islice

import torch
from torch import nn
from torch.nn import functional
from torch.optim import lr_scheduler

from vgrad.batches import Batches
from vgrad.parts.activations import ACTIVATIONS
from vgrad.parts.optimizers import OPTIMIZERS
from vgrad.training import Training

WIDTH = 7
ONE = torch.ones(1, dtype=torch.float64)
FLOOR = 1.7580993408473766  # −λα of SELU, as torch has it in alpha_dropout


class Formula(nn.Module):
    """An activation that torch has no module for, with what it learns."""

    def __init__(self, phi, *learned):
        super().__init__()
        self.phi, self.learned = phi, nn.ParameterList(learned)

    def forward(self, z):
        return self.phi(z, *self.learned)


class RandomReLU(nn.RReLU):
    """nn.RReLU, but in training with numbers from U(0, 1) that are given to it."""

    def forward(self, z):
        if not self.training:
            return super().forward(z)
        return torch.where(z > 0, z, (self.lower + (self.upper - self.lower) * self.uniform) * z)


def beta_swish(z, beta):
    return z * torch.sigmoid(beta * z)


# Those that are not here are what their entry says: tests/test_activations.py has them all.
PHI = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "selu": lambda alpha, scale: nn.SELU(),
    "prelu": lambda slope, per_unit: nn.PReLU(WIDTH if per_unit else 1, dtype=torch.float64),
    "rrelu": RandomReLU,
    "swish": lambda beta, trained: Formula(beta_swish, ONE) if trained else nn.SiLU(),
    "softmax": lambda: nn.Softmax(-1),
    "maxout": lambda pieces: Formula(lambda z: z.unflatten(-1, (-1, pieces)).amax(-1)),
    "crelu": lambda: Formula(lambda z: torch.cat([torch.relu(z), torch.relu(-z)], -1)),
}
RMS = partial(nn.RMSNorm, eps=1e-5)
NORMS = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm, "rms": RMS, "none": nn.Identity}
# Of outputs z, classes y, the smoothed one-hot targets, and by how much.
LOSSES = {
    "cross_entropy": lambda z, y, q, s: functional.cross_entropy(z, y, label_smoothing=s),
    "kl_div": lambda z, y, q, s: functional.kl_div(z.log_softmax(-1), q, reduction="batchmean"),
    "bce": lambda z, y, q, s: functional.binary_cross_entropy_with_logits(z, q),
    "mse": lambda z, y, q, s: functional.mse_loss(z, q),
    "hinge": lambda z, y, q, s: functional.multi_margin_loss(z, y),
}
OPTIMIZER = {n.lower(): getattr(torch.optim, n) for n in dir(torch.optim) if n[0].isupper()}
OPTIMIZER |= {"momentum": torch.optim.SGD, "nesterov": partial(torch.optim.SGD, nesterov=True)}


def loss_of(loss, z, y):
    """The mean loss of a batch; with `bce` each output is a yes or no of its own."""
    amount, classes = loss.settings.get("label_smoothing", 0.0), z.shape[-1]
    level = 1 / 2 if loss.name == "bce" else 1 / classes
    q = (1 - amount) * functional.one_hot(y, classes).double() + amount * level
    return LOSSES[loss.name](z, y, q, amount)


def alpha_dropped(x, kept, p):
    """torch.nn.functional.alpha_dropout, for a given choice of what is kept."""
    a = 1 / math.sqrt((FLOOR**2 * p + 1) * (1 - p))
    return torch.where(kept, a * x, -a * FLOOR) + a * FLOOR * p


def linear(weight, bias):
    layer = nn.Linear(*weight.shape, bias=bias is not None, dtype=torch.float64)
    load(layer.parameters(), [weight.T, bias])
    return layer


def load(parameters, values):
    """Let parameters start from values, of which there may be more."""
    for parameter, value in zip(parameters, values, strict=False):
        parameter.data = value.flatten()[: parameter.numel()].view(parameter.shape).clone()


class Plain(nn.Module):
    """The network of one run, with its part of a stack's parameters; it keeps its last z and h."""

    def __init__(self, config, parameters, run=0):
        super().__init__()
        model, self.depth = config.model.settings, config.depth
        self.model, self.before = model, model["norm_at"] == "before"
        b = {name: list(block[:, run]) for name, block in parameters.named.items()}
        weights = b["first"] + b["hidden"] + b["last"]
        factors = b["first_factor"] + b["hidden_factor"] + b["last_factor"]
        biases = b["hidden_bias"] + b["last_bias"] if model["bias"] else [None] * len(weights)
        head_biases = b["head_bias"] if model["bias"] else [None] * len(b["head"])
        self.layers = nn.ModuleList(map(linear, weights, biases))
        self.inner = nn.ModuleList(linear(w, None) for w in factors)
        self.gates = nn.ModuleList(map(linear, b["gate"], b["gate_bias"]))
        self.heads = nn.ModuleList(map(linear, b["head"], head_biases))
        name, own = config.activation.name, config.activation.settings
        known = PHI.get(name, lambda **own: Formula(partial(ACTIVATIONS[name].function, **own)))
        self.phis = nn.ModuleList(known(**own) for _ in range(self.depth))
        load(self.phis.parameters(), b["activation"])
        acts = (self.inner or self.layers)[-1].in_features
        units = self.layers[0].out_features if self.before else acts
        norm = partial(NORMS[model["norm"]], units, dtype=torch.float64)
        self.norms = nn.ModuleList(norm() for _ in range(self.depth))
        if model["norm"] != "none":
            load([n.weight for n in self.norms], b["norm_gain"])
            load([n.bias for n in self.norms if hasattr(n, "bias")], b["norm_shift"])
        self.residual, self.every = model.get("residual", "none"), model.get("residual_every", 1)
        self.branches = math.ceil((self.depth - 1) / self.every)
        self.alphas = nn.ParameterList(b["branch_scale"])

    def dropped(self, y, kept):
        if not self.training or kept is None:
            return y
        if p := self.model["alpha_dropout"]:
            return alpha_dropped(y, kept, p)
        return y * kept / (1 - self.model["dropout"])

    def hidden(self, i, x, kept):
        """What a hidden layer makes of x, shortcuts aside."""
        self.products.append(self.layers[i](self.inner[i](x) if self.inner else x))
        self.zs.append(self.norms[i](self.products[i]) if self.before else self.products[i])
        self.hs.append(self.phis[i](self.zs[i]))
        y = self.hs[i] if self.before else self.norms[i](self.hs[i])
        return self.dropped(y, None if kept is None else kept[i])

    def forward(self, x, kept=None, uniform=None):
        self.zs, self.hs, self.heads_out, self.products = [], [], [], []
        stream = x
        scales = {"identity": 1.0, "scaled": self.branches**-0.5}
        for i in range(self.depth):
            branch, place = divmod(i - 1, self.every)
            stream = x if place == 0 else stream
            self.phis[i].uniform = None if uniform is None else uniform[i]
            y = self.hidden(i, x, kept)
            if i and self.gates:
                t = torch.sigmoid(self.gates[i - 1](x))
                y = t * y + (1 - t) * x
            if i and self.residual != "none" and (place == self.every - 1 or i == self.depth - 1):
                scale = self.alphas[branch] if self.alphas else scales[self.residual]
                y = stream + scale * y
            x = y
            if (i + 1) % (self.depth // (len(self.heads) + 1)) == 0 and i + 1 < self.depth:
                self.heads_out.append(self.heads[len(self.heads_out)](x))
        x = self.layers[-1](self.inner[-1](x) if self.inner else x)
        self.products, self.zs, self.hs = ([*kept, x] for kept in (self.products, self.zs, self.hs))
        return x

    def weights(self, i):
        """The weights of a layer, the two factors of a bottleneck."""
        return [self.layers[i].weight, *([self.inner[i].weight] if self.inner else [])]


def of_torch(config, parameters):
    """The optimizer and the learning rate's schedule."""
    name, s = config.optimizer.name, config.optimizer.settings
    own = OPTIMIZERS[name].own(s)
    if "beta1" in own:
        own["betas"] = own.pop("beta1"), own.pop("beta2")
    if name == "rprop":
        own["etas"] = own.pop("eta_minus"), own.pop("eta_plus")
        own["step_sizes"] = own.pop("min_step"), own.pop("max_step")
    if name == "adagrad":
        own["initial_accumulator_value"] = own.pop("initial")
    optimizer = OPTIMIZER[name](list(parameters), **own)
    warm = max(s["warmup"], 1) - 1  # updates before the one that has the whole rate
    after = {
        "constant": lambda: lr_scheduler.ConstantLR(optimizer, 1.0),
        "step": lambda: lr_scheduler.StepLR(optimizer, s["decay_every"], s["decay_factor"]),
        "cosine": lambda: lr_scheduler.CosineAnnealingLR(optimizer, config.steps - 1 - warm),
    }[s["schedule"]]
    if not warm:
        return optimizer, after()
    rise = lr_scheduler.LinearLR(optimizer, 1 / s["warmup"], 1.0, warm)
    return optimizer, lr_scheduler.SequentialLR(optimizer, [rise, after()], [warm])


class Program:
    """The plain program of one run; it notes the rows of both tables, of layers each tenth step."""

    def __init__(self, config, data):
        self.config, self.clipped = config, 0
        self.stack = Training([config], data).stack
        self.net = Plain(config, self.stack.parameters)
        self.optimizer, self.schedule = of_torch(config, self.net.parameters())
        self.x, self.test_x = (torch.tensor(x).double() for x in (data.train_x, data.test_x))
        self.y, self.test_y = torch.tensor(data.train_y), torch.tensor(data.test_y)
        self.steps, self.layers = [], {}
        for step, (order,) in enumerate(islice(Batches([config], len(self.x)), config.steps + 1)):
            self.step(step, self.x[order], self.y[order])
            if step < config.steps:
                self.update()

    def step(self, step, x, y):
        """Forward and backward, and what there is to note."""
        net, loss = self.net, self.config.loss
        row = self.evaluated() | {"lr": self.optimizer.param_groups[0]["lr"]}
        self.stack.refresh()
        mask, uniform = self.stack.noise.mask, self.stack.noise.uniform
        kept = None if mask is None else mask[:, 0] > 0
        outputs = net.train()(x, kept, None if uniform is None else uniform[:, 0])
        total = loss_of(loss, outputs, y)
        right = (outputs.argmax(-1) == y).double().mean().item()
        row |= {"train_loss": total.item(), "train_accuracy": right}
        for head in net.heads_out:
            total = total + net.model["aux_weight"] * loss_of(loss, head, y)
        for w in (m.weight for m in net.modules() if isinstance(m, nn.Linear)):
            total = total + loss.settings["l1"] * w.abs().sum()
            total = total + loss.settings["l2"] * w.square().sum()
        slopes = [slope_lengths(net, i) for i in range(net.depth)] if step % 10 == 0 else None
        for z in net.zs:
            z.retain_grad()
        self.optimizer.zero_grad()
        total.backward()
        layers = range(net.depth + 1)
        row["grad_norm"] = joint_norm([w.grad for i in layers for w in net.weights(i)])
        settings = self.config.optimizer.settings
        if settings["clip_norm"] or settings["clip_value"]:
            row["clipped_updates"] = self.clipped
        self.steps.append(row)
        if slopes is not None:
            self.layers[step] = [measured(net, i, slopes, first=step == 0) for i in layers]

    def update(self):
        settings, parameters, over = self.config.optimizer.settings, [*self.net.parameters()], False
        if limit := settings["clip_value"]:
            over = any((p.grad.abs() > limit).any() for p in parameters)
            nn.utils.clip_grad_value_(parameters, limit)
        if limit := settings["clip_norm"]:
            over |= bool(nn.utils.clip_grad_norm_(parameters, limit) > limit)
        self.clipped += over
        self.optimizer.step()
        self.schedule.step()

    @torch.no_grad()
    def evaluated(self):
        z = self.net.eval()(self.test_x)
        loss = loss_of(self.config.loss, z, self.test_y).item()
        right = (z.argmax(-1) == self.test_y).double().mean().item()
        return {"val_loss": loss, "val_accuracy": right}


@torch.no_grad()
def measured(net, i, slopes, *, first):
    """Columns of one layer, by their definitions in docs/columns.md."""
    z, h, weights = net.zs[i], net.hs[i], net.weights(i)
    columns = {"preact_var": z.var(correction=0), "preact_ms": z.square().mean()}
    columns |= {"act_mean": h.mean(), "act_var": h.var(correction=0)}
    columns["delta_rms"] = (len(z) * z.grad).square().mean().sqrt()
    columns["weight_grad_norm"] = joint_norm([w.grad for w in weights])
    columns["correlation"] = mean_cosine(h)
    if net.model["bias"]:
        columns["bias_grad_norm"] = net.layers[i].bias.grad.norm()
    if i < net.depth:
        columns["gate_ms"] = slopes[i].square().mean()
        columns["dead"] = (slopes[i] == 0).all(0).double().mean()
        for learned in net.phis[i].parameters():
            columns["activation_param"] = learned.mean()
            columns["activation_param_grad"] = learned.grad.mean()
    if first:
        w = weights[0] @ weights[1] if net.inner else weights[0]
        columns["weight_gain"] = (w.shape[1] * w.var(correction=0)).sqrt()
    return {name: float(value) for name, value in columns.items()}


def slope_lengths(net, i):
    """√Σ (∂h/∂z)² over all h and the z of one unit: |φ′(z)| where φ is elementwise."""
    units = net.hs[i].unbind(-1)
    each = [torch.autograd.grad(h.sum(), net.zs[i], retain_graph=True)[0] for h in units]
    squares = torch.stack(each).square().sum(0)
    return squares.unflatten(-1, (WIDTH, -1)).sum(-1).sqrt()


def joint_norm(tensors):
    return math.hypot(*(t.detach().norm().item() for t in tensors))


def mean_cosine(h):
    h = h[h.norm(dim=1) > 0]
    cosines = functional.cosine_similarity(h[:, None], h[None], dim=-1)
    return cosines[~torch.eye(len(h), dtype=torch.bool)].mean()
