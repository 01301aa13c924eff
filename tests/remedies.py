"""Every remedy of the model alone, and many at once: configs for the twins of the engine."""

from __future__ import annotations

import torch

import networks

REMEDIES = {
    "batch norm": {"norm": "batch"},
    "batch norm after": {"norm": "batch", "norm_at": "after"},
    "layer norm": {"norm": "layer"},
    "layer norm after": {"norm": "layer", "norm_at": "after"},
    "rms norm": {"norm": "rms"},
    "rms norm after": {"norm": "rms", "norm_at": "after", "bias": False},
    "identity": {"residual": "identity"},
    "identity over two": {"residual": "identity", "residual_every": 2},
    "scaled over three": {"residual": "scaled", "residual_every": 3},
    "rezero": {"residual": "rezero"},
    "dropout": {"dropout": 0.3},
    "alpha dropout": {"alpha_dropout": 0.2},
    "heads": {"aux_heads": 2, "aux_weight": 0.7},
    "heads without bias": {"aux_heads": 3, "bias": False},
    "bottleneck": {"bottleneck": 3},
    "all at once": {
        "norm": "batch",
        "residual": "rezero",
        "residual_every": 2,
        "dropout": 0.2,
        "aux_heads": 2,
        "bottleneck": 5,
    },
    "all after": {
        "norm": "layer",
        "norm_at": "after",
        "residual": "scaled",
        "alpha_dropout": 0.2,
        "aux_heads": 1,
        "bottleneck": 5,
        "bias": False,
    },
}
HIGHWAYS = {
    "highway": {},
    "highway with batch norm": {"norm": "batch", "dropout": 0.2, "aux_heads": 1},
    "highway with bottleneck": {"bottleneck": 4, "gate_bias": 0.5, "norm_at": "after"},
}
MODELS = {name: ("mlp", keys) for name, keys in REMEDIES.items()}
MODELS |= {name: ("highway", keys) for name, keys in HIGHWAYS.items()}


def remedied(name, **keys):
    """A config with the remedies of that name."""
    model, settings = MODELS[name]
    settings = {f"model__{key}": value for key, value in settings.items()}
    return networks.config(model=model, **settings, **keys)


def disturb(stack):
    """Move what starts from 0 and 1 away from there, so that every gradient counts."""
    for name in ("norm_gain", "norm_shift", "branch_scale", "head_bias", "activation"):
        block = stack.parameters.named[name]
        block.add_(torch.linspace(0.1, 0.4, block.numel(), dtype=block.dtype).view_as(block))
