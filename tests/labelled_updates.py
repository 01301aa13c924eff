"""The labelled configs whose updates are too small, too large, or slow to begin."""

from __future__ import annotations

from labelled_case import SMALL, Case, case

ADAM = "Kingma & Ba 2015, arXiv:1412.6980, section 2.1"

# Numbers that overflow may do so in any way.
OVERFLOW = (
    "exploding_gradient vanishing_gradient signal_blowup signal_collapse saturation dead_units "
    "dead_layer sign_locked_weights correlation_collapse update_ratio lost_updates chance_plateau"
)
# Weights that are rewritten by each update may come to be anything.
REWRITTEN = f"{OVERFLOW} divergence"
ANY = "healthy vanishing exploding diverged unsure"

STILL = "chance_plateau"  # what does not move stays where it began, at chance or by luck above
UPDATES: tuple[Case, ...] = (
    case(
        "relu-lr-1e-9",
        "activation=relu init=he_normal depth=5 optimizer.lr=1e-9",
        "An update of at most 1e-9 of a weight is below half of its last digit, 6e-8.",
        must="lost_updates update_ratio",
        may=STILL,
    ),
    case(
        "tanh-lr-1e-10",
        "activation=tanh init=xavier_normal depth=3 optimizer.lr=1e-10",
        "An update of at most 1e-10 of a weight is below half of its last digit, 6e-8.",
        must="lost_updates update_ratio",
        may=STILL,
    ),
    case(
        "selu-lr-1e-10",
        "activation=selu init=lecun_normal depth=10 optimizer.lr=1e-10",
        "An update of at most 1e-9 of a weight is below half of its last digit, 6e-8.",
        must="lost_updates update_ratio",
        may=STILL,
    ),
    case(
        "relu-adam-1e-12",
        "activation=relu init=he_normal depth=3 optimizer=adam optimizer.lr=1e-12",
        f"Adam moves each weight by 1e-12 of some 0.18: 6e-12 of it, and it is lost; {ADAM}.",
        must="lost_updates update_ratio",
        may=STILL,
    ),
    case(
        "relu-adam-1e-12-float64",
        "activation=relu init=he_normal depth=3 optimizer=adam optimizer.lr=1e-12 dtype=float64",
        "The same in float64 is far above the last digit, 1e-16: small, but not lost.",
        must="update_ratio",
        may=STILL,
    ),
    case(
        "relu-decay-3",
        "activation=relu init=he_normal depth=3 optimizer.lr=0.01 optimizer.weight_decay=150",
        "lr · weight_decay = 1.5: each update is 1.5 times the weights, beside their gradient's.",
        must="update_ratio",
        may=REWRITTEN,
        verdict=ANY,
    ),
    case(
        "tanh-decay-5",
        "activation=tanh init=xavier_normal depth=5 optimizer.lr=0.01 optimizer.weight_decay=180",
        "lr · weight_decay = 1.8: each update is 1.8 times the weights, beside their gradient's.",
        must="update_ratio",
        may=REWRITTEN,
        verdict=ANY,
    ),
    case(
        "selu-decay-2",
        "activation=selu init=lecun_normal depth=2 optimizer.lr=0.02 optimizer.weight_decay=80",
        "lr · weight_decay = 1.6: each update is 1.6 times the weights, beside their gradient's.",
        must="update_ratio",
        may=REWRITTEN,
        verdict=ANY,
    ),
)

DIVERGED: tuple[Case, ...] = (
    case(
        "identity-mse-lr-10-3",
        "activation=identity init=lecun_normal depth=3 loss=mse optimizer.lr=10",
        "Far above 2/λ of a product of four matrices, the error grows by its own power.",
        must="divergence",
        may=OVERFLOW,
        verdict="diverged",
    ),
    case(
        "identity-mse-lr-10-1",
        "activation=identity init=lecun_normal depth=1 loss=mse optimizer.lr=10",
        "λ of the inputs' covariance is near 8: a step of 10 is far above 2/λ.",
        must="divergence",
        may=OVERFLOW,
        verdict="diverged",
    ),
    case(
        "leaky-mse-lr-100-2",
        "activation=leaky_relu init=he_normal depth=2 loss=mse optimizer.lr=100",
        "Far above 2/λ, and a leaky ReLU never closes: the error grows by its own power.",
        must="divergence",
        may=OVERFLOW,
        verdict="diverged",
    ),
    case(
        "identity-20-40",
        "activation=identity init=lecun_normal init.gain=20 depth=40",
        "20⁴⁰ = 1e52 is beyond float32, 3e38: the first forward pass overflows.",
        must="divergence",
        may=OVERFLOW,
        verdict="diverged",
    ),
    case(
        "relu-25-40",
        "activation=relu init=lecun_normal init.gain=25 depth=40",
        "(25/√2)⁴⁰ = 1e50 is beyond float32, 3e38: the first forward pass overflows.",
        must="divergence",
        may=OVERFLOW,
        verdict="diverged",
    ),
)

# Weights of a tenth, biases of 6: z = 6 in every output, whatever the input.
BIASED = "init=lecun_normal init.gain=0.1 init.bias=6 steps=300"
SLOW: tuple[Case, ...] = (
    case(
        "neuron-mse_sigmoid",
        "data=single batch_size=1 depth=0 loss=mse_sigmoid init=constant init.value=3 "
        "init.bias=3 activation=sigmoid steps=300 optimizer.lr=1",
        "σ′(6) is 1 % of σ′(0): e⁶/4 = 100 updates pass before it moves; Nielsen 2015, chapter 3.",
        must="slow_start",
        may="update_ratio",  # then it falls at once, by much of its weights
    ),
    case(
        "outputs-mse_sigmoid-0",
        "activation=identity init=lecun_normal init.bias=6 depth=0 loss=mse_sigmoid steps=300 "
        "optimizer.lr=1",
        "All outputs start from z = 6 ± 1, where σ′ is 1 to 2 % of its most: nine in ten wrong.",
        must="slow_start",
        may="chance_plateau",
    ),
    case(
        "outputs-mse_sigmoid-1",
        f"activation=identity {BIASED} depth=1 loss=mse_sigmoid optimizer.lr=0.01",
        "All outputs start from z = 6 ± 0.6, where σ′ is 1 % of its most: nine in ten wrong.",
        must="slow_start correlation_collapse",
        may=f"chance_plateau sign_locked_weights {SMALL}",
    ),
    case(
        "outputs-mse_sigmoid-2",
        f"activation=relu {BIASED} depth=2 loss=mse_sigmoid optimizer.lr=0.01",
        "All outputs start from z = 6 ± 0.6, where σ′ is 1 % of its most: nine in ten wrong.",
        must="slow_start correlation_collapse sign_locked_weights",
        may=f"chance_plateau {SMALL}",  # δ of an output is 1e-3 at most
    ),
    case(
        "outputs-bce-1",
        f"activation=identity {BIASED} depth=1 loss=bce optimizer.lr=0.001",
        "The same outputs under bce, whose gradient has no factor σ′: no slow start.",
        must="correlation_collapse",
        may="chance_plateau sign_locked_weights",
    ),
)
