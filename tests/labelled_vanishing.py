"""The labelled configs whose gradient vanishes, or that share the ills of those."""

from __future__ import annotations

from labelled_case import SMALL, Case, case

GLOROT = "Glorot & Bengio 2010, PMLR 9:249"
MEAN_FIELD = "Schoenholz et al. 2017, arXiv:1611.01232"
POOLE = "Poole et al. 2016, arXiv:1606.05340"
HE = "He et al. 2015, arXiv:1502.01852"

# Biases of some 1e-2, learnt at the top, outgrow a signal of 1e-4 and less: all inputs become
# alike there, and with them half of the ReLUs are closed.
OUTGROWN = f"{SMALL} correlation_collapse"
CLOSING = f"{OUTGROWN} dead_units sign_locked_weights"
LIKE_SIGMOID = "vanishing_gradient correlation_collapse sign_locked_weights chance_plateau"

VANISHING: tuple[Case, ...] = (
    case(
        "sigmoid-xavier-8",
        "activation=sigmoid init=xavier_normal depth=8",
        f"φ′ ≤ 1/4, so δ keeps 24 % a layer: 4.4 decades over 7; c = 1 − 1e-8. {GLOROT}.",
        must=LIKE_SIGMOID,
        may=SMALL,
        verdict="vanishing",
    ),
    case(
        "sigmoid-xavier-10",
        "activation=sigmoid init=xavier_normal depth=10",
        f"φ′ ≤ 1/4: 5.7 decades over 9 layers; {GLOROT}.",
        must=LIKE_SIGMOID,
        may=SMALL,
        verdict="vanishing",
    ),
    case(
        "sigmoid-xavier-20",
        "activation=sigmoid init=xavier_normal depth=20",
        f"12 decades over 19 layers: updates of 1e-14 of a weight are lost; {GLOROT}.",
        must=f"{LIKE_SIGMOID} lost_updates",
        may="update_ratio",
        verdict="vanishing",
    ),
    case(
        "sigmoid-xavier-40",
        "activation=sigmoid init=xavier_normal depth=40",
        f"24 decades over 39 layers; {GLOROT}.",
        must=f"{LIKE_SIGMOID} lost_updates",
        may="update_ratio",
        verdict="vanishing",
    ),
    case(
        "sigmoid-he-8",
        "activation=sigmoid init=he_normal depth=8",
        "χ₁ = 2 E[φ′²] = 0.1: He is made for ReLU; 3.6 decades over 7 layers.",
        must=LIKE_SIGMOID,
        may=SMALL,
        verdict="vanishing",
    ),
    case(
        "sigmoid-2-10",
        "activation=sigmoid init=lecun_normal init.gain=2 depth=10",
        f"Ordered phase: χ₁ = 4 E[φ′²] = 0.16, 3.5 decades over 9 layers; {MEAN_FIELD}.",
        must=LIKE_SIGMOID,
        may=SMALL,
        verdict="vanishing",
    ),
    case(
        "sigmoid-layernorm-20",
        "activation=sigmoid init=xavier_normal depth=20 model.norm=layer",
        "Layer norm keeps what all inputs share: χ₁ = E[φ′²]/E[φ²] = 0.15 at q = 1.",
        must=f"{LIKE_SIGMOID} lost_updates",
        may="update_ratio",
        verdict="vanishing",
    ),
    case(
        "hard_sigmoid-10",
        "activation=hard_sigmoid init=xavier_normal depth=10",
        "φ′ ≤ 1/6: 7 decades over 9 layers.",
        must=f"{LIKE_SIGMOID} lost_updates",
        may="update_ratio",
        verdict="vanishing",
    ),
    case(
        "softplus-0.5-10",
        "activation=softplus init=lecun_normal init.gain=0.5 depth=10",
        "χ₁ = ¼ E[σ(z)²] < 0.1: 5.4 decades over 9 layers.",
        must=LIKE_SIGMOID,
        may=SMALL,
        verdict="vanishing",
    ),
    case(
        "relu-xavier-30",
        "activation=relu init=xavier_normal depth=30",
        f"χ₁ = ½: 0.15 decades a layer, forwards and backwards; {HE}.",
        must="vanishing_gradient signal_collapse chance_plateau",
        may=CLOSING,
        verdict="vanishing",
    ),
    case(
        "relu-xavier-40",
        "activation=relu init=xavier_normal depth=40",
        f"χ₁ = ½ over 39 layers: 5.9 decades, while weight gradients stay level; {HE}.",
        must="vanishing_gradient signal_collapse chance_plateau",
        may=CLOSING,
        verdict="vanishing",
    ),
    case(
        "relu-heuristic-20",
        "activation=relu init=heuristic_uniform depth=20",
        f"σ_w² = 1/3, so χ₁ = 1/6: 7.4 decades over 19 layers; {GLOROT}, eq. 1.",
        must="vanishing_gradient signal_collapse chance_plateau lost_updates",
        may=CLOSING,
        verdict="vanishing",
    ),
    case(
        "relu-torch-default-20",
        "activation=relu init=torch_default depth=20",
        "χ₁ = 1/6 as without biases; the biases keep the signal up and make all inputs alike.",
        must=f"{LIKE_SIGMOID} lost_updates",
        may="dead_units update_ratio",  # near half of a layer, by likeness alone
        verdict="vanishing",
    ),
    case(
        "relu-normal-0.01-5",
        "activation=relu init=normal depth=5",
        "σ = 0.01 at a fan-in of 64 is σ_w = 0.08: χ₁ = 0.0032, 5 decades over 4 layers.",
        must="vanishing_gradient signal_collapse chance_plateau",
        may=CLOSING,
        verdict="vanishing",
    ),
    case(
        "tanh-uniform-0.05-10",
        "activation=tanh init=uniform depth=10",
        "U(−0.05, 0.05) at a fan-in of 64 is σ_w = 0.23: 5.7 decades over 9 layers.",
        must="vanishing_gradient signal_collapse chance_plateau",
        may=OUTGROWN,
        verdict="vanishing",
    ),
    case(
        "tanh-0.5-20",
        "activation=tanh init=lecun_normal init.gain=0.5 depth=20",
        f"σ_w = ½ is in the ordered phase: χ₁ → ¼ and q → 0; {POOLE}.",
        must="vanishing_gradient signal_collapse chance_plateau",
        may=OUTGROWN,
        verdict="vanishing",
    ),
    case(
        "tanh-0.5-30",
        "activation=tanh init=lecun_normal init.gain=0.5 depth=30",
        f"σ_w = ½ is in the ordered phase: 8.8 decades over 29 layers; {POOLE}.",
        must="vanishing_gradient signal_collapse chance_plateau lost_updates",
        may="correlation_collapse update_ratio",
        verdict="vanishing",
    ),
    case(
        "tanh-0.6-bias-20",
        "activation=tanh init=lecun_normal init.gain=0.6 init.bias_std=0.5 depth=20",
        f"Ordered phase with biases: q stays and c → 1, as χ₁ = 0.25; {MEAN_FIELD}.",
        must="vanishing_gradient correlation_collapse chance_plateau",
        may=SMALL,
        verdict="vanishing",
    ),
    case(
        "tanh-1-bias-20",
        "activation=tanh init=lecun_normal init.gain=1 init.bias_std=1 depth=20",
        f"σ_w = σ_b = 1 is in the ordered phase: χ₁ = 0.4, c → 1; {MEAN_FIELD}.",
        must="vanishing_gradient correlation_collapse chance_plateau",
        may=SMALL,
        verdict="vanishing",
    ),
    case(
        "gelu-lecun-20",
        "activation=gelu init=lecun_normal depth=20",
        "χ₁ → φ′(0)² = ¼ as q → 0: 5.4 decades over 19 layers by quadrature.",
        must="vanishing_gradient signal_collapse chance_plateau",
        may=OUTGROWN,
        verdict="vanishing",
    ),
    case(
        "swish-lecun-20",
        "activation=swish init=lecun_normal depth=20",
        "χ₁ → φ′(0)² = ¼ as q → 0: 5.6 decades over 19 layers by quadrature.",
        must="vanishing_gradient signal_collapse chance_plateau",
        may=OUTGROWN,
        verdict="vanishing",
    ),
    case(
        "identity-0.7-30",
        "activation=identity init=orthogonal init.gain=0.7 depth=30",
        "0.7²⁹: 4.5 decades, exactly, forwards and backwards.",
        must="vanishing_gradient signal_collapse chance_plateau",
        may=OUTGROWN,
        verdict="vanishing",
    ),
    case(
        "identity-0.77-30",
        "activation=identity init=orthogonal init.gain=0.77 depth=30",
        "0.77²⁹: 3.3 decades, exactly, forwards and backwards: near the border.",
        must="vanishing_gradient signal_collapse",
        may=f"{OUTGROWN} chance_plateau",
        verdict="vanishing",
    ),
    case(
        "relu-xavier-25",
        "activation=relu init=xavier_normal depth=25",
        f"χ₁ = ½ over 24 layers: 3.6 decades, near the border; {HE}.",
        must="vanishing_gradient signal_collapse",
        may=f"{CLOSING} chance_plateau",
        verdict="vanishing",
    ),
    case(
        "sigmoid-xavier-7",
        "activation=sigmoid init=xavier_normal depth=7",
        f"φ′ ≤ 1/4: 3.8 decades over 6 layers, near the border; {GLOROT}.",
        must=LIKE_SIGMOID,
        may=SMALL,
        verdict="vanishing",
    ),
    case(
        "sigmoid-xavier-3",
        "activation=sigmoid init=xavier_normal depth=3 optimizer.lr=0.5",
        "1.3 decades are healthy, but h ≥ 0 and c = 0.9995: all weights of a unit move alike.",
        may="correlation_collapse sign_locked_weights chance_plateau",
    ),
    case(
        "softplus-1-5",
        "activation=softplus init=lecun_normal depth=5 optimizer.lr=0.05",
        "1.1 decades are healthy; h > 0 with c = 0.998 locks the signs: LeCun et al. 1998, 4.3.",
        may="sign_locked_weights correlation_collapse chance_plateau",
    ),
    case(
        "softplus-1-8",
        "activation=softplus init=lecun_normal depth=8 optimizer.lr=0.05",
        "h > 0 with c = 0.99994: all weights of a unit move alike; LeCun et al. 1998, 4.3.",
        must="sign_locked_weights correlation_collapse",
        may="chance_plateau",
    ),
)
