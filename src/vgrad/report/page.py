"""The page: one HTML document that holds all it shows and asks nothing of the world."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup, escape

from vgrad.command import command
from vgrad.diagnose import number
from vgrad.figures import BY_LAYER, plain
from vgrad.figures.live import Live
from vgrad.phrases import typed
from vgrad.report import inline
from vgrad.report.behind import Behind, behind
from vgrad.report.command import is_recorded, repeating
from vgrad.report.compact import Profiles, in_script, of_hidden
from vgrad.report.content import RESULT, Content, cells, columns, on_diverged, result_of
from vgrad.report.every_run import about, every_run, recording_cost
from vgrad.report.inline import Styles
from vgrad.report.legend import legend
from vgrad.report.maps import Maps
from vgrad.report.naming import NONE
from vgrad.report.picture import AT_THE_END, THEMES, Picture, theme_title
from vgrad.report.run import Run, by_layer

POWER = re.compile(r"\b[\d.]+e-\d+\b")
CODE = re.compile(r"`([^`]*)`")
IN_ALL = {"pace": "δ kept per layer", "reach": "δ of layer 1"}
OF_CLASSES = {"accuracy": "accuracy", "best": "best"}
OF_NUMBERS = {"train_loss": "training loss", "val_loss": "validation loss"}
SHARES = ("saturated", "dead")  # beside the accuracies, what has an axis from 0 to 100 %
MOST_TOGGLED = 40  # values of a setting that get a button each
SCRIPT = ("state.js", "panels.js", "maps.js", "page.js")  # plain, without a build, in this order
AT_A_GLANCE = 3  # panels of the headline, a row of them
IN_A_ROW = 4  # of two groups two quantities, side by side: two rows do not fit on a screen
ROWS_OF_GROUPS = 2  # or rows, where each has a panel for each group of arms
USUAL = ("activation", "init", "depth")  # shown where nothing sets the runs apart


@dataclass(frozen=True)
class Block:
    """A picture, ready for the page."""

    title: str
    caption: str
    note: str
    legend: Markup
    panels: Sequence[tuple[bool, Markup]]  # whether it begins a row, and its SVG
    across: int
    file: str
    behind: Behind | None


def render(content: Content, profiles: Profiles, maps: Maps) -> str:
    """The page as HTML.

    Args:
        content: what it says.
        profiles: what the slider moves.
        maps: the cells of the heat maps.
    """
    builder = _Builder(content, profiles, maps)
    shown = builder.shown()
    css, script = Markup(builder.css()), Markup(_script())  # nothing in them of a run
    hashes = {"css_hash": _digest(css), "script_hash": _digest(script)}
    return _template().render(shown, css=css, script=script, **hashes)


class _Builder:
    """Collects the looks of all figures while the parts of a page are made."""

    def __init__(self, content: Content, profiles: Profiles, maps: Maps) -> None:
        self._content = content
        self._profiles = profiles
        self._maps = maps
        self._styles = Styles()

    def css(self) -> str:
        """The style sheet: the page's own and the classes of its figures."""
        light, dark = (inline.theme(dark=dark) for dark in (False, True))
        css = _own_file("page.css").replace("/* light */", light).replace("/* dark */", dark)
        return f"{css}\n{self._styles.css()}\n"

    def shown(self) -> dict[str, Any]:
        """What the template takes."""
        content = self._content
        several = len(content.runs) > 1
        drawn = bool(content.own)
        top = content.headline
        glance, rest = at_a_glance(top.sheet.live if top else [])
        return {
            "question": plain(content.question, 400),
            "answer": [(part.lead, plain(part.text, 1000)) for part in content.answer],
            "claims": [(became, plain(says, 1000)) for became, says in content.claims],
            "problems": [
                plain(content.veil.problem(problem), 1000) for problem in content.problems
            ],
            "headline": top and self.block(top, glance, brief=True),
            "columns": columns(content) if several else {},
            "rows": [(row.arm.number, cells(row, content)) for row in content.rows],
            "toggles": _toggles(content) if several else {},
            "themes": [
                (theme_title(theme, content.arms), intro, [*map(self.block, pictures)])
                for theme, (_, intro) in THEMES.items()
                if (pictures := content.shown(theme))
            ],
            "findings": _findings(content) if not several else [],
            "rest": self.block(top, rest) if top and rest else None,
            "runs": [self._run(n, name) for n, name in enumerate(content.names())]
            if drawn or not several
            else [],
            "single": not several,
            "counted": len(content.runs),
            "run_columns": every_run(content).columns if several else [],
            "usual": USUAL,
            "results": _result_columns(content.runs),
            "facets": content.facets,
            "diverged": on_diverged(content.rows) if several else "",
            "result": RESULT,
            "cost": recording_cost(content.runs),
            "steps": self._profiles.steps,
            "data": Markup(in_script(self._data())),  # escaped by in_script
            "version": _version(),
        }

    def block(
        self, picture: Picture, chosen: Sequence[int] | None = None, *, brief: bool = False
    ) -> Block:
        """A picture as panels of inline SVG with a legend in HTML.

        Args:
            picture: the picture.
            chosen: the places of the panels that are shown; all if not given.
            brief: whether they are to fit on the first screen.
        """
        sheet = picture.sheet
        chosen = list(range(len(sheet.panels))) if chosen is None else chosen
        boxes = {gid: box for n, (gid, box) in enumerate(sheet.boxes.items()) if n in chosen}
        panels = inline.panels(picture.svg, boxes, picture.slug, self._styles)
        for place, panel in zip(chosen, panels, strict=True):
            axes, live = sheet.panels[place], sheet.live[place]
            title = axes.get_title(loc="left")
            panel.set("aria-label", plain(f"{title}. {picture.caption}", 600))
            if live is not None and self._content.rows:
                panel.set("data-title", title)
                series = self._profiles.of_panel.get((picture.slug, place))
                panel.set("data-live", json.dumps(_live(live, series), ensure_ascii=True))
                if live.strands:
                    panel.set("data-strands", " ".join(map(str, live.strands)))
            if grid := self._maps.of_panel.get((picture.slug, place)):
                panel.set("data-title", title)
                panel.set("data-map", json.dumps(grid))
        # Safe as markup: ElementTree has escaped every text and attribute in it.
        starts, across = _rows([sheet.live[place] for place in chosen])
        if len(chosen) == IN_A_ROW and brief:
            starts, across = set(), IN_A_ROW
        markup = [(n in starts, Markup(inline.write(panel))) for n, panel in enumerate(panels)]
        return Block(
            picture.title,
            picture.caption,
            sheet.note,
            legend(sheet.keys, self._styles),
            markup,
            across,
            picture.slug,
            behind(sheet.table, picture.slug),
        )

    def _data(self) -> dict[str, Any]:
        """What the script knows of the arms and of what it moves."""
        content, profiles = self._content, self._profiles
        several = len(content.runs) > 1
        return {
            "keys": list(_toggles(content)) if several else [],
            "arms": [
                {
                    "number": row.arm.number,
                    "label": plain(content.veil.text(row.arm.label), 100),
                    "values": {key: typed(row.settings.get(key, NONE)) for key in content.keys},
                    "depth": int(row.arm.settings["depth"]),
                }
                for row in content.rows
            ],
            "steps": profiles.steps,
            "series": profiles.series,
            "packed": profiles.packed,
            "maps": self._maps.packed,
            "runs": every_run(content).packed if several else "",
        }

    def _run(self, place: int, name: str) -> dict[str, Any]:
        """One run as the template takes it."""
        content, run = self._content, self._content.runs[place]
        pictures = content.own.get(run.file.run_id, {})
        veil = content.veil
        settings = content.settings(run)
        return {
            "anchor": f"run-{place + 1}",
            "name": name,
            "path": plain(run.file.path, 300) if veil.key("path") else "",
            "run_id": run.file.run_id,
            "status": run.summary["status"],
            "verdict": run.summary["verdict"],
            "settings": settings,
            "apart": {key: settings[key] for key in (content.keys or USUAL) if key in settings},
            "words": [plain(sentence, 400) for sentence in run.words],
            "results": result_of(run),
            "blocks": [(THEMES[theme][0], self.block(p)) for theme, p in pictures.items()]
            if len(content.runs) > 1
            else [],
            "numbers": _numbers(run) if pictures and run.drawable else None,
            "command": plain(command(repeating(run, settings, veil)), 4000),
            "is_brief": is_recorded(run),
            "about": about(run, veil),
        }


def _findings(content: Content) -> list[dict[str, Any]]:
    """What the diagnosis found in one run, as the template takes it."""
    found = [finding for row in content.rows for one in row.diagnoses for finding in one.findings]
    return [
        {
            "rule": finding.rule.replace("_", " "),
            "where": "" if finding.layers is None else "layers {} to {}".format(*finding.layers),
            "since": "" if finding.since_step is None else f"from step {finding.since_step}",
            "strength": f"{number(finding.value)} {finding.unit}".replace("-", "−"),
            "confidence": finding.confidence,
            "why": finding.why,
            "remedies": [plain(remedy, 200) for remedy in finding.remedies],
        }
        for finding in found
        if finding.rule != "healthy"
    ]


def _toggles(content: Content) -> dict[str, list[str]]:
    """The settings whose values the reader may hide, and the values as typed: numbers by size."""
    found: dict[str, list[str]] = {}
    for key in content.keys:
        values = [row.settings.get(key, NONE) for row in content.rows]
        if all(isinstance(value, int | float) for value in values):
            values.sort()
        names = list(dict.fromkeys(map(typed, values)))
        if 1 < len(names) <= MOST_TOGGLED:
            found[key] = names
    return found


def at_a_glance(live: Sequence[Live | None]) -> tuple[list[int], list[int]]:
    """The places of the panels that fit on the first screen, and of those that stand below.

    A row of them, or two where each quantity has a panel for each group of arms; losses are the
    first to go.
    """
    columns = [panel.column if panel is not None else "" for panel in live]
    quantities = sorted(dict.fromkeys(columns), key=lambda column: "loss" in column)
    kept = quantities[: ROWS_OF_GROUPS if len(quantities) < len(columns) else AT_A_GLANCE]
    chosen = [place for place, column in enumerate(columns) if column in kept]
    return chosen, [place for place in range(len(columns)) if place not in chosen]


def _rows(live: Sequence[Live | None]) -> tuple[set[int], int]:
    """Which panels begin a row, and how many stand in one: those of one quantity are together."""
    columns = [panel.column if panel is not None else str(n) for n, panel in enumerate(live)]
    starts = {n for n, column in enumerate(columns) if n == 0 or columns[n - 1] != column}
    largest = max((columns.count(column) for column in columns), default=1)
    if largest < 2:
        return set(), min(len(live), 2)
    return starts, {2: 2, 4: 4}.get(largest, 3)


def _live(live: Live, series: int | None) -> dict[str, Any]:
    """The axes of a panel, as the script takes them."""
    return {
        "kind": live.kind,
        "box": [round(n, 2) for n in live.box],
        "x": [round(n, 6) for n in live.x],
        "xKey": live.x_key,
        "xLog": live.x_kind == "log",
        "scale": live.scale.kind,
        "limits": [round(n, 6) for n in live.scale.limits],
        "rails": {name: round(place, 6) for name, place in live.scale.rails.items()},
        "series": series,
        "hidden": of_hidden(live),
        "percent": live.column.endswith("accuracy") or live.column in SHARES,
        "strands": {str(number): plain(name, 60) for number, name in live.strands.items()},
        "moving": live.moving,
    }


def _template() -> Template:
    """The page's template; what it is given is escaped unless it is Markup."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"setting": setting, "prose": _prose}
    return environment.from_string(_own_file("page.html.j2"))


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
    """The results that the table of one run shows, by key, with their headings."""
    classes = any(run.summary["final_val_accuracy"] is not None for run in runs)
    return IN_ALL | (OF_CLASSES if classes else OF_NUMBERS)


def _own_file(name: str) -> str:
    return files("vgrad.report").joinpath(name).read_text(encoding="utf-8")


def _script() -> str:
    """The page's script: its parts in one scope of their own."""
    parts = "\n".join(_own_file(name) for name in SCRIPT)
    return f'"use strict";\n{{\n{parts}}}\n'


def _digest(text: str) -> str:
    """What a content policy calls a text by."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _prose(text: str) -> Markup:
    """Running text, escaped; 3e-13 and 10 % do not break at a line's end, `words` are code."""
    kept = POWER.sub(r'<span class="number">\g<0></span>', str(escape(text)))
    kept = CODE.sub(r"<code>\1</code>", kept)
    return Markup(re.sub(r"(?<=\d) (?=[%±])|(?<=±) ", "\u00a0", kept))


def setting(value: object) -> str:
    """A value as it is typed on the command line."""
    return plain(typed(value), 300)


def moving(pictures: Sequence[Picture]) -> Mapping[tuple[str, int], Live]:
    """The panels whose lines the slider moves; what is drawn at the end stays, to compare with."""
    return {
        (picture.slug, place): live
        for picture in pictures
        for place, live in enumerate(picture.sheet.live)
        if live is not None and live.moves and ":" not in live.column
        if picture.slug != AT_THE_END
    }


def _version() -> str:
    try:
        return version("vgrad")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return ""
