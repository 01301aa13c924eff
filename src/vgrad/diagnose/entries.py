"""What the diagnosis knows of the entries of the registries, which it may not import: plain names.

Tests compare it with the registries.
"""

# The init of each activation whose literature asks for one that it is known by; `vgrad list` has
# them all, and `init=matched` stands for each.
MATCHED = {
    **dict.fromkeys(("relu", "relu6", "leaky_relu", "elu", "celu", "gelu", "swish"), "he_normal"),
    **dict.fromkeys(("hard_swish", "mish", "softplus", "squareplus", "crelu"), "he_normal"),
    **dict.fromkeys(("prelu", "rrelu"), "he_normal"),
    "selu": "lecun_normal",
}
ONE_SIGN = ("sigmoid", "hard_sigmoid", "softmax", "gaussian")  # h > 0, and no init that keeps δ
ZEROED = ("relu", "relu6", "crelu")  # φ′ is 0 for z < 0
# φ′ is under 5 % of its largest, or falls to that, for z < 0 alone.
ONE_SIDED = ("leaky_relu", "elu", "celu", "selu", "gelu", "swish", "hard_swish", "mish", "relu6")
SMOOTH = ("softplus", "squareplus")
# Closed or open and nothing between, which is for the rules on dead units; or never flat.
NOT_FLAT = ("relu", "crelu", "identity", "prelu", "rrelu", "maxout", "softmax")
# Weights of these are not scaled to the width.
UNSCALED_INITS = (
    "normal",
    "truncated_normal",
    "uniform",
    "constant",
    "identity",
    "sparse",
    "zeros",
)
NOTHING_TO_LEARN = ("white",)  # data whose labels are random
SQUASHED = ("mse_sigmoid", "mse_softmax")  # losses that squash the output and then square
