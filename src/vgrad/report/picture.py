"""The pictures of a page: each a figure, its file's name, and a sentence that says what to see."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import pandas as pd

from vgrad import figures
from vgrad.arms import Arm
from vgrad.figures import Sheet, plain
from vgrad.figures.facets import Facets
from vgrad.report import caption
from vgrad.report.distributed import Distributed
from vgrad.report.foretold import Prediction, predictions, reasons
from vgrad.report.run import Run

Teller = Callable[[str], None]
TOP = "top"  # the theme of the headline
AT_THE_END = "at-the-end"
# What a page about one run has beside its own pictures.
BESIDE = ("lost", "inside", "distributions", "updates")
THEMES = {  # of pictures: heading, and a word on how to read them
    "start": ("Before training", ""),
    "end": ("At the end", ""),
    "layers": ("Layer by layer", ""),
    "depth": ("What becomes of it with depth", ""),
    "profiles": (
        "The way back and the way forward",
        "A line that falls towards the left is a gradient that vanishes on its way to the input; "
        "a variance that falls towards the right is a signal that fades on its way to the output.",
    ),
    "theory": (
        "Predicted and measured",
        "What mean-field theory foretold before training, beside what came of it.",
    ),
    "lost": ("Where the gradient is lost", ""),
    "inside": ("Inside the layers", ""),
    "training": ("During training", ""),
    "learning": ("What was learnt", ""),
}


def theme_title(theme: str, arms: Sequence[Arm]) -> str:
    """The heading of a theme: of depth only where the arms differ in it."""
    if theme == "depth" and len({arm.settings.get("depth") for arm in arms}) < 2:
        return "What becomes of each setting"
    return THEMES[theme][0]


@dataclass(frozen=True)
class Picture:
    """One figure of the page.

    Attributes:
        slug: what its files and its ids are named for; unlike that of any other.
        caption: one sentence that says what to see.
        sheet: the figure.
        title: what stands above it, where its theme does not say it.
    """

    slug: str
    caption: str
    sheet: Sheet
    title: str = ""

    @cached_property
    def svg(self) -> str:
        """The figure as SVG: drawn once for the page and for its file."""
        return figures.svg(self.sheet)


@dataclass(frozen=True)
class Material:
    """What the figures of several runs are drawn from.

    Attributes:
        runs, steps, layers: as `vgrad.load` gives them, of the runs that are shown.
        arms: what is compared.
        facets: which setting goes where.
        chance: the accuracy of guessing, if it is one for all.
        mapped: the arms that get maps of their own over step and layer.
        theory: what was foretold, as `vgrad.load` gives it; None where nothing is known of it.
        distributed: how the activations of some arms are distributed, likewise.
    """

    runs: pd.DataFrame
    steps: pd.DataFrame
    layers: pd.DataFrame
    arms: Sequence[Arm]
    facets: Facets
    chance: float | None = None
    mapped: Sequence[Arm] = ()
    theory: pd.DataFrame | None = None
    distributed: Distributed | None = None

    @cached_property
    def predictions(self) -> dict[int, Prediction]:
        """The number of an arm → what was foretold of its layers."""
        return {} if self.theory is None else predictions(self.theory, self.arms)

    @property
    def is_layered(self) -> bool:
        """Whether the layers were recorded."""
        return not self.layers.empty

    @property
    def is_stepped(self) -> bool:
        """Whether the losses were recorded."""
        return not self.steps.empty


def headline(run: Run, name: str) -> Picture | None:
    """The picture of one run that answers the question; None where nothing was recorded."""
    if run.drawable and not run.steps.empty:
        sheet = figures.headline(run.layers, run.steps, run.chance, name)
        return Picture("headline", caption.headline(run), sheet)
    return None


def of_run(
    run: Run, name: str, prefix: str = "", theory: pd.DataFrame | None = None
) -> dict[str, Picture]:
    """The pictures of one run by theme; none for what was not recorded.

    Args:
        run: the run.
        name: what it is called.
        prefix: what their slugs begin with.
        theory: what was foretold of all runs, if that is known.
    """
    pictures = {}
    if run.drawable:
        sheet = figures.profiles(run.layers, name)
        pictures["layers"] = Picture(f"{prefix}profiles", caption.profiles(run), sheet)
        sheet = figures.heatmaps(run.layers, name)
        pictures["training"] = Picture(f"{prefix}heatmaps", caption.heatmaps(run), sheet)
    if run.drawable and theory is not None:
        pictures |= _foretold(run, name, prefix, theory)
    if not run.steps.empty:
        sheet = figures.curves(run.steps, run.chance, name)
        pictures["learning"] = Picture(f"{prefix}curves", caption.curves(run), sheet)
    return pictures


def _foretold(run: Run, name: str, prefix: str, theory: pd.DataFrame) -> dict[str, Picture]:
    """What was foretold of one run beside what was measured; none without a prediction."""
    arm = Arm(0, run.settings, (run.file.run_id,), (), name)
    told = predictions(theory, [arm])
    if run.depth == 0 or not told:
        return {}
    if prefix:
        sheet = figures.predicted_of_run(run.layers, arm, told[0], name)
    else:  # its page counts the run as its only arm, the first
        sheet = figures.predicted(run.layers, [arm], told, title=name)
    return {"theory": Picture(f"{prefix}theory", sheet.caption, sheet)}


def of_arms(material: Material, tell: Teller) -> dict[str, list[Picture]]:
    """The pictures of several runs together, by theme.

    Args:
        material: what is drawn.
        tell: hears what is being drawn.
    """
    pictures: dict[str, list[Picture]] = {}
    for drawing in _drawings(material):
        if len(material.runs) == 1 and drawing.slug not in BESIDE:
            continue
        tell(f"drawing {drawing.slug}")
        sheet = drawing.draw()
        picture = Picture(drawing.slug, sheet.caption, sheet, drawing.title)
        pictures.setdefault(drawing.theme, []).append(picture)
    return pictures


@dataclass(frozen=True)
class _Drawing:
    """A figure that is to be drawn: where it goes, what it is named for, and how."""

    theme: str
    slug: str
    draw: Callable[[], Sheet]
    title: str = ""


def _drawings(m: Material) -> Iterator[_Drawing]:
    """Every figure, the headline first."""
    if m.facets.x is not None:
        yield _Drawing(TOP, "depth", partial(figures.depth_curves, m.runs, m.arms, m.facets))
    elif m.is_layered and m.is_stepped:
        parts = (m.runs, m.layers, m.steps, m.arms, m.facets, m.chance)
        yield _Drawing(TOP, "headline", partial(figures.headline_by_arm, *parts))
    if m.is_layered:
        yield from _drawings_of_layers(m)
    yield from _drawings_of_theory(m)
    if m.is_stepped:
        draw = partial(figures.learning, m.steps, m.arms, m.facets, m.chance)
        yield _Drawing("learning", "learning", draw)
    if m.is_layered:
        draw = partial(figures.update_ratios, m.layers, m.arms, m.facets)
        yield _Drawing("learning", "updates", draw)


def _drawings_of_theory(m: Material) -> Iterator[_Drawing]:
    """What was foretold, where anything was."""
    told = m.predictions
    if m.is_layered and any(int(arm.settings["depth"]) > 0 for arm in m.arms if arm.number in told):
        parts = (m.layers, m.arms, told, m.facets, "", reasons(m.runs, m.arms))
        yield _Drawing("theory", "predicted", partial(figures.predicted, *parts))
    if (key := figures.scale_key(m.runs, m.arms)) is not None:
        draw = partial(figures.trainability, m.runs, m.arms, key)
        yield _Drawing("theory", "trainability", draw, "How deep a network may be")


def _drawings_of_layers(m: Material) -> Iterator[_Drawing]:
    by_arm = partial(figures.profiles_by_arm, m.layers, m.arms, facets=m.facets)
    parts = (m.layers, m.arms)
    if len(m.arms) > 1:
        yield _Drawing("depth", "fates", partial(figures.fates, m.runs, *parts))
    yield _Drawing("profiles", "before-training", partial(by_arm, "first"))
    yield _Drawing("profiles", AT_THE_END, partial(by_arm, "last"))
    if len({arm.settings.get("depth") for arm in m.arms}) > 1:
        draw = partial(by_arm, "first", relative=True)
        yield _Drawing("profiles", "by-relative-depth", draw)
    draw = partial(figures.losses_of_gradient, *parts, m.facets)
    yield _Drawing("lost", "lost", draw)
    yield _Drawing("inside", "inside", partial(figures.inner_state, *parts, facets=m.facets))
    if m.distributed is not None and not m.distributed.quantiles.empty:
        draw = partial(figures.distributions, m.distributed.quantiles, m.distributed.arms)
        yield _Drawing("inside", "distributions", draw, "How the activations are distributed")
    for place, arm in enumerate(m.mapped, 1):
        draw = partial(figures.heat, m.layers, arm)
        yield _Drawing("training", f"heat-{place}", draw, plain(arm.label, 100))
