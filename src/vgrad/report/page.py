"""The page: one HTML document that holds all it shows and asks nothing of the world."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup, escape

from vgrad.diagnose import number, percent
from vgrad.figures import BY_LAYER, Key, plain
from vgrad.report import inline, words
from vgrad.report.command import command
from vgrad.report.inline import Styles
from vgrad.report.picture import Picture
from vgrad.report.run import Run, by_layer, differences, names

POWER = re.compile(r"\b[\d.]+e-\d+\b")
IN_ALL = {"pace": "δ kept per layer", "reach": "δ of layer 1"}
OF_CLASSES = {"accuracy": "accuracy", "best": "best"}
OF_NUMBERS = {"train_loss": "training loss", "val_loss": "validation loss"}
RESOLVED = {  # of the summary: what the config left open, and what happened beside the records
    "resolved_init": "init resolved to",
    "resolved_gain": "init.gain resolved to",
    "clipped_updates": "updates with a clipped gradient",
}
MOST_COLUMNS = 5  # of settings in the table of runs
USUAL = ("activation", "init", "depth")  # shown where nothing sets the runs apart
THEMES = {
    "start": "Before training",
    "end": "At the end",
    "layers": "Layer by layer",
    "training": "During training",
    "learning": "What was learnt",
}


@dataclass(frozen=True)
class Block:
    """A picture, ready for the page."""

    caption: str
    legend: Markup
    panels: Sequence[Markup]
    file: str


def render(
    runs: Sequence[Run],
    problems: Sequence[str],
    headline: Picture | None,
    themes: Mapping[str, Picture],
    own: Mapping[str, Mapping[str, Picture]],
) -> str:
    """The page as HTML.

    Args:
        runs: what it shows.
        problems: a line for each file or run that could not be read.
        headline: the picture at the top.
        themes: the pictures of all runs together, by theme.
        own: the pictures of each run by its run_id, then by theme.
    """
    styles = Styles()
    differ = differences(runs)[:MOST_COLUMNS] if len(runs) > 1 else []
    shown = {
        "question": plain(words.question(runs)),
        "answer": [plain(sentence, 400) for sentence in words.answer(runs)],
        "columns": differ or USUAL,
        "results": _result_columns(runs),
        "runs": [
            _entry(place, name, run, own.get(run.file.run_id, {}), styles)
            for place, (name, run) in enumerate(zip(names(runs), runs, strict=True), 1)
        ],
        "problems": [plain(problem, 1000) for problem in problems],
        "headline": headline and block(headline, styles),
        "themes": [(THEMES[name], block(picture, styles)) for name, picture in themes.items()],
        "version": _version(),
    }
    css = Markup(_css(styles))  # of our own making: nothing in it comes from a run
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    return _template().render(shown, css=css, css_hash=digest)


def _template() -> Template:
    """The page's template; what it is given is escaped unless it is Markup."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"setting": _setting, "prose": _prose}
    return environment.from_string(_own_file("page.html.j2"))


def block(picture: Picture, styles: Styles) -> Block:
    """A picture as panels of inline SVG with a legend in HTML."""
    panels = inline.panels(picture.svg, picture.sheet.boxes, picture.slug, styles)
    for panel, axes in zip(panels, picture.sheet.panels, strict=True):
        panel.set("aria-label", f"{axes.get_title(loc='left')}. {picture.caption}")
    legend = Markup("").join(_key(key, styles) for key in picture.sheet.keys)
    # Safe as markup: ElementTree has escaped every text and attribute in it.
    markup = [Markup(inline.write(panel)) for panel in panels]
    return Block(picture.caption, legend, markup, picture.slug)


def _entry(
    place: int, name: str, run: Run, pictures: Mapping[str, Picture], styles: Styles
) -> dict[str, Any]:
    """One run as the template takes it."""
    return {
        "anchor": f"run-{place}",
        "name": name,
        "path": plain(run.file.path, 300),
        "run_id": run.file.run_id,
        "status": run.summary["status"],
        "verdict": run.summary["verdict"],
        "settings": run.settings,
        "words": [plain(sentence, 400) for sentence in run.words],
        "results": results(run),
        "blocks": [(THEMES[theme], block(picture, styles)) for theme, picture in pictures.items()],
        "numbers": _numbers(run) if pictures and run.drawable else None,
        "command": plain(command(run.settings), 4000),
        "about": _about(run),
    }


def results(run: Run) -> dict[str, str]:
    """The numbers of a run in words and figures; an empty text where there is none."""
    summary = run.summary
    slope = summary["grad_decay"]
    return {
        "pace": "" if slope is None else f"× {number(10**slope, 3)}",
        "reach": "" if summary["reach"] is None else number(summary["reach"]),
        "accuracy": _percent(summary["final_val_accuracy"]),
        "best": _percent(summary["best_val_accuracy"]),
        "val_loss": _number(summary["final_val_loss"]),
        "train_loss": _number(summary["final_train_loss"]),
    }


def _numbers(run: Run) -> dict[str, Any]:
    """The drawn quantities of each layer at the first and the last record, as a table."""
    steps = sorted({int(run.layers["step"].min()), int(run.layers["step"].max())})
    ends = {
        quantity.column: [by_layer(run.layers, step, quantity.column) for step in steps]
        for quantity in BY_LAYER
    }
    return {
        "steps": steps,
        "quantities": [quantity.column for quantity in BY_LAYER],
        "rows": [
            (
                "out" if layer > run.depth else layer,
                [
                    number(end[layer], 3) if layer in end else ""
                    for quantity in BY_LAYER
                    for end in ends[quantity.column]
                ],
            )
            for layer in range(1, run.depth + 2)
        ],
    }


def _result_columns(runs: Sequence[Run]) -> dict[str, str]:
    """The results that the table shows, by key, with their headings."""
    classes = any(run.summary["final_val_accuracy"] is not None for run in runs)
    return IN_ALL | (OF_CLASSES if classes else OF_NUMBERS)


def _about(run: Run) -> list[tuple[str, str]]:
    """Versions, device and timings: all that run.json has beside the config and the summary."""
    rest = {
        key: value
        for key, value in run.file.document.items()
        if key not in ("config", "summary", "files", "format", "run_id", "status", "sha256")
    }
    summary = run.file.summary
    told = [
        (words, summary[key])
        for key, words in RESOLVED.items()
        if summary.get(key) is not None and summary[key] != run.settings.get("init")
    ]
    return [(key, _setting(value)) for key, value in [*told, *_flat(rest)]]


def _flat(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    pairs = []
    for key, value in tree.items():
        name = f"{prefix}{key}"
        pairs += _flat(value, f"{name}.") if isinstance(value, Mapping) else [(name, value)]
    return pairs


def _key(key: Key, styles: Styles) -> Markup:
    """One entry of a legend: a short line and its name."""
    style = f"stroke:{key.colour};stroke-width:2.5;fill:none"
    if isinstance(key.dash, tuple):
        style += ";stroke-dasharray:" + " ".join(f"{2 * length:g}" for length in key.dash[1])
    line = Markup('<svg viewBox="0 0 30 8" aria-hidden="true"><path class="{}" d="M0 4H30"/></svg>')
    item = Markup("<li>{}{}</li>")
    return item.format(line.format(styles.name(style)), plain(key.label, 60))


def _css(styles: Styles) -> str:
    """The style sheet: the page's own and the classes of its figures."""
    light, dark = (inline.theme(dark=dark) for dark in (False, True))
    css = _own_file("page.css").replace("/* light */", light).replace("/* dark */", dark)
    return f"{css}\n{styles.css()}\n"


def _own_file(name: str) -> str:
    return files("vgrad.report").joinpath(name).read_text(encoding="utf-8")


def _prose(text: str) -> Markup:
    """Running text, escaped; numbers such as 3e-13 and 10 % do not break at a line's end."""
    kept = POWER.sub(r'<span class="number">\g<0></span>', str(escape(text)))
    return Markup(re.sub(r"(?<=\d) %", "\u00a0%", kept))


def _setting(value: object) -> str:
    """A value as it is typed on the command line."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else plain(value, 300)


def _percent(value: float | None) -> str:
    return "" if value is None else percent(value)


def _number(value: float | None) -> str:
    return "" if value is None else number(value, 3)


def _version() -> str:
    try:
        return version("vgrad")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return ""
