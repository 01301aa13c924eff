"""Whole trainings of the catalogue, each against an ordinary torch program that does the same.

The program takes from vgrad what is random, the first weights, the order of the batches and which
numbers are dropped, and nothing else: its layers, losses, optimizers and schedules are torch's own.
"""

from __future__ import annotations

import math
from itertools import islice

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.optim import lr_scheduler

import networks
from vgrad.draw import EXAMPLES, generator
from vgrad.store import LAYER_COLUMNS
from vgrad.train import Training, orders

SIZES = {"dtype": "float64", "depth": 6, "width": 7, "batch_size": 10, "steps": 20}
BASE = {**SIZES, "optimizer__lr": 0.1, "probe_every": 10, "eval_every": 1}
DATA = networks.classification()
FLOOR = 1.7580993408473766  # −λα of SELU, as torch has it in alpha_dropout


class Formula(nn.Module):
    """An activation that torch has no module for; `start` is what it learns, or None."""

    def __init__(self, phi, start=None):
        super().__init__()
        self.phi = phi
        self.weight = None if start is None else nn.Parameter(torch.tensor([start]).double())

    def forward(self, z):
        return self.phi(z) if self.weight is None else self.phi(z, self.weight)


class RandomReLU(nn.RReLU):
    """nn.RReLU, but in training with numbers from U(0, 1) that are given to it."""

    uniform = None

    def forward(self, z):
        if not self.training:
            return super().forward(z)
        return torch.where(z > 0, z, (self.lower + (self.upper - self.lower) * self.uniform) * z)


def swish(beta, trained):
    return Formula(lambda z, b: z * torch.sigmoid(b * z), beta) if trained else nn.SiLU()


PHI = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "scaled_tanh": lambda: Formula(lambda z: 1.7159 * torch.tanh(2 * z / 3)),
    "softsign": nn.Softsign,
    "gaussian": lambda: Formula(lambda z: torch.exp(-z.square())),
    "sine": lambda omega: Formula(lambda z: torch.sin(omega * z)),
    "identity": nn.Identity,
    "hard_tanh": nn.Hardtanh,
    "hard_sigmoid": nn.Hardsigmoid,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky_relu": lambda slope: nn.LeakyReLU(slope),
    "prelu": lambda slope, per_unit: nn.PReLU(SIZES["width"] if per_unit else 1, slope).double(),
    "rrelu": RandomReLU,
    "elu": nn.ELU,
    "celu": nn.CELU,
    "selu": lambda alpha, scale: nn.SELU(),
    "gelu": nn.GELU,
    "swish": swish,
    "hard_swish": nn.Hardswish,
    "mish": nn.Mish,
    "softplus": nn.Softplus,
    "squareplus": lambda b: Formula(lambda z: (z + (z.square() + b).sqrt()) / 2),
    "maxout": lambda pieces: Formula(lambda z: z.unflatten(-1, (-1, pieces)).amax(-1)),
    "softmax": lambda: nn.Softmax(-1),
    "crelu": lambda: Formula(lambda z: torch.cat([torch.relu(z), torch.relu(-z)], -1)),
}
NORMS = {
    "batch": nn.BatchNorm1d,
    "layer": nn.LayerNorm,
    "rms": lambda units, **kw: nn.RMSNorm(units, eps=1e-5, **kw),
    "none": lambda units, **kw: nn.Identity(),
}
LOSSES = {
    "cross_entropy": lambda z, y, t, label_smoothing: functional.cross_entropy(
        z, y, label_smoothing=label_smoothing
    ),
    "nll": lambda z, y, t: functional.nll_loss(functional.log_softmax(z, -1), y),
    "kl_div": lambda z, y, t, label_smoothing: functional.kl_div(
        functional.log_softmax(z, -1),
        (1 - label_smoothing) * t + label_smoothing / t.shape[-1],
        reduction="batchmean",
    ),
    "bce": lambda z, y, t, label_smoothing: functional.binary_cross_entropy_with_logits(
        z, (1 - label_smoothing) * t + label_smoothing / 2
    ),
    "mse": lambda z, y, t: functional.mse_loss(z, t),
    "mse_softmax": lambda z, y, t, label_smoothing: functional.mse_loss(
        torch.softmax(z, -1), (1 - label_smoothing) * t + label_smoothing / t.shape[-1]
    ),
    "hinge": lambda z, y, t, margin: functional.multi_margin_loss(z, y, margin=margin),
    "mae": lambda z, y, t: functional.l1_loss(z, t),
    "huber": lambda z, y, t, delta: functional.huber_loss(z, t, delta=delta),
}


def alpha_dropped(x, kept, p):
    """torch.nn.functional.alpha_dropout, for a given choice of what is kept."""
    a = 1 / math.sqrt((FLOOR**2 * p + 1) * (1 - p))
    return torch.where(kept, a * x, -a * FLOOR) + a * FLOOR * p


class Plain(nn.Module):
    """The network of one run; `start` are the blocks [K, R, rows, columns] of its first weights.

    Attributes:
        zs, hs: z and h of every layer at the last call, for the output layer both its z.
        heads_out: of the auxiliary heads.
        products: x W + b of every layer.
    """

    def __init__(self, config, start):
        super().__init__()
        self.model, self.depth = dict(config.model.settings), config.depth
        bias = self.model["bias"]
        blocks = {name: [rows[0] for rows in block] for name, block in start.items()}

        def stacked(*names):
            return [rows for name in names for rows in blocks[name]]

        weights, inner = stacked("first", "hidden", "last"), stacked("first_factor", "hidden_factor")
        inner += stacked("last_factor")
        biases = stacked("hidden_bias", "last_bias") if bias else [None] * len(weights)
        self.layers = nn.ModuleList(map(linear, weights, biases))
        self.inner = nn.ModuleList(linear(w, None) for w in inner)
        self.gates = nn.ModuleList(map(linear, blocks["gate"], blocks["gate_bias"]))
        head_biases = blocks["head_bias"] if bias else [None] * len(blocks["head"])
        self.heads = nn.ModuleList(map(linear, blocks["head"], head_biases))
        settings = dict(config.activation.settings)
        self.phis = nn.ModuleList(PHI[config.activation.name](**settings) for _ in range(self.depth))
        before = self.model["norm_at"] == "before"
        read = self.layers[-1].in_features if not inner else self.inner[-1].in_features
        self.norms = nn.ModuleList(
            NORMS[self.model["norm"]](
                layer.out_features if before else read, dtype=torch.float64
            )
            for layer in self.layers[:-1]
        )
        self.every = self.model.get("residual_every", 1)
        self.branches = math.ceil((self.depth - 1) / self.every)
        rezero = self.model.get("residual") == "rezero"
        self.alphas = nn.ParameterList(
            torch.zeros(1, dtype=torch.float64) for _ in range(self.branches * rezero)
        )

    def scale(self, branch):
        scales = {"identity": 1.0, "scaled": 1 / math.sqrt(self.branches)}
        return self.alphas[branch] if self.alphas else scales[self.model["residual"]]

    def dropped(self, y, kept):
        if not self.training or kept is None:
            return y
        if p := self.model["alpha_dropout"]:
            return alpha_dropped(y, kept, p)
        return y * kept / (1 - self.model["dropout"])

    def forward(self, x, kept=None, uniform=None):
        self.zs, self.hs, self.heads_out, self.products = [], [], [], []
        before = self.model["norm_at"] == "before"
        for i, (phi, norm) in enumerate(zip(self.phis, self.norms, strict=True)):
            if i and (i - 1) % self.every == 0:
                stream = x
            self.products.append(self.layers[i](self.inner[i](x) if self.inner else x))
            self.zs.append(norm(self.products[i]) if before else self.products[i])
            phi.uniform = None if uniform is None else uniform[i]
            self.hs.append(phi(self.zs[i]))
            y = self.hs[i] if before else norm(self.hs[i])
            y = self.dropped(y, None if kept is None else kept[i])
            if i and self.gates:
                t = torch.sigmoid(self.gates[i - 1](x))
                y = t * y + (1 - t) * x
            if i and self.model.get("residual", "none") != "none":
                branch, place = divmod(i - 1, self.every)
                if place == self.every - 1 or i == self.depth - 1:
                    y = stream + self.scale(branch) * y
            x = y
            if self.heads and (i + 1) % (self.depth // (len(self.heads) + 1)) == 0:
                self.heads_out += [head(x) for head in self.heads[len(self.heads_out) :][:1]]
        x = self.layers[-1](self.inner[-1](x) if self.inner else x)
        self.products.append(x)
        self.zs.append(x)
        self.hs.append(x)
        return x

    def weights(self, i):
        """The weights of a layer, the two factors of a bottleneck."""
        return [self.layers[i].weight, *([self.inner[i].weight] if self.inner else [])]


def linear(weight, bias):
    layer = nn.Linear(*weight.shape, bias=bias is not None, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(weight.T)
        if bias is not None:
            layer.bias.copy_(bias[0])
    return layer
