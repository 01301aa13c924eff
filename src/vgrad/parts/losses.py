"""Losses ℓ of one example, as functions of the network's linear outputs and the targets.

An entry takes outputs z and targets t, both [R, B, C] (classes one-hot), and returns ℓ, [R, B].
The output function that belongs to a loss, σ(z) or softmax(z), is part of it and named in the fact
`output`: a network ends in linear outputs whatever its loss, and the error signal is ∂ℓ/∂z. That is
taken by autograd on this one operation, unless the entry names its `gradient` in closed form.

"Mean" is over the C outputs of one example. Label smoothing ε moves the targets: on softmax outputs
to q = (1 − ε) t + ε/C (Szegedy, Vanhoucke, Ioffe, Shlens & Wojna 2016, arXiv:1512.00567, section
7), on sigmoid outputs, where each output is a yes or no of its own, to q = (1 − ε) t + ε/2. On
linear outputs it has no meaning.

What is minimised is L = mean ℓ over the batch + l1 · Σ|W| + l2 · ΣW², where `l1` and `l2` are
settings of every loss and the sums run over all weights, not over the biases. An entry does not see
the penalties.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import lazy_loader as lazy

from vgrad.parts.ranges import NON_NEGATIVE, POSITIVE
from vgrad.registry import Registry, Setting

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from torch import Tensor
else:
    torch = lazy.load("torch")


@dataclass(frozen=True)
class Domain:
    """What the targets of a regression must satisfy for a loss to be defined.

    Attributes:
        words: ends the sentence "it needs targets …".
        holds: whether all targets of an array satisfy it.
    """

    words: str
    holds: Callable[[NDArray[Any]], bool]


SHARES = Domain("from 0 to 1", lambda t: bool(((t >= 0) & (t <= 1)).all()))

SMOOTHING = {"label_smoothing": (0.0, 1.0)}

BOTH = ("classification", "regression")
BRIDLE = "Bridle 1990, doi:10.1007/978-3-642-76153-9_28"

LOSSES = Registry(
    "loss",
    "losses",
    facts={
        "tasks": ("classification",),  # the tasks that it fits
        "output": "linear",  # the output function that is part of it
        "gradient": None,  # (outputs, targets, out, **settings) → writes ∂ℓ/∂z, [R, B, C]
        "domain": None,  # a Domain, where not every target will do
    },
    common={
        "l1": Setting(0.0, "penalty l1 · Σ|W| on all weights", NON_NEGATIVE),
        "l2": Setting(0.0, "penalty l2 · ΣW² on all weights", NON_NEGATIVE),
    },
)


def _smoothed(targets: Tensor, label_smoothing: float, level: float) -> Tensor:
    """q, the targets moved towards a level."""
    if label_smoothing == 0.0:
        return targets
    return (1.0 - label_smoothing) * targets + label_smoothing * level


def _over_classes(targets: Tensor, label_smoothing: float) -> Tensor:
    return _smoothed(targets, label_smoothing, 1.0 / targets.shape[-1])


def _yes_or_no(targets: Tensor, label_smoothing: float) -> Tensor:
    return _smoothed(targets, label_smoothing, 0.5)


def _softmax(outputs: Tensor, out: Tensor) -> Tensor:
    """out = softmax(z): over few classes torch is 7 times as fast where they are not the last axis.

    Measured on a CPU, for [16, 64, 10].
    """
    return out.copy_(torch.softmax(outputs.mT.contiguous(), -2).mT)


def _likelihood_gradient(
    outputs: Tensor, targets: Tensor, out: Tensor, *, label_smoothing: float = 0.0
) -> None:
    _softmax(outputs, out).sub_(_over_classes(targets, label_smoothing))


@LOSSES.entry(
    also=("ce", "categorical_crossentropy"),
    source=BRIDLE + "; Szegedy et al. 2016, arXiv:1512.00567 (label smoothing)",
    output="softmax",
    gradient=_likelihood_gradient,
    ranges=SMOOTHING,
)
def cross_entropy(outputs: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """ℓ = −Σ q log softmax(z), summed over the classes, q the targets t, smoothed if wished."""
    log_p = torch.log_softmax(outputs, -1)
    return -(_over_classes(targets, label_smoothing) * log_p).sum(-1)


@LOSSES.entry(
    source="Fisher 1922, doi:10.1098/rsta.1922.0009; " + BRIDLE,
    output="log_softmax",
    gradient=_likelihood_gradient,
)
def nll(outputs: Tensor, targets: Tensor) -> Tensor:
    """ℓ = −log p of the target's class, the negative log-likelihood, log p = log softmax(z).

    On one-hot targets that is `cross_entropy` without label smoothing, by another road.
    """
    log_p = torch.log_softmax(outputs, -1)
    return -log_p.gather(-1, targets.argmax(-1, keepdim=True)).squeeze(-1)


@LOSSES.entry(
    source="Kullback & Leibler 1951, doi:10.1214/aoms/1177729694",
    output="softmax",
    gradient=_likelihood_gradient,
    ranges=SMOOTHING,
)
def kl_div(outputs: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """ℓ = Σ q log(q / softmax(z)), summed over the classes, q the targets t, smoothed if wished.

    It is `cross_entropy` less the entropy of q, which is 0 without label smoothing. The gradients
    are the same.
    """
    log_p = torch.log_softmax(outputs, -1)
    q = _over_classes(targets, label_smoothing)
    return torch.nn.functional.kl_div(log_p, q, reduction="none").sum(-1)


def _bce_gradient(outputs: Tensor, targets: Tensor, out: Tensor, *, label_smoothing: float) -> None:
    torch.sigmoid(outputs, out=out)
    out.sub_(_yes_or_no(targets, label_smoothing)).div_(outputs.shape[-1])


@LOSSES.entry(
    source="Solla, Levin & Fleisher 1988, Complex Systems 2:625",
    tasks=BOTH,
    output="sigmoid",
    gradient=_bce_gradient,
    domain=SHARES,
    ranges=SMOOTHING,
)
def bce(outputs: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """ℓ = mean of −q log σ(z) − (1 − q) log(1 − σ(z)), q the targets t, smoothed if wished."""
    return torch.nn.functional.binary_cross_entropy_with_logits(
        outputs, _yes_or_no(targets, label_smoothing), reduction="none"
    ).mean(-1)


def _mse_gradient(outputs: Tensor, targets: Tensor, out: Tensor) -> None:
    torch.sub(outputs, targets, out=out)
    out.mul_(2.0 / outputs.shape[-1])


@LOSSES.entry(
    also=("l2_loss", "mean_squared_error"),
    source="Gauss 1809; torch.nn.MSELoss",
    tasks=BOTH,
    gradient=_mse_gradient,
)
def mse(outputs: Tensor, targets: Tensor) -> Tensor:
    """ℓ = mean of (z − t)², without ½, on linear outputs."""
    return (outputs - targets).square().mean(-1)


def _mse_sigmoid_gradient(
    outputs: Tensor, targets: Tensor, out: Tensor, *, label_smoothing: float
) -> None:
    # σ(−z) and not 1 − σ(z), which float32 rounds to 0 from z = 17 on, while σ′ is 4e-8.
    torch.sigmoid(outputs, out=out)
    slope = torch.sigmoid(-outputs).mul_(out)
    out.sub_(_yes_or_no(targets, label_smoothing)).mul_(slope).mul_(2.0 / outputs.shape[-1])


@LOSSES.entry(
    source="Rumelhart, Hinton & Williams 1986, doi:10.1038/323533a0",
    tasks=BOTH,
    output="sigmoid",
    gradient=_mse_sigmoid_gradient,
    domain=SHARES,
    ranges=SMOOTHING,
)
def mse_sigmoid(outputs: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """ℓ = mean of (σ(z) − q)², without ½, q the targets t, smoothed if wished.

    The slow one: its gradient holds the factor σ′(z), so an output that is saturated learns hardly
    at all, even where it is wrong; that of `bce` does not.
    """
    q = _yes_or_no(targets, label_smoothing)
    return (torch.sigmoid(outputs) - q).square().mean(-1)


def _mse_softmax_gradient(
    outputs: Tensor, targets: Tensor, out: Tensor, *, label_smoothing: float
) -> None:
    # ∂ℓ/∂z = p (e − Σ p e) · 2/C, e = p − q. A constant may be taken from e; taking that of the
    # largest p keeps the sum free of what would cancel where the softmax is saturated.
    _softmax(outputs, out)
    error = out - _over_classes(targets, label_smoothing)
    error.sub_(error.gather(-1, out.argmax(-1, keepdim=True)))
    error.sub_((out * error).sum(-1, keepdim=True))
    out.mul_(error).mul_(2.0 / outputs.shape[-1])


@LOSSES.entry(
    source="Brier 1950, Monthly Weather Review 78:1",
    output="softmax",
    gradient=_mse_softmax_gradient,
    ranges=SMOOTHING,
)
def mse_softmax(outputs: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """ℓ = mean of (softmax(z) − q)², without ½, q the targets t, smoothed if wished."""
    q = _over_classes(targets, label_smoothing)
    return (torch.softmax(outputs, -1) - q).square().mean(-1)


def _sign(values: Tensor) -> Tensor:
    """The signs, in place. NaN stays NaN, by which a run is seen to diverge: torch.sign has 0."""
    tiny = torch.finfo(values.dtype).tiny
    return values.clamp_(-tiny, tiny).div_(tiny)


def _above_margin(outputs: Tensor, targets: Tensor, margin: float) -> Tensor:
    """How far each output is above the target class's less the margin; the target's own too."""
    return outputs - (outputs * targets).sum(-1, keepdim=True) + margin


def _hinge_gradient(outputs: Tensor, targets: Tensor, out: Tensor, *, margin: float) -> None:
    too_near = _sign(_above_margin(outputs, targets, margin)).clamp_min_(0.0).mul_(1.0 - targets)
    torch.mul(targets, too_near.sum(-1, keepdim=True), out=out)
    torch.sub(too_near, out, out=out).div_(outputs.shape[-1])


@LOSSES.entry(
    also=("multi_margin",),
    source="Weston & Watkins 1999, Support vector machines for multi-class pattern recognition, "
    "ESANN; torch.nn.MultiMarginLoss",
    gradient=_hinge_gradient,
    ranges={"margin": POSITIVE},
)
def hinge(outputs: Tensor, targets: Tensor, *, margin: float = 1.0) -> Tensor:
    """ℓ = Σ max(0, margin − z_t + z_i) / C over the classes i other than the target's, t.

    The sum is Weston & Watkins', who have margin 2 and no 1/C; those two are as in torch's
    MultiMarginLoss.
    """
    return (torch.relu(_above_margin(outputs, targets, margin)) * (1.0 - targets)).mean(-1)


def _mae_gradient(outputs: Tensor, targets: Tensor, out: Tensor) -> None:
    torch.sub(outputs, targets, out=out)
    _sign(out).div_(outputs.shape[-1])


@LOSSES.entry(
    also=("l1_loss", "l1"),
    source="Koenker & Bassett 1978, doi:10.2307/1913643 (the median); torch.nn.L1Loss",
    tasks=BOTH,
    gradient=_mae_gradient,
)
def mae(outputs: Tensor, targets: Tensor) -> Tensor:
    """ℓ = mean of |z − t|, on linear outputs."""
    return (outputs - targets).abs().mean(-1)


def _huber_gradient(outputs: Tensor, targets: Tensor, out: Tensor, *, delta: float) -> None:
    torch.sub(outputs, targets, out=out)
    out.clamp_(-delta, delta).div_(outputs.shape[-1])


@LOSSES.entry(
    also=("smooth_l1",),
    source="Huber 1964, doi:10.1214/aoms/1177703732; torch.nn.HuberLoss",
    tasks=BOTH,
    gradient=_huber_gradient,
    ranges={"delta": POSITIVE},
)
def huber(outputs: Tensor, targets: Tensor, *, delta: float = 1.0) -> Tensor:
    """ℓ = mean of ½(z − t)² where |z − t| ≤ delta, else delta · (|z − t| − delta/2)."""
    return torch.nn.functional.huber_loss(outputs, targets, reduction="none", delta=delta).mean(-1)


def _mape_gradient(outputs: Tensor, targets: Tensor, out: Tensor) -> None:
    torch.sub(outputs, targets, out=out)
    _sign(out).div_(targets).div_(outputs.shape[-1])


@LOSSES.entry(
    source="de Myttenaere, Golden, Le Grand & Rossi 2016, arXiv:1605.02541",
    tasks=("regression",),
    gradient=_mape_gradient,
    domain=Domain("above 0", lambda t: bool((t > 0).all())),
)
def mape(outputs: Tensor, targets: Tensor) -> Tensor:
    """ℓ = mean of |z − t| / t, on linear outputs: a share of the target, not times 100."""
    return ((outputs - targets).abs() / targets).mean(-1)


def _softplus(z: Tensor) -> Tensor:
    """log(1 + eᶻ); torch's own threshold, 20, is too low for float64."""
    return torch.nn.functional.softplus(z, threshold=40.0)


def _msle_gradient(outputs: Tensor, targets: Tensor, out: Tensor) -> None:
    s = _softplus(outputs)
    torch.sigmoid(outputs, out=out)
    out.div_(1.0 + s).mul_(s.log1p_().sub_(targets.log1p())).mul_(2.0 / outputs.shape[-1])


@LOSSES.entry(
    source="Tofallis 2015, doi:10.1057/jors.2014.103; sklearn.metrics.mean_squared_log_error",
    tasks=("regression",),
    output="softplus",
    gradient=_msle_gradient,
    domain=Domain("of at least 0", lambda t: bool((t >= 0).all())),
)
def msle(outputs: Tensor, targets: Tensor) -> Tensor:
    """ℓ = mean of (log(1 + s) − log(1 + t))², s = softplus(z) = log(1 + eᶻ).

    The logarithm of 1 + z is not defined from z = −1 downwards; on a softplus output, which is
    above 0, the loss always is.
    """
    return (_softplus(outputs).log1p() - targets.log1p()).square().mean(-1)
