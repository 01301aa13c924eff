"""The labelled configs that start ill in other ways: exploding, saturated, closed, symmetric."""

from __future__ import annotations

from labelled_case import SMALL, Case, case

POOLE = "Poole et al. 2016, arXiv:1606.05340"
DEAD = "Lu et al. 2020, arXiv:1903.06733"
SYMMETRY = "Rumelhart, Hinton & Williams 1986, doi:10.1038/323533a0"

# Nothing passes a closed layer: what is said of its activations and updates is open.
SHUT = (
    "dead_units saturation signal_collapse correlation_collapse sign_locked_weights "
    "lost_updates update_ratio"
)

# Learning rates at which an update stays far below the weights, as gradients are 1e3 to 1e5.
EXPLODING: tuple[Case, ...] = (
    case(
        "identity-1.5-30",
        "activation=identity init=lecun_normal init.gain=1.5 depth=30 optimizer.lr=1e-9",
        "χ₁ = σ_w² = 2.25: 5.1 decades over 29 layers, forwards and backwards.",
        must="exploding_gradient signal_blowup",
        may="chance_plateau",
        verdict="exploding",
    ),
    case(
        "identity-orthogonal-1.5-20",
        "activation=identity init=orthogonal init.gain=1.5 depth=20 optimizer.lr=1e-6",
        "1.5¹⁹: 3.3 decades, exactly, forwards and backwards.",
        must="exploding_gradient signal_blowup",
        may="chance_plateau",
        verdict="exploding",
    ),
    case(
        "relu-2.2-30",
        "activation=relu init=lecun_normal init.gain=2.2 depth=30 optimizer.lr=1e-9",
        "χ₁ = 2.2²/2 = 2.4: 5.6 decades over 29 layers, forwards and backwards.",
        must="exploding_gradient signal_blowup",
        may="sign_locked_weights chance_plateau",
        verdict="exploding",
    ),
    case(
        "leaky-2.5-20",
        "activation=leaky_relu init=lecun_normal init.gain=2.5 depth=20 optimizer.lr=1e-8",
        "χ₁ = 2.5²/2 = 3.1: 4.7 decades over 19 layers, forwards and backwards.",
        must="exploding_gradient signal_blowup",
        may="chance_plateau",
        verdict="exploding",
    ),
    case(
        "relu-residual-30",
        "activation=relu init=he_normal depth=30 model.residual=identity optimizer.lr=1e-7",
        "1 + χ = 2 a layer, 4.4 decades (Yang & Schoenholz 2017, arXiv:1712.08969), and more along "
        "the mean that ReLUs add up to, which makes all inputs alike: c = 0.99998.",
        must="exploding_gradient signal_blowup correlation_collapse",
        may="sign_locked_weights dead_units chance_plateau",
        verdict="exploding",
    ),
    case(
        "relu-batchnorm-60",
        "activation=relu init=he_normal depth=60 model.norm=batch optimizer.lr=1e-5",
        "χ₁ = π/(π − 1) = 1.47 under batch norm: 4.9 decades over 59 layers; Yang et al. 2019, "
        "arXiv:1902.08129.",
        must="exploding_gradient",
        may=f"chance_plateau {SMALL}",
        verdict="exploding",
    ),
    case(
        "tanh-4-30",
        "activation=tanh init=lecun_normal init.gain=4 depth=30 optimizer.lr=1e-6",
        f"Chaotic phase: χ₁ = 2.5 by quadrature, 5.7 decades over 29 layers; {POOLE}.",
        must="exploding_gradient",
        may=f"saturation correlation_collapse chance_plateau {SMALL}",
        verdict="exploding",
    ),
    case(
        "tanh-10-unit-20",
        "activation=tanh init=lecun_normal init.gain=10 depth=20 data.scale=unit optimizer.lr=1e-8",
        f"Chaotic phase: 7 decades, 81 % saturated, and c goes from 0.6 to 0: {POOLE}.",
        must="exploding_gradient saturation correlation_collapse",
        may="chance_plateau update_ratio lost_updates",
        verdict="exploding",
    ),
)

SATURATED: tuple[Case, ...] = (
    case(
        "tanh-30-2",
        "activation=tanh init=lecun_normal init.gain=30 depth=2",
        "z has a deviation of 30, and φ′ is under 5 % from │z│ = 2.2 on: P = 0.94.",
        must="saturation",
        may="chance_plateau",
    ),
    case(
        "sigmoid-50-2",
        "activation=sigmoid init=lecun_normal init.gain=50 depth=2",
        "z has a deviation of 35 to 50, and φ′ is under 5 % from │z│ = 4.4 on: P = 0.92.",
        must="saturation",
        may="chance_plateau dead_units",  # from z = 17 on φ′ is 0 in float32
    ),
    case(
        "hard_tanh-20-3",
        "activation=hard_tanh init=lecun_normal init.gain=20 depth=3",
        "z has a deviation of 20, and φ′ = 0 from │z│ = 1 on: P = 0.96.",
        must="saturation",
        may="chance_plateau",
    ),
    case(
        "softsign-40-2",
        "activation=softsign init=lecun_normal init.gain=40 depth=2",
        "z has a deviation of 35 to 40, and φ′ is under 5 % from │z│ = 3.5 on: P = 0.92.",
        must="saturation",
        may="chance_plateau",
    ),
    case(
        "tanh-bias-5-2",
        "activation=tanh init=lecun_normal init.bias=5 depth=2",
        "z ~ N(5, 1), and φ′ is under 5 % from │z│ = 2.2 on: P = 0.997, and h is 1 for all.",
        must="saturation correlation_collapse",
        may=f"sign_locked_weights chance_plateau vanishing_gradient {SMALL}",
        verdict="healthy vanishing unsure",
    ),
)

CLOSED: tuple[Case, ...] = (
    case(
        "relu-bias-scatter-5-4",
        "activation=relu init=he_normal init.bias=-5 init.bias_std=5 depth=4",
        "Biases of N(−5, 5²) close four units in five against signals of 1.4 and less.",
        must="dead_units",
        may="sign_locked_weights correlation_collapse saturation chance_plateau",
    ),
    case(
        "relu-bias-scatter-8-3",
        "activation=relu init=he_normal init.bias=-8 init.bias_std=8 depth=3",
        "Biases of N(−8, 8²) close four units in five against signals of 1.4 and less.",
        must="dead_units",
        may="sign_locked_weights correlation_collapse saturation chance_plateau",
    ),
    case(
        "relu-bias-scatter-3-2",
        "activation=relu init=he_normal init.bias=-4 init.bias_std=2 depth=2",
        "Biases of N(−4, 2²) leave the units open whose bias is above −3 or so.",
        must="dead_units",
        may="sign_locked_weights correlation_collapse saturation chance_plateau signal_collapse",
    ),
    case(
        "relu-bias-10-5",
        "activation=relu init=he_normal init.bias=-10 depth=5",
        f"z ~ N(−10, 2): no example opens any unit, and no gradient passes; {DEAD}.",
        must="dead_layer vanishing_gradient chance_plateau",
        may=SHUT,
        verdict="vanishing",
    ),
    case(
        "relu-bias-20-10",
        "activation=relu init=xavier_normal init.bias=-20 depth=10",
        f"z ~ N(−20, 1): no example opens any unit; {DEAD}.",
        must="dead_layer vanishing_gradient chance_plateau",
        may=SHUT,
        verdict="vanishing",
    ),
    case(
        "hard_tanh-bias-10-3",
        "activation=hard_tanh init=lecun_normal init.bias=10 depth=3",
        "z ~ N(10, 1) is beyond 1, where φ′ = 0, for every example.",
        must="dead_layer vanishing_gradient chance_plateau",
        may=SHUT,
        verdict="vanishing",
    ),
    case(
        "relu6-bias-30-2",
        "activation=relu6 init=lecun_normal init.gain=0.5 init.bias=30 depth=2",
        "z ~ N(30, s²) with s ≤ 3 is beyond 6, where φ′ = 0, for every example.",
        must="dead_layer vanishing_gradient chance_plateau",
        may=SHUT,
        verdict="vanishing",
    ),
)

# Equal weights: whether a gradient passes hangs on how δ of the outputs adds up.
ALIKE = f"{SHUT} vanishing_gradient chance_plateau"
ANY = "healthy vanishing exploding unsure"
SYMMETRIC: tuple[Case, ...] = (
    case(
        "tanh-zeros-3",
        "activation=tanh init=zeros depth=3",
        f"W = 0: no δ passes the output, and no unit differs from its neighbours; {SYMMETRY}.",
        must="symmetric_units vanishing_gradient chance_plateau",
        may=SHUT,
        verdict="vanishing",
    ),
    case(
        "relu-zeros-3",
        "activation=relu init=zeros depth=3",
        "W = 0: z = 0, where φ′ = 0; no unit is open, and none differs from its neighbours.",
        must="symmetric_units dead_layer vanishing_gradient chance_plateau",
        may=SHUT,
        verdict="vanishing",
    ),
    case(
        "sigmoid-zeros-2",
        "activation=sigmoid init=zeros depth=2",
        f"W = 0, h = ½: all of a unit's weights get the same gradient; {SYMMETRY}.",
        must="symmetric_units vanishing_gradient chance_plateau",
        may=SHUT,
        verdict="vanishing",
    ),
    case(
        "tanh-std-0-2",
        "activation=tanh init=normal init.std=0 depth=2",
        "A standard deviation of 0 is W = 0 by another name.",
        must="symmetric_units vanishing_gradient chance_plateau",
        may=SHUT,
        verdict="vanishing",
    ),
    case(
        "relu-constant-3",
        "activation=relu init=constant init.value=0.015625 depth=3 loss=mse",
        f"Each layer passes the mean of the last to all of its units; {SYMMETRY}.",
        must="symmetric_units",
        may=f"{ALIKE} dead_layer",
        verdict=ANY,
    ),
    case(
        "sigmoid-constant-3",
        "activation=sigmoid init=constant init.value=0.1 depth=3 loss=mse",
        f"Equal weights stay equal; {SYMMETRY}.",
        must="symmetric_units",
        may=ALIKE,
        verdict=ANY,
    ),
    case(
        "tanh-constant-2",
        "activation=tanh init=constant init.value=0.02 depth=2",
        f"Equal weights stay equal, whatever the loss; {SYMMETRY}.",
        must="symmetric_units",
        may=ALIKE,
        verdict=ANY,
    ),
)
