"""The optimizers of a stack against those of torch, a run at a time, and a run alone."""

from __future__ import annotations

import math

import pytest
import torch
from torch.overrides import TorchFunctionMode

import networks
from vgrad.draw import GRADIENT_NOISE, generator
from vgrad.parts.optimizers import OPTIMIZERS
from vgrad.parts.schedules import factor
from vgrad.stack import Stack
from vgrad.update import Update

OPTIM, STEPS = torch.optim, 50
# What is typed, torch's optimizer, and what torch takes where its words or defaults are others.
TWINS = {
    "sgd": ({"lr": 0.02}, OPTIM.SGD),
    "another lr": ({"lr": 0.3}, OPTIM.SGD),
    "no lr": ({"lr": 0.0}, OPTIM.SGD),
    "momentum": ({"optimizer": "momentum", "lr": 0.1}, OPTIM.SGD, {"lr": 0.1, "momentum": 0.9}),
    "nesterov": (
        {"optimizer": "nesterov", "lr": 0.1, "momentum": 0.5},
        OPTIM.SGD,
        {"lr": 0.1, "momentum": 0.5, "nesterov": True},
    ),
    "decay": ({"lr": 0.1, "momentum": 0.8, "weight_decay": 0.05}, OPTIM.SGD),
    "rprop": (
        {"optimizer": "rprop", "eta_plus": 1.1, "max_step": 0.02},
        OPTIM.Rprop,
        {"etas": (0.5, 1.1), "step_sizes": (1e-6, 0.02)},
    ),
    "rmsprop": ({"optimizer": "rmsprop", "lr": 0.002}, OPTIM.RMSprop),
    "rmsprop, centred": (
        {"optimizer": "rmsprop", "lr": 0.001, "centered": True, "momentum": 0.5, "alpha": 0.9},
        OPTIM.RMSprop,
    ),
    "adagrad": ({"optimizer": "adagrad"}, OPTIM.Adagrad),
    "adagrad, decay": (
        {"optimizer": "adagrad", "lr_decay": 0.1, "weight_decay": 0.1},
        OPTIM.Adagrad,
    ),
    "adam": ({"optimizer": "adam", "lr": 0.01}, OPTIM.Adam),
    "adam, other betas": (
        {"optimizer": "adam", "lr": 0.002, "beta1": 0.5, "beta2": 0.9999},
        OPTIM.Adam,
        {"lr": 0.002, "betas": (0.5, 0.9999)},
    ),
    "adam, decay and eps": (
        {"optimizer": "adam", "lr": 0.05, "eps": 1e-3, "weight_decay": 0.1},
        OPTIM.Adam,
    ),
    "adamw": ({"optimizer": "adamw", "weight_decay": 0.3}, OPTIM.AdamW),
}


def twin_of(name, params):
    """Torch's optimizer."""
    keys, make, *words = TWINS[name]
    return make(params, **(words[0] if words else {k: keys[k] for k in keys if k != "optimizer"}))


def config(keys, **more):
    keys = dict(keys)
    choice = keys.pop("optimizer", "sgd")
    settings = {f"optimizer__{name}": value for name, value in keys.items()}
    return networks.config(optimizer=choice, **settings, **{"steps": STEPS, **more})


def parts(parameters, run):
    """What belongs to one run, a tensor per block that is not empty."""
    return [block[:, run] for block in parameters.blocks if block.numel()]


def flat(tensors):
    return torch.cat([tensor.flatten() for tensor in tensors])


def made_up(step, like, seed=0):
    """The gradient of one run at a step, which does not depend on its neighbours."""
    draw = torch.Generator().manual_seed(1000 * seed + step)
    return [torch.randn(x.shape, dtype=x.dtype, generator=draw) for x in like]


def give(stack, step, size=1.0):
    """Fill the gradients of all runs; each run's are told by its seed."""
    for run, its in enumerate(stack.configs):
        mine = parts(stack.gradients, run)
        for gradient, made in zip(mine, made_up(step, mine, its.seed), strict=True):
            gradient.copy_(made * size)


def updated(configs):
    """The stack and its update after fifty updates on made-up gradients."""
    stack = Stack(configs, 6, 4)
    update = Update(stack)
    for step in range(1, STEPS + 1):
        give(stack, step)
        update(step)
    return stack, update


def assert_updates_are_torchs(names, dtype="float64", **more):
    """Fifty updates of a stack on made-up gradients, and of torch's optimizer for each run."""
    configs = [config(TWINS[name][0], seed=s, dtype=dtype, **more) for s, name in enumerate(names)]
    stack, _ = updated(configs)
    for run, name in enumerate(names):
        twin = [
            part.clone().requires_grad_() for part in parts(Stack(configs, 6, 4).parameters, run)
        ]
        optimizer = twin_of(name, twin)
        for step in range(1, STEPS + 1):
            for theirs, gradient in zip(twin, made_up(step, twin, run), strict=True):
                theirs.grad = gradient
            optimizer.step()
        for ours, theirs in zip(parts(stack.parameters, run), twin, strict=True):
            torch.testing.assert_close(ours, theirs.detach(), rtol=1e-6, atol=1e-6)


def test_every_optimizer_has_a_twin_here():
    assert {keys.get("optimizer", "sgd") for keys, *_ in TWINS.values()} == set(OPTIMIZERS)


@pytest.mark.parametrize("name", TWINS)
def test_a_run_alone_is_updated_as_torch_would(name):
    assert_updates_are_torchs([name])


@pytest.mark.parametrize("name", TWINS)
def test_runs_that_share_an_optimizer_are_updated_as_torch_would(name):
    assert_updates_are_torchs([name] * 3)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_runs_with_all_optimizers_mixed_are_updated_as_torch_would(dtype):
    assert_updates_are_torchs([*TWINS, "adam", "sgd", "adam"], dtype=dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_settings_that_are_off_in_some_runs_only_are_off_there(dtype):
    assert_updates_are_torchs(["sgd", "decay", "no lr"], dtype=dtype)
    assert_updates_are_torchs(["adam, decay and eps", "adam", "adam, other betas"], dtype=dtype)


@pytest.mark.parametrize("depth", [0, 1])
@pytest.mark.parametrize("bias", [True, False])
def test_networks_without_hidden_layers_or_biases_are_updated_too(depth, bias):
    assert_updates_are_torchs(["adam", "momentum"], depth=depth, model__bias=bias)


def test_a_gradient_that_is_not_finite_stays_with_its_run():
    clipped = {"clip_norm": 1.0, "clip_value": 0.1}
    runs = [{"optimizer": "adam"}, {"lr": 0.1, **clipped}, {"noise": 1.0}, clipped]
    stack = Stack([config(keys) for keys in runs], 6, 4)
    update = Update(stack)
    for step in (1, 2):
        for block in stack.gradients.blocks:
            block[:, 1] = torch.nan
        update(step)
    for block in stack.parameters.blocks:
        assert block[:, [0, 2, 3]].isfinite().all()
        assert block[:, 1].isnan().all()


# Schedules, clipping and noise.

OWN_WAYS = {
    "sgd": {"lr": 0.1, "clip_norm": 2.0, "schedule": "cosine"},
    "plain": {},
    "decay": {"lr": 0.3, "momentum": 0.5, "weight_decay": 0.1, "warmup": 5, "noise": 0.1},
    "values": {"lr": 0.05, "clip_value": 0.5, "clip_norm": 3.0, "noise": 0.3, "noise_decay": 1.0},
    "steps": {"schedule": "step", "decay_every": 4, "decay_factor": 0.5, "clip_norm": 20.0},
    "adam": {"optimizer": "adam", "clip_value": 1.0, "schedule": "step"},
    "adamw": {"optimizer": "adamw", "schedule": "cosine", "warmup": 3, "noise": 1.0},
}


@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-12), ("float32", 1e-6)])
def test_runs_with_ways_of_their_own_do_in_a_stack_what_they_do_alone(dtype, rtol):
    configs = [config(keys, seed=s, dtype=dtype) for s, keys in enumerate(OWN_WAYS.values())]
    together, update = updated(configs)
    for run, its in enumerate(configs):
        alone, own = updated([its])
        mine, same = parts(together.parameters, run), parts(alone.parameters, 0)
        for ours, theirs in zip(mine, same, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=rtol, atol=rtol)
        assert update.clipped[run] == own.clipped[0]
        assert update.rates(7)[run] == own.rates(7)[0]
        assert update.noise_std(7)[run] == own.noise_std(7)[0]


@pytest.mark.parametrize("beside", [{"clip_norm": 1.0}, {"clip_value": 0.5}, {"noise": 0.3}])
def test_a_plain_run_is_the_same_to_the_bit_beside_one_that_clips_or_has_noise(beside):
    plain = config({}, seed=1)
    together, _ = updated([config(beside), plain])
    alone, _ = updated([plain])
    assert torch.equal(flat(parts(together.parameters, 1)), flat(parts(alone.parameters, 0)))


@pytest.mark.parametrize("settings", [{"schedule": "cosine", "warmup": 5}, {"schedule": "step"}])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_rate_of_every_update_is_lr_times_the_factor(settings, optimizer):
    keys = {"optimizer": optimizer, "lr": 0.1, **settings}
    for neighbours in ([], [config({"lr": 0.3}, dtype="float64")]):
        its = config(keys, dtype="float64")
        stack = Stack([its, *neighbours], 6, 4)
        update = Update(stack)
        twin = [part.clone().requires_grad_() for part in parts(stack.parameters, 0)]
        make = {"sgd": OPTIM.SGD, "adam": OPTIM.Adam}[optimizer]
        theirs = make(twin, lr=0.1)
        for step in range(1, STEPS + 1):
            give(stack, step)
            for param, grad in zip(twin, parts(stack.gradients, 0), strict=True):
                param.grad = grad.clone()
            rate = 0.1 * factor(step, STEPS, its.optimizer.settings)
            assert update.rates(step)[0] == rate
            theirs.param_groups[0]["lr"] = rate
            theirs.step()
            update(step)
        for ours, param in zip(parts(stack.parameters, 0), twin, strict=True):
            torch.testing.assert_close(ours, param.detach(), rtol=1e-6, atol=1e-6)


def moved(keys, size=1.0, dtype="float32", beside=()):
    """How the first run's parameters move in one update of lr 1, and by which gradients."""
    configs = [config({"lr": 1.0, **keys}, dtype=dtype), *(config(k, dtype=dtype) for k in beside)]
    stack = Stack(configs, 6, 4)
    stack.parameters.flat.zero_()
    give(stack, 1, size)
    gradients = [part.clone() for part in parts(stack.gradients, 0)]
    before = stack.gradients.flat.clone()
    update = Update(stack)
    update(1)
    assert torch.equal(stack.gradients.flat, before)
    return [-part for part in parts(stack.parameters, 0)], gradients, update


BESIDE = pytest.mark.parametrize("beside", [(), ({"lr": 0.5}, {"clip_norm": 3.0})], ids=len)


@BESIDE
@pytest.mark.parametrize("limit", [1e-3, 1.0, 10.0, 1e3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_clipping_by_norm_is_torchs(limit, dtype, beside):
    ours, gradients, update = moved({"clip_norm": limit}, dtype=dtype, beside=beside)
    for gradient in gradients:
        gradient.grad = gradient.clone()
    norm = torch.nn.utils.clip_grad_norm_(gradients, limit)
    for mine, gradient in zip(ours, gradients, strict=True):
        torch.testing.assert_close(mine, gradient.grad, rtol=1e-6, atol=0.0)
    assert update.clipped[0] == int(norm > limit)


@BESIDE
@pytest.mark.parametrize("limit", [0.1, 1.0, 100.0])
def test_clipping_by_value_is_torchs(limit, beside):
    ours, gradients, update = moved({"clip_value": limit}, beside=beside)
    largest = max(float(gradient.abs().max()) for gradient in gradients)
    for mine, gradient in zip(ours, gradients, strict=True):
        assert torch.equal(mine, gradient.clamp(-limit, limit))
    assert update.clipped[0] == int(largest > limit)


@pytest.mark.parametrize("size", [1e-25, 1e-15, 1e15, 1e25, 1e37])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_norms_far_from_1_are_clipped_rightly(size, dtype):
    ours, gradients, update = moved({"clip_norm": 1.0}, size, dtype)
    norm = float(flat(gradients).double().norm())
    for mine, gradient in zip(ours, gradients, strict=True):
        expected = gradient.double() * min(1.0, 1.0 / (norm + 1e-6))
        torch.testing.assert_close(mine.double(), expected, rtol=1e-6, atol=0.0)
    assert update.clipped == [int(size > 1)]


def test_values_are_clipped_before_the_norm():
    both, gradients, _ = moved({"clip_value": 0.1, "clip_norm": 0.5})
    clipped = [gradient.clamp(-0.1, 0.1) for gradient in gradients]
    norm = flat(clipped).norm()
    for mine, gradient in zip(both, clipped, strict=True):
        torch.testing.assert_close(mine, gradient * 0.5 / (norm + 1e-6), rtol=1e-6, atol=0.0)


def test_clipped_updates_are_counted_for_each_run_that_clips():
    runs = [
        {},
        {"clip_norm": 10.0},
        {"clip_value": 0.2},
        {"clip_norm": 1e9},
        {"clip_norm": 1e9, "clip_value": 0.2},
        {"noise": 1.0},
    ]
    stack = Stack([config(keys) for keys in runs], 6, 4)
    update = Update(stack)
    assert update.clipped == [None, 0, 0, 0, 0, None]
    for step, size in enumerate([1.0, 1e-6, 1.0, 0.05], start=1):
        give(stack, step, size)
        update(step)
    # 1 and 3 are beyond both limits; that of values is not reached by 0.05 · N(0, 1) but at 4 σ.
    assert update.clipped == [None, 2, 2, 0, 2, None]


@pytest.mark.parametrize(("eta", "gamma"), [(0.3, 0.55), (1.0, 0.55), (0.01, 2.0)])
def test_noise_has_the_variance_of_its_paper(eta, gamma):
    its = config({"lr": 1.0, "noise": eta, "noise_decay": gamma}, width=100, dtype="float64")
    stack = Stack([its], 6, 4)
    update = Update(stack)
    for step in (1, 2, 10):
        stack.parameters.flat.zero_()
        update(step)
        drawn = stack.parameters.flat
        variance = eta / step**gamma
        assert update.noise_std(step) == [pytest.approx(math.sqrt(variance))]
        spread = math.sqrt(2 / drawn.numel())
        assert float(drawn.square().mean()) == pytest.approx(variance, rel=5 * spread)
        assert abs(float(drawn.mean())) < 5 * math.sqrt(variance / drawn.numel())


def test_noise_is_added_after_clipping():
    quiet, _, _ = moved({"clip_norm": 1e-3, "noise": 1.0}, 1e-30)
    loud, _, _ = moved({"clip_norm": 1e-3, "noise": 1.0}, 1e10)
    for ours, theirs in zip(quiet, loud, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0.0, atol=2e-3)
    assert float(flat(loud).norm()) > 1.0


def noise_of(configs, run):
    """What one run of a stack is moved by without any gradient, in two updates."""
    stack = Stack(configs, 6, 4)
    stack.parameters.flat.zero_()
    update = Update(stack)
    for step in (1, 2):
        update(step)
    return parts(stack.parameters, run)


@pytest.mark.parametrize(
    "beside",
    [
        {"keys": {}},
        {"keys": {"noise": 2.0}},
        {"keys": {"noise": 1.0, "noise_decay": 0.0, "clip_norm": 0.1}},
        {"keys": {"noise": 1.0}, "activation": "prelu", "activation__per_unit": True},
    ],
    ids=str,
)
def test_a_run_draws_the_same_noise_beside_any_neighbour(beside):
    its = config({"noise": 1.0}, seed=3)
    alone = noise_of([its], 0)
    # Beside an activation that learns there is one more block.
    for ours, theirs in zip(noise_of([config(**beside), its], 1), alone, strict=False):
        assert torch.equal(ours, theirs)


def test_what_an_activation_learns_has_noise_where_it_is_learnt():
    keys = {"activation": "prelu", "optimizer__noise": 1.0}
    stack = Stack([config({}), networks.config(**keys)], 6, 4)
    slopes = stack.parameters.named["activation"]
    before = slopes.clone()
    Update(stack)(1)
    assert torch.equal(slopes[:, 0], before[:, 0])
    assert not (slopes[:, 1] == before[:, 1]).any()


def test_the_draws_are_those_of_the_runs_own_generator_and_alike_in_both_precisions():
    keys = {"lr": 1.0, "noise": 1.0, "noise_decay": 0.0}
    for dtype, tolerance in (("float64", 1e-12), ("float32", 1e-6)):
        drawn = -flat(noise_of([config(keys, seed=3, dtype=dtype)], 0)).double()
        draws = generator(3, GRADIENT_NOISE)
        expected = sum(torch.randn(len(drawn), generator=draws).double() for _ in range(2))
        torch.testing.assert_close(drawn, expected, rtol=tolerance, atol=tolerance)


def test_runs_of_other_seeds_have_other_noise():
    stack = Stack([config({"noise": 1.0}, seed=s) for s in (0, 1)], 6, 4)
    stack.parameters.flat.zero_()
    Update(stack)(1)
    first, second = (flat(parts(stack.parameters, run)) for run in (0, 1))
    assert abs(float(torch.corrcoef(torch.stack([first, second]))[0, 1])) < 0.3


def test_runs_of_plain_descent_are_updated_by_one_call_on_the_flat_tensors():
    """That there is no more keeps a step of one small network short."""
    stack = Stack([config({}, seed=s) for s in (0, 1)], 6, 4)
    update, calls = Update(stack), []

    class Recorded(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            calls.append((function, *args))
            return function(*args, **(kwargs or {}))

    with Recorded():
        update(1)
    ((function, param, gradient),) = calls
    assert function is torch.Tensor.add_
    assert param is stack.parameters.flat
    assert gradient is stack.gradients.flat
