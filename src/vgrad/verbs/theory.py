"""`vgrad theory`: what mean-field theory says of a config, without training."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from vgrad.interrupt import undisturbed
from vgrad.options import Parser
from vgrad.phrases import number
from vgrad.verbs.printing import console, show, stdout_kept

if TYPE_CHECKING:
    from rich.table import Table

    from vgrad.config import RunConfig
    from vgrad.meanfield import FixedPoint
    from vgrad.meanfield.edge import Edge
    from vgrad.theory import Prediction

COLUMNS = {  # heading → field of a layer
    "layer": "layer",
    "in": "fan_in",
    "out": "fan_out",
    "σ_w²": "sigma_w2",
    "E[z²]": "preact_ms",
    "mean h": "act_mean",
    "var h": "act_var",
    "χ₁": "chi1",
    "cosine": "correlation",
    "δ": "delta_rms",
    "‖∂L/∂W‖": "weight_grad_norm",
}
MOST_ROWS = 24  # the middle of a deeper network is left out
ROUNDING = 1e-7  # relative: a σ_b that is the mean of the biases alone
NEAR = 0.005  # relative: σ_w so near the critical one counts as critical


def main(words: list[str]) -> None:
    """Carry out `vgrad theory [OVERRIDE …]`.

    Raises:
        VgradError: the config cannot be composed, or is not valid; with --plot also that there is
            nothing to be drawn, or that the file cannot be written.
    """
    parser = Parser("theory")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as for `vgrad run`")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--plot", metavar="FILE", help="draw the maps: FILE.png, .svg or .pdf")
    parser.add_argument("-cd", "--config-dir", metavar="DIR", help="a folder of your config files")
    parser.add_argument("-cn", "--config-name", metavar="NAME", default="config", help="one of it")
    args = parser.parse_intermixed_args(words)
    with undisturbed():
        from vgrad import compose, store
        from vgrad.theory import predict
    request = compose.Request(args.overrides, args.config_name, args.config_dir)
    if args.plot is not None:
        from vgrad.figures.file import check

        check(Path(args.plot))
    with stdout_kept(args.json):
        config = compose.config_of(request)
        prediction = predict(config)
        if args.plot is not None:
            _plot(config, prediction, Path(args.plot))
    if args.json:
        print(store.dumps(prediction.document()), end="")
        return
    on = console(110)
    if prediction.not_predicted is None:
        show(on, _table(prediction))
    for line in (*_sentences(prediction, config), *_on_init(config)):
        print(line)
    if args.plot is not None:
        from vgrad.terminal import literal

        print(literal(args.plot))


def _plot(config: RunConfig, prediction: Prediction, path: Path) -> None:
    """Draw the length map and the phase diagram of a config into a file."""
    from vgrad.figures.file import save
    from vgrad.figures.phase import mean_field
    from vgrad.theory.pictured import pictured

    drawn = pictured(config, prediction)
    title = f"Mean-field theory of {config.activation.name} with init={prediction.init}"
    save(mean_field(drawn, title), path)


def _table(prediction: Prediction) -> Table:
    from rich.box import SIMPLE
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE, pad_edge=False, show_edge=False)
    for heading in COLUMNS:
        table.add_column(Text(heading), justify="right", no_wrap=True)
    rows = prediction.layers
    half = MOST_ROWS // 2
    for place, row in enumerate(rows):
        if len(rows) > MOST_ROWS and half <= place < len(rows) - half:
            if place == half:
                table.add_row("…")
            continue
        table.add_row(*(_cell(getattr(row, name)) for name in COLUMNS.values()))
    return table


def _cell(value: float | None) -> str:
    if value is None:
        return "–"
    return str(value) if isinstance(value, int) else number(value, 4)


def _sentences(prediction: Prediction, config: RunConfig) -> Iterator[str]:
    """What follows from the numbers, a line each."""
    if prediction.not_predicted is not None:
        yield f"not predicted: {prediction.not_predicted}"
    yield from _on_scales(prediction)
    yield from _on_spread(prediction)
    yield from _on_criticality(prediction, advise=config.init.name != "critical")
    gain = prediction.gain.preserves_q1
    if gain is not None and prediction.gain.chi1_at_q1 is not None:
        chi1 = number(prediction.gain.chi1_at_q1, 6)
        yield f"gain that keeps q = 1: {number(gain, 6)}, with χ₁ = {chi1}"


def _on_scales(prediction: Prediction) -> Iterator[str]:
    if prediction.grad_decay is not None:
        kept = 10.0**prediction.grad_decay
        yield (
            f"error signal: × {number(kept, 4)} per layer on its way back "
            f"({number(prediction.grad_decay, 3)} decades)"
        )
    point, scales = prediction.fixed_point, prediction.depth_scale
    if point is not None:
        q = f"q* = {number(point.q, 5)}" if math.isfinite(point.q) else "q → ∞"
        chi1 = f"χ₁ = {number(point.chi1, 6)}, {_phase(point.chi1)}"
        if _is_slow(point):
            chi1 = "χ₁ → 1, nearing it ever more slowly"
        yield f"far from the input: {q}, c* = {number(point.c, 5)}, {chi1}"
        if math.isfinite(point.q) and abs(point.dq) > 1.0 + 1e-9:
            yield f"this q* is not stable: a distance from it takes × {number(point.dq, 3)} a layer"
    elif prediction.not_predicted is None:
        yield "no fixed point: the length of the signal does not settle"
    known = {"ξ_q": scales.q, "ξ_c": scales.c, "ξ_∇": scales.gradient}
    if words := [f"{name} = {number(x, 4)}" for name, x in known.items() if x is not None]:
        yield f"depth scales, in layers: {', '.join(words)}"
    if prediction.trainable_depth is not None:
        yield _on_depth(prediction.trainable_depth, point)


def _is_slow(point: FixedPoint) -> bool:
    """Whether χ₁ = 1 is a limit that lengths approach without a scale, as they grow or vanish."""
    neutral = abs(abs(point.dq) - 1.0) <= 1e-6 and abs(point.chi1 - 1.0) <= 1e-6
    return neutral and (math.isinf(point.q) or point.q == 0.0)


def _on_depth(deep: float, point: FixedPoint | None) -> str:
    """How deep a network may be, 6 ξ layers."""
    if math.isfinite(deep):
        return f"trainable to about depth {f'{deep:.0f}' if deep < 1e4 else number(deep, 3)}"
    if point is not None and _is_slow(point):
        return "ξ sets no limit to the depth; δ in the table tells what is lost on the way"
    return "trainable at any depth, as far as this theory goes"


def _on_spread(prediction: Prediction) -> Iterator[str]:
    first = prediction.layers[0]
    if first.delta_spread:
        factor = number(10.0**first.delta_spread, 3)
        yield (
            f"at width {first.fan_out} single seeds scatter about the δ of layer 1 by a factor of "
            f"{factor}"
        )


def _phase(chi1: float) -> str:
    if abs(chi1 - 1.0) <= 1e-6:
        return "critical"
    return "ordered: gradients vanish" if chi1 < 1.0 else "chaotic: gradients explode"


def _on_criticality(prediction: Prediction, *, advise: bool) -> Iterator[str]:
    critical, own = prediction.critical, prediction.sigma_w
    if critical.sigma_w is None:
        yield f"no critical point: {critical.why}"
        return
    place = f"σ_w = {number(critical.sigma_w, 6)} at σ_b = {number(critical.sigma_b, 3)}"
    yield f"critical point: {place}, q* = {number(critical.q or 0.0, 5)}; {critical.why}"
    if own is None or prediction.not_predicted is not None:
        return
    share = own / critical.sigma_w - 1.0
    if abs(share) < NEAR:
        yield f"this config: σ_w = {number(own, 6)}, critical"
        return
    side = "below" if share < 0.0 else "above"
    place = f"this config: σ_w = {number(own, 6)}, {number(abs(100 * share), 3)} % {side} it"
    there = f"init=lecun_normal init.gain={number(critical.sigma_w, 6)}{_biases(prediction)}"
    yield f"{place}; {there} would be critical" if advise else place


def _biases(prediction: Prediction) -> str:
    """The settings of an init that keep the config's biases."""
    mean, whole = prediction.bias_mean, prediction.critical.sigma_b
    std = math.sqrt(max(0.0, whole**2 - mean**2))
    words = f" init.bias={number(mean, 5)}" if mean else ""
    return words if std <= ROUNDING * whole else f"{words} init.bias_std={number(std, 5)}"


def _on_init(config: RunConfig) -> Iterator[str]:
    """What `init=critical` took σ_w from, where a config has it."""
    if config.init.name != "critical":
        return
    from vgrad.draw import edge_of
    from vgrad.parts.models import Architecture

    found = edge_of(config)
    took = {
        "point": "that of the critical point",
        "limit": "that of the critical point, where lengths vanish",
        "depth": f"with which δ has the same size in layers 1 and {max(2, config.depth)} "
        "(Π χ₁ = 1 over this depth, for inputs of E[x²] = 1)",
        "length": "which keeps q = 1",
    }[found.kind]
    plan = Architecture.of(config.model.name, config.model.settings)
    more = plan.norm != "none" or plan.shortcut.kind != "none" or plan.dropout or plan.alpha_dropout
    alone = " (norms, shortcuts and dropout are left out of account)" if more else ""
    yield f"init=critical: σ_w = {number(found.sigma_w, 6)}, {took}; {_why(found)}{alone}"


def _why(found: Edge) -> str:
    """Why `init=critical` took that one."""
    if found.kind == "point":
        from vgrad.meanfield.critical import LARGEST

        shut = "gates are nearly shut there, so that χ₁ = 1 is of little help"
        return shut if found.sigma_w > LARGEST else found.why
    if found.kind == "limit":
        return "at any depth short of it δ still changes on its way"
    if found.why.startswith("q* = 0"):
        return "the critical point is only a limit, which init.limit=true takes"
    return "there is no critical point to take it from"
