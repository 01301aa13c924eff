"""The labelled configs with which nothing is wrong, many of them near a border."""

from __future__ import annotations

from labelled_case import Case, case

MEAN_FIELD = "Schoenholz et al. 2017, arXiv:1611.01232"
HE = "He et al. 2015, arXiv:1502.01852"
HANIN = "Hanin & Nica 2018, arXiv:1812.05994"
SCHOENHOLZ_RELU = "Hayou et al. 2019, arXiv:1902.06853"

LOCKED = "sign_locked_weights"  # deep ReLU networks: their h ≥ 0 become alike, c → 1 slowly

WELL: tuple[Case, ...] = (
    # Rectifiers with the initialisation that is made for them.
    case(
        "relu-he-1",
        "activation=relu init=he_normal depth=1 optimizer.lr=0.1",
        "One hidden layer has no depth to cross.",
    ),
    case(
        "relu-he-3",
        "activation=relu init=he_normal depth=3 optimizer.lr=0.1",
        f"χ₁ = ½ · 2 = 1: {HE}.",
    ),
    case(
        "relu-he-10",
        "activation=relu init=he_normal depth=10 optimizer.lr=0.05",
        f"χ₁ = ½ · 2 = 1: {HE}.",
    ),
    case(
        "relu-he-20",
        "activation=relu init=he_normal depth=20 optimizer=adam optimizer.lr=0.001",
        f"χ₁ = 1: {HE}; c = 0.95, and 29 % of the units are closed for a batch by likeness alone.",
        may=LOCKED,
    ),
    case(
        "relu-he-30",
        "activation=relu init=he_normal depth=30 optimizer=adam optimizer.lr=0.001",
        f"χ₁ = 1, and chance moves the gradient by 0.3 decades at most: {HE}; {HANIN}.",
        may=LOCKED,
    ),
    case(
        "relu-he-40",
        "activation=relu init=he_normal depth=40 optimizer=adam optimizer.lr=0.001",
        f"χ₁ = 1, c = 0.98 < 0.99: 1 − c falls as 1/l² alone ({SCHOENHOLZ_RELU}).",
        may=LOCKED,
    ),
    case(
        "relu-xavier-5",
        "activation=relu init=xavier_normal depth=5 optimizer.lr=0.2",
        "χ₁ = ½ over 4 layers: 0.6 decades, of 2 that are healthy.",
    ),
    case(
        "relu-orthogonal-10",
        "activation=relu init=orthogonal init.gain=1.4142 depth=10 optimizer.lr=0.05",
        f"χ₁ = ½ · 2 = 1, as with {HE}.",
    ),
    case(
        "relu-bias-5",
        "activation=relu init=he_normal init.bias=0.1 depth=5 optimizer.lr=0.05",
        "χ₁ = 2 P(z > 0), a little over 1: biases of 0.1 are small against z.",
    ),
    case(
        "relu-adam-5",
        "activation=relu init=he_normal depth=5 optimizer=adam optimizer.lr=0.001",
        "Adam moves each weight by 0.001 of some 0.18 at first: a ratio of 0.006, near 1e-3.",
    ),
    case(
        "relu-float64-5",
        "activation=relu init=he_normal depth=5 optimizer.lr=0.05 dtype=float64",
        f"χ₁ = 1: {HE}, in any float format.",
    ),
    case(
        "leaky-he-30",
        "activation=leaky_relu init=he_normal depth=30 optimizer=adam optimizer.lr=0.001",
        f"χ₁ = (1 + 0.01²)/2 · 2 = 1: {HE}.",
    ),
    # Symmetric, bounded activations at or near the edge of chaos.
    case(
        "tanh-xavier-5",
        "activation=tanh init=xavier_normal depth=5 optimizer.lr=0.1",
        f"χ₁ → 1 from below as q → 0: {MEAN_FIELD}; 0.4 decades.",
    ),
    case(
        "tanh-xavier-10",
        "activation=tanh init=xavier_normal depth=10 optimizer.lr=0.1",
        f"χ₁ → 1 from below as q → 0: {MEAN_FIELD}; 0.6 decades.",
    ),
    case(
        "tanh-xavier-30",
        "activation=tanh init=xavier_normal depth=30 optimizer.lr=0.1",
        f"σ_w = 1, σ_b = 0 is critical, and decays as a power of depth: {MEAN_FIELD}; 0.8 decades.",
    ),
    case(
        "tanh-1.1-30",
        "activation=tanh init=lecun_normal init.gain=1.1 depth=30 optimizer.lr=0.05",
        f"χ₁ falls towards 1 from both sides: {MEAN_FIELD}; 0.4 decades.",
    ),
    case(
        "tanh-5/3-10",
        "activation=tanh init=lecun_normal init.gain=1.6667 depth=10 optimizer.lr=0.05",
        "The gain 5/3 of the handbook: χ₁ = 1.2 by quadrature, 0.3 decades over 9 layers.",
    ),
    case(
        "tanh-5/3-30",
        "activation=tanh init=lecun_normal init.gain=1.6667 depth=30 optimizer.lr=0.005",
        "The chaotic side: χ₁ = 1.2 by quadrature, 1.1 decades of 2 that are healthy.",
    ),
    case(
        "tanh-orthogonal-20",
        "activation=tanh init=orthogonal depth=20 optimizer.lr=0.05",
        f"χ₁ as for σ_w = 1: {MEAN_FIELD}; Pennington et al. 2017, arXiv:1711.04735.",
    ),
    case(
        "hard_tanh-20",
        "activation=hard_tanh init=lecun_normal depth=20 optimizer.lr=0.05",
        "χ₁ = P(│z│ < 1) → 1 as q → 0: 0.3 decades by quadrature.",
    ),
    case(
        "sine-20",
        "activation=sine init=lecun_normal depth=20 optimizer.lr=0.05",
        "χ₁ = E[cos² z] → 1 as q → 0: 0.6 decades by quadrature.",
    ),
    case(
        "scaled_tanh-30",
        "activation=scaled_tanh init=lecun_normal depth=30 optimizer.lr=0.02",
        "Slope 1.14 at 0 and φ(±1) = ±1 keep q: LeCun et al. 1998; 0.1 decades by quadrature.",
    ),
    case(
        "softsign-10",
        "activation=softsign init=xavier_normal depth=10 optimizer.lr=0.2",
        "χ₁ = E[(1 + │z│)⁻⁴] < 1: 1.1 decades of 2 that are healthy, by quadrature.",
        may="chance_plateau",  # some 1/10 of tanh's pace: what it learns in the time is open
    ),
    case(
        "softsign-2-10",
        "activation=softsign init=lecun_normal init.gain=2 depth=10 optimizer.lr=0.05",
        "χ₁ = 4 E[(1 + │z│)⁻⁴] near 1: 0.04 decades by quadrature.",
    ),
    # Smooth relatives of ReLU.
    case(
        "selu-lecun-20",
        "activation=selu init=lecun_normal depth=20 optimizer.lr=0.02",
        "q = 1 is a fixed point with χ₁ = 1.07: Klambauer et al. 2017, arXiv:1706.02515.",
    ),
    case(
        "selu-lecun-40",
        "activation=selu init=lecun_normal depth=40 optimizer.lr=0.01",
        "χ₁ = 1.07 over 39 layers: 0.6 decades; Klambauer et al. 2017, arXiv:1706.02515.",
    ),
    case(
        "elu-he-20",
        "activation=elu init=he_normal depth=20 optimizer.lr=0.02",
        "χ₁ a little over 1: 0.6 decades over 19 layers by quadrature.",
    ),
    case(
        "elu-lecun-10",
        "activation=elu init=lecun_normal depth=10 optimizer.lr=0.1",
        "χ₁ a little under 1: 0.5 decades over 9 layers by quadrature.",
    ),
    case(
        "elu-1.25-40",
        "activation=elu init=lecun_normal init.gain=1.25 depth=40 optimizer.lr=0.01",
        "χ₁ = 1 within 2 %: 0.2 decades over 39 layers by quadrature.",
    ),
    case(
        "gelu-1.5-10",
        "activation=gelu init=lecun_normal init.gain=1.5 depth=10 optimizer.lr=0.05",
        "χ₁ near 1: 0.2 decades over 9 layers by quadrature.",
    ),
    case(
        "swish-he-10",
        "activation=swish init=he_normal depth=10 optimizer.lr=0.05",
        "χ₁ a little under 1: 0.7 decades over 9 layers by quadrature.",
    ),
    # Deep linear networks, where all is arithmetic.
    case(
        "identity-orthogonal-40",
        "activation=identity init=orthogonal depth=40 optimizer.lr=0.005",
        "Orthogonal matrices keep every length: Saxe et al. 2014, arXiv:1312.6120.",
    ),
    case(
        "identity-lecun-20",
        "activation=identity init=lecun_normal depth=20 optimizer.lr=0.01",
        "χ₁ = σ_w² = 1.",
    ),
    case(
        "identity-0.92-20",
        "activation=identity init=orthogonal init.gain=0.92 depth=20 optimizer.lr=0.05",
        "0.92¹⁹: 0.7 decades of 2 that are healthy, exactly.",
    ),
    case(
        "identity-1.1-30",
        "activation=identity init=orthogonal init.gain=1.1 depth=30 optimizer.lr=0.0005",
        "1.1²⁹: 1.2 decades of 2 that are healthy, exactly.",
    ),
    # Deep networks that a remedy keeps well.
    case(
        "relu-xavier-layernorm-30",
        "activation=relu init=xavier_normal depth=30 model.norm=layer optimizer=adam "
        "optimizer.lr=0.001",
        "The norm undoes the gain: χ₁ = E[φ′²]/E[φ²] = 1; Ba et al. 2016, arXiv:1607.06450.",
        may=LOCKED,
    ),
    case(
        "tanh-layernorm-30",
        "activation=tanh init=lecun_normal depth=30 model.norm=layer optimizer.lr=0.02",
        "χ₁ = E[φ′²]/E[φ²] = 1.18 at q = 1: 1 decade over 29 layers less what the norm removes.",
    ),
    case(
        "sigmoid-batchnorm-20",
        "activation=sigmoid init=xavier_normal depth=20 model.norm=batch optimizer.lr=0.1",
        "Batch norm takes away what all inputs share: χ₁ = E[φ′²]/Var φ = 1.05; Yang et al. 2019, "
        "arXiv:1902.08129.",
        may=f"{LOCKED} chance_plateau",  # c = 0.85 with h > 0; a deep sigmoid net starts slowly
    ),
    case(
        "relu-scaled-residual-10",
        "activation=relu init=he_normal depth=10 model.residual=scaled optimizer.lr=0.01",
        "(1 + 1/L)ᴸ < e: 0.2 decades; Hayou et al. 2021, arXiv:2010.12859.",
        may=LOCKED,
    ),
    case(
        "relu-residual-8",
        "activation=relu init=he_normal depth=8 model.residual=identity optimizer.lr=0.005",
        "1 + χ = 2 a layer: 1.1 decades of 2 that are healthy; Yang & Schoenholz 2017, "
        "arXiv:1712.08969.",
        may=LOCKED,
    ),
    # The same networks trained in other ways: χ₁ = 1 at the start, and nothing that breaks it.
    case(
        "relu-momentum-5",
        "activation=relu init=he_normal depth=5 optimizer=momentum optimizer.lr=0.01",
        "Momentum 0.9 at 0.01 is SGD at 0.1 in the long run, and χ₁ = 1.",
    ),
    case(
        "relu-cosine-5",
        "activation=relu init=he_normal depth=5 optimizer.lr=0.1 optimizer.schedule=cosine",
        "A schedule that ends at 0 is meant to make the last updates small.",
    ),
    case(
        "relu-clip-10",
        "activation=relu init=he_normal depth=10 optimizer.lr=0.05 optimizer.clip_norm=1",
        "Clipping makes no layer's gradient small against another's.",
    ),
    case(
        "relu-decay-well-5",
        "activation=relu init=he_normal depth=5 optimizer.lr=0.05 optimizer.weight_decay=0.001",
        "lr · weight_decay = 5e-5 takes half a percent off the weights in the whole run.",
    ),
    case(
        "relu-dropout-5",
        "activation=relu init=he_normal depth=5 optimizer.lr=0.05 model.dropout=0.2",
        "Dropout keeps E[h]; E[h²] and E[δ²] grow by 1/0.8 a layer: 0.2 decades over 4 layers.",
    ),
    case(
        "relu-aux-10",
        "activation=relu init=he_normal depth=10 optimizer.lr=0.05 model.aux_heads=2",
        "Auxiliary heads add to δ on the way back, 0.3 of a loss each: a matter of 1, not of 100.",
    ),
    case(
        "relu-mse-5",
        "activation=relu init=he_normal depth=5 loss=mse optimizer.lr=0.1",
        "χ₁ = 1 whatever the loss; outputs are linear, so nothing is saturated.",
        may="chance_plateau",
    ),
    case(
        "tanh-smoothing-5",
        "activation=tanh init=xavier_normal depth=5 loss.label_smoothing=0.1 optimizer.lr=0.1",
        "Smoothed labels keep the loss up at its floor of 0.5, which is no plateau of chance.",
    ),
    case(
        "relu-unit-5",
        "activation=relu init=he_normal depth=5 data.scale=unit optimizer.lr=0.1",
        "Inputs from 0 to 1 are alike, c = 0.69, and far from 1 after five layers.",
        may="sign_locked_weights",
    ),
    case(
        "relu-learnt-2",
        "activation=relu init=he_normal depth=2 optimizer=adam optimizer.lr=0.003 steps=600",
        "A loss that has been learnt away leaves no gradient and small updates: that is success.",
    ),
    case(
        "tanh-sparse-5",
        "activation=tanh init=sparse init.sparsity=0.5 init.std=0.1768 depth=5 optimizer.lr=0.1",
        "32 of 64 weights with variance 1/32: σ_w = 1 as with xavier_normal.",
    ),
    case(
        "relu-lsuv-10",
        "activation=relu init=lsuv depth=10 optimizer.lr=0.05",
        "Var z = 1 in each layer by construction: E[h²] = ½, so σ_w² = 2; arXiv:1511.06422.",
    ),
    case(
        "mish-he-5",
        "activation=mish init=he_normal depth=5 optimizer.lr=0.05",
        "χ₁ near 1 by quadrature, as for swish.",
    ),
    case(
        "identity-0.87-30",
        "activation=identity init=orthogonal init.gain=0.87 depth=30 optimizer.lr=0.1",
        "0.87²⁹: 1.75 decades of 2 that are healthy, exactly.",
        may="chance_plateau signal_collapse correlation_collapse",
    ),
    case(
        "identity-1.16-28",
        "activation=identity init=orthogonal init.gain=1.16 depth=28 optimizer.lr=0.0001",
        "1.16²⁷: 1.74 decades of 2 that are healthy, exactly.",
        may="signal_blowup",
    ),
    case(
        "tanh-3-10",
        "activation=tanh init=lecun_normal init.gain=3 depth=10 optimizer.lr=0.005",
        "Chaotic phase, but shallow: 1.2 decades of 2 that are healthy, and 40 % saturated.",
        may="chance_plateau",
    ),
    # What looks like an ill, and is none.
    case(
        "tanh-mse_sigmoid-2",
        "activation=tanh init=xavier_normal depth=2 loss=mse_sigmoid optimizer.lr=2",
        "Outputs start from z near 0, where σ is steepest: nothing is saturated.",
        may="chance_plateau",  # mse over ten outputs, of which nine want 0, says little at first
    ),
    case(
        "neuron-bce",
        "data=single batch_size=1 depth=0 loss=bce init=constant init.value=3 init.bias=3 "
        "activation=sigmoid steps=300 optimizer.lr=0.15",
        "The saturated neuron of Nielsen 2015, chapter 3: bce has no factor σ′, and learns.",
    ),
    case(
        "relu-identity-init-3",
        "activation=relu init=identity depth=3 optimizer.lr=0.1",
        "W = I: equal diagonals, but no two units of a layer get the same input.",
    ),
)
