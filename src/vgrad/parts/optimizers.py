"""Optimizers: one update of the parameters, in place, from the gradient of the mean loss.

An entry updates `param` from `grad`, tensors of one shape, and keeps what it remembers in
`state`: tensors of that shape, zero at the start, one for each name in its fact `state`. `step`
counts from 1. A numeric setting is a number, or a tensor that broadcasts against `param` where the
runs of a stack differ in it, in float64 so that 1 − β keeps its digits; a switch is the same for
all. Every entry has `lr`.

`weight_decay` acts on all parameters, as in torch: weights, biases, gains of norms and whatever an
activation or the model trains. The penalties `l1` and `l2` of the losses are on the weights alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import lazy_loader as lazy

from vgrad.parts import gradients, schedules
from vgrad.parts.ranges import BELOW_ONE, BETWEEN_ZERO_AND_ONE, NON_NEGATIVE, POSITIVE
from vgrad.registry import Registry

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = lazy.load("torch")

SGD_RANGES = {"lr": NON_NEGATIVE, "momentum": BELOW_ONE, "weight_decay": NON_NEGATIVE}
ADAM_RANGES = {
    "lr": NON_NEGATIVE,
    "beta1": BELOW_ONE,
    "beta2": BELOW_ONE,
    "eps": NON_NEGATIVE,
    "weight_decay": NON_NEGATIVE,
}

OPTIMIZERS = Registry(
    "optimizer",
    "optimizers",
    facts={
        "state": (),  # the names of the tensors that it remembers
        # Whether a gradient that is not finite makes its parameter so, or what is remembered of
        # it. Where that is not said, every step is checked, which takes a tenth longer.
        "tells": False,
    },
    common={**schedules.SETTINGS, **gradients.SETTINGS},
)


def _is_off(setting: float | Tensor) -> bool:
    return not isinstance(setting, torch.Tensor) and setting == 0.0


def _in(dtype: torch.dtype, setting: float | Tensor) -> float | Tensor:
    """The setting in the precision of what it is to be multiplied with."""
    return setting.to(dtype) if isinstance(setting, torch.Tensor) else setting


def _plus(x: Tensor, y: Tensor, factor: float | Tensor) -> Tensor:
    """x + factor · y."""
    if isinstance(factor, torch.Tensor):
        return torch.addcmul(x, y, factor.to(x.dtype))
    return torch.add(x, y, alpha=factor)


def _descend(param: Tensor, direction: Tensor, lr: float | Tensor) -> None:
    """param −= lr · direction."""
    if isinstance(lr, torch.Tensor):
        param.addcmul_(direction, lr.to(param.dtype), value=-1.0)
    else:
        param.add_(direction, alpha=-lr)


def _descend_scaled(param: Tensor, direction: Tensor, scale: Tensor, lr: float | Tensor) -> None:
    """param −= lr · direction / scale; `scale` is overwritten."""
    if isinstance(lr, torch.Tensor):
        _descend(param, torch.div(direction, scale, out=scale), lr)
    else:
        param.addcdiv_(direction, scale, value=-lr)


def _decayed(grad: Tensor, param: Tensor, weight_decay: float | Tensor) -> Tensor:
    """The gradient with that of weight_decay / 2 · ‖W‖² added."""
    return grad if _is_off(weight_decay) else _plus(grad, param, weight_decay)


def _mean_square(mean: Tensor, grad: Tensor, beta: float | Tensor) -> Tensor:
    """mean ← β · mean + (1 − β) · g²."""
    mean.mul_(_in(mean.dtype, beta))
    rest = 1.0 - beta
    if isinstance(rest, torch.Tensor):
        return mean.addcmul_(grad, grad * rest.to(grad.dtype))
    return mean.addcmul_(grad, grad, value=rest)


def _start(tensor: Tensor, value: float | Tensor) -> None:
    """Set a tensor of the state, which is zero, to what it is before the first update."""
    tensor.add_(_in(tensor.dtype, value))


def _sgd(
    param: Tensor,
    grad: Tensor,
    state: Mapping[str, Tensor],
    *,
    lr: float | Tensor,
    momentum: float | Tensor,
    weight_decay: float | Tensor,
    nesterov: bool = False,
) -> None:
    grad = _decayed(grad, param, weight_decay)
    if not _is_off(momentum):
        velocity = state["momentum_buffer"].mul_(_in(param.dtype, momentum)).add_(grad)
        grad = _plus(grad, velocity, momentum) if nesterov else velocity
    _descend(param, grad, lr)


@OPTIMIZERS.entry(
    source="Robbins & Monro 1951, doi:10.1214/aoms/1177729586; torch.optim.SGD",
    state=("momentum_buffer",),
    tells=True,
    ranges=SGD_RANGES,
)
def sgd(
    param: Tensor,
    grad: Tensor,
    state: Mapping[str, Tensor],
    step: int,
    *,
    lr: float = 0.02,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
) -> None:
    """W ← W − lr · v, v ← momentum · v + ∂L/∂W + weight_decay · W.

    The default lr is 0.02, where torch has 0.001. `weight_decay` acts on all parameters, biases
    too.
    """
    _sgd(param, grad, state, lr=lr, momentum=momentum, weight_decay=weight_decay)


@OPTIMIZERS.entry(
    source="Polyak 1964, doi:10.1016/0041-5553(64)90137-5; torch.optim.SGD",
    state=("momentum_buffer",),
    tells=True,
    ranges=SGD_RANGES,
)
def momentum(
    param: Tensor,
    grad: Tensor,
    state: Mapping[str, Tensor],
    step: int,
    *,
    lr: float = 0.02,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
) -> None:
    """W ← W − lr · v, v ← momentum · v + ∂L/∂W + weight_decay · W.

    It is sgd with another default momentum; what is said there of lr and `weight_decay` holds.
    """
    _sgd(param, grad, state, lr=lr, momentum=momentum, weight_decay=weight_decay)


@OPTIMIZERS.entry(
    source="Nesterov 1983; Sutskever et al. 2013, PMLR 28:1139; torch.optim.SGD",
    state=("momentum_buffer",),
    tells=True,
    ranges=SGD_RANGES,
)
def nesterov(
    param: Tensor,
    grad: Tensor,
    state: Mapping[str, Tensor],
    step: int,
    *,
    lr: float = 0.02,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
) -> None:
    """W ← W − lr · (g + momentum · v), v ← momentum · v + g, g = ∂L/∂W + weight_decay · W.

    What is said at sgd of lr and `weight_decay` holds.
    """
    _sgd(param, grad, state, lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=True)


@OPTIMIZERS.entry(
    source=(
        "Riedmiller & Braun 1993, doi:10.1109/ICNN.1993.298623; iRprop− of Igel & Hüsken 2003, "
        "doi:10.1016/S0925-2312(01)00700-7; torch.optim.Rprop"
    ),
    state=("previous_sign", "step_size"),
    ranges={
        "lr": POSITIVE,
        "eta_minus": BETWEEN_ZERO_AND_ONE,
        "eta_plus": (math.nextafter(1.0, 2.0), math.inf),
        "min_step": NON_NEGATIVE,
        "max_step": POSITIVE,
    },
)
def rprop(
    param: Tensor,
    grad: Tensor,
    state: Mapping[str, Tensor],
    step: int,
    *,
    lr: float = 0.01,
    eta_minus: float = 0.5,
    eta_plus: float = 1.2,
    min_step: float = 1e-6,
    max_step: float = 50.0,
) -> None:
    """W ← W − Δ · sign ∂L/∂W; Δ grows by η₊ where the sign stays and shrinks by η₋ where it turns.

    Δ is `lr` at the first update and stays between `min_step` and `max_step`; a schedule has no
    hold on it later. Where the sign turns, no step is made. The gradient's size does not count, so
    none is too small.
    """
    sizes, previous = state["step_size"], state["previous_sign"]
    if step == 1:
        _start(sizes, lr)
    sign = grad.sign()
    agreement = sign * previous
    scale = torch.where(agreement > 0, _in(param.dtype, eta_plus), torch.ones_like(param))
    scale = torch.where(agreement < 0, _in(param.dtype, eta_minus), scale)
    sizes.mul_(scale)
    sizes.clamp_(min=_in(param.dtype, min_step)).clamp_(max=_in(param.dtype, max_step))
    previous.copy_(sign.masked_fill_(agreement < 0, 0.0))
    param.addcmul_(previous, sizes, value=-1.0)


@OPTIMIZERS.entry(
    source=(
        "Tieleman & Hinton 2012, Neural Networks for Machine Learning, lecture 6.5; centred: "
        "Graves 2013, arXiv:1308.0850; torch.optim.RMSprop"
    ),
    state=("square_avg", "grad_avg", "momentum_buffer"),
    tells=True,
    ranges={
        "lr": NON_NEGATIVE,
        "alpha": BELOW_ONE,
        "eps": NON_NEGATIVE,
        "momentum": BELOW_ONE,
        "weight_decay": NON_NEGATIVE,
    },
)
def rmsprop(
    param: Tensor,
    grad: Tensor,
    state: Mapping[str, Tensor],
    step: int,
    *,
    lr: float = 0.001,
    alpha: float = 0.99,
    eps: float = 1e-8,
    momentum: float = 0.0,
    centered: bool = False,
    weight_decay: float = 0.0,
) -> None:
    """W ← W − lr · g / (√v + ε), v ← α v + (1 − α) g².

    With `centered` v is less by the square of the mean of g, taken likewise; with `momentum` the
    quotient goes into a velocity first. The default lr is 0.001, where torch has 0.01.
    `weight_decay` acts on all parameters, biases too.
    """
    grad = _decayed(grad, param, weight_decay)
    square = _mean_square(state["square_avg"], grad, alpha)
    if centered:
        mean = state["grad_avg"].lerp_(grad, _in(grad.dtype, 1.0 - alpha))
        square = square.addcmul(mean, mean, value=-1.0).clamp_(min=0.0)  # rounding may go below
    scale = square.sqrt().add_(_in(grad.dtype, eps))
    if _is_off(momentum):
        _descend_scaled(param, grad, scale, lr)
    else:
        velocity = state["momentum_buffer"].mul_(_in(grad.dtype, momentum))
        _descend(param, velocity.addcdiv_(grad, scale), lr)


@OPTIMIZERS.entry(
    source="Duchi, Hazan & Singer 2011, JMLR 12:2121; torch.optim.Adagrad",
    state=("sum",),
    tells=True,
    ranges={
        "lr": NON_NEGATIVE,
        "lr_decay": NON_NEGATIVE,
        "initial": NON_NEGATIVE,
        "eps": NON_NEGATIVE,
        "weight_decay": NON_NEGATIVE,
    },
)
def adagrad(
    param: Tensor,
    grad: Tensor,
    state: Mapping[str, Tensor],
    step: int,
    *,
    lr: float = 0.01,
    lr_decay: float = 0.0,
    initial: float = 0.0,
    eps: float = 1e-10,
    weight_decay: float = 0.0,
) -> None:
    """W ← W − lr · g / (√s + ε), s ← s + g².

    The sum s starts at `initial`. With `lr_decay` the rate of update t is lr / (1 + (t − 1) ·
    lr_decay), beside what a schedule does. `weight_decay` acts on all parameters, biases too.
    """
    if step == 1:
        _start(state["sum"], initial)
    grad = _decayed(grad, param, weight_decay)
    total = state["sum"].addcmul_(grad, grad)
    scale = total.sqrt().add_(_in(grad.dtype, eps))
    _descend_scaled(param, grad, scale, lr / (1.0 + (step - 1) * lr_decay))


def _adam(
    param: Tensor,
    grad: Tensor,
    state: Mapping[str, Tensor],
    step: int,
    *,
    lr: float | Tensor,
    beta1: float | Tensor,
    beta2: float | Tensor,
    eps: float | Tensor,
) -> None:
    mean = state["exp_avg"].lerp_(grad, _in(grad.dtype, 1.0 - beta1))
    square = _mean_square(state["exp_avg_sq"], grad, beta2)
    correction = (1.0 - beta2**step) ** 0.5
    scale = (square.sqrt() / _in(grad.dtype, correction)).add_(_in(grad.dtype, eps))
    _descend_scaled(param, mean, scale, lr / (1.0 - beta1**step))


@OPTIMIZERS.entry(
    source="Kingma & Ba 2015, arXiv:1412.6980, algorithm 1; torch.optim.Adam",
    state=("exp_avg", "exp_avg_sq"),
    tells=True,
    ranges=ADAM_RANGES,
)
def adam(
    param: Tensor,
    grad: Tensor,
    state: Mapping[str, Tensor],
    step: int,
    *,
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> None:
    """W ← W − lr · m̂ / (√v̂ + ε), with m̂ and v̂ the bias-corrected means of g and g².

    g = ∂L/∂W + weight_decay · W, for all parameters, biases too.
    """
    grad = _decayed(grad, param, weight_decay)
    _adam(param, grad, state, step, lr=lr, beta1=beta1, beta2=beta2, eps=eps)


@OPTIMIZERS.entry(
    source="Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2; torch.optim.AdamW",
    state=("exp_avg", "exp_avg_sq"),
    tells=True,
    ranges=ADAM_RANGES,
)
def adamw(
    param: Tensor,
    grad: Tensor,
    state: Mapping[str, Tensor],
    step: int,
    *,
    lr: float = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.01,
) -> None:
    """W ← (1 − lr · weight_decay) · W − lr · m̂ / (√v̂ + ε), with m̂ and v̂ as in adam.

    The decay, of all parameters, biases too, is not scaled by √v̂, as it is in adam. That lr
    multiplies it is torch's form; in the paper only the schedule does.
    """
    if not _is_off(weight_decay):
        param.mul_(_in(param.dtype, 1.0 - lr * weight_decay))
    _adam(param, grad, state, step, lr=lr, beta1=beta1, beta2=beta2, eps=eps)
