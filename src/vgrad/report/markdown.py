"""The report in Markdown, with its figures as PNG: for a repository, an issue, a wiki."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from vgrad.command import command
from vgrad.figures import plain
from vgrad.report.answer import Sentence
from vgrad.report.command import repeating
from vgrad.report.content import RESULT, Content, cells, columns, on_diverged, result_of
from vgrad.report.every_run import recording_cost
from vgrad.report.folder import TEXT_MARK
from vgrad.report.picture import THEMES, Picture, theme_title

SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|!~$&])")
MOST_COMMANDS = 50  # runs that are listed with their command


def as_markdown(content: Content) -> str:
    """The whole report."""
    return "\n\n".join(part for part in _parts(content) if part) + "\n"


def _parts(content: Content) -> Iterator[str]:
    yield f"{TEXT_MARK}\n# {escaped(content.question)}"
    yield " ".join(_sentence(part) for part in content.answer)
    if content.problems:
        lines = [f"- {escaped(content.veil.problem(problem))}" for problem in content.problems]
        yield "**Not everything could be read.**\n\n" + "\n".join(lines)
    if content.headline:
        yield _picture(content.headline)
    if content.claims:
        yield "## What was claimed"
        yield "\n".join(f"- **{became}**: {escaped(says)}" for became, says in content.claims)
    yield from _verdicts(content)
    for theme, (_, intro) in THEMES.items():
        pictures = content.themes.get(theme, [])
        if pictures:
            yield f"## {theme_title(theme, content.arms)}"
            yield intro
            yield from map(_picture, pictures)
    yield from _runs(content)
    yield recording_cost(content.runs)


def _verdicts(content: Content) -> Iterator[str]:
    """The table of arms."""
    shown = columns(content)
    yield "## The verdicts"
    rows = []
    for row in content.rows:
        made = cells(row, content)
        rows.append(
            [
                _code(made[key].text) if key == f"{RESULT}fix" else escaped(made[key].text)
                for key in shown
            ]
        )
    heads = [(escaped(heading), numeric) for heading, numeric in shown.values()]
    yield _table(heads, rows)
    yield on_diverged(content.rows)
    yield content.facets


def _runs(content: Content) -> Iterator[str]:
    """Every run with its command, or a word on where they are."""
    yield "## Every run"
    if len(content.runs) > MOST_COMMANDS:
        yield "They stand in `tables/runs.csv` with all their settings and results."
        return
    for name, run in zip(content.names(), content.runs, strict=True):
        for theme, picture in content.own.get(run.file.run_id, {}).items():
            yield f"### {escaped(name)}: {THEMES[theme][0]}"
            yield _picture(picture)
        told = {key: text for key, text in result_of(run).items() if text}
        facts = ", ".join(f"{key} {text}" for key, text in told.items())
        yield f"**{escaped(name)}**: {run.summary['status']}, {run.summary['verdict']}; {facts}"
        words = repeating(run, content.settings(run), content.veil)
        yield f"```sh\n{plain(command(words), 4000)}\n```"


def _picture(picture: Picture) -> str:
    caption = escaped(picture.caption)
    note = f" {escaped(picture.sheet.note)}" if picture.sheet.note else ""
    title = f"### {escaped(picture.title)}\n\n" if picture.title else ""
    return f"{title}![{caption}](figures/{picture.slug}.png)\n\n*{caption}*{note}"


def _sentence(part: Sentence) -> str:
    pieces = re.findall(r"`[^`]*`|[^`]+", part.text)
    text = "".join(one if one[0] == "`" else _within(one) for one in pieces)
    if not part.lead:
        return text
    colon = "" if part.text.startswith(("for ", "stays")) else ":"
    return f"**{escaped(part.lead)}**{colon} {text}"


def _within(piece: str) -> str:
    """A piece of a sentence, escaped, with the blanks at its ends."""
    before, after = (" " if end.isspace() else "" for end in (piece[0], piece[-1]))
    return f"{before}{escaped(piece)}{after}" if piece.strip() else before


def _table(heads: Sequence[tuple[str, bool]], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---:" if numeric else "---" for _, numeric in heads]
    lines = [[heading for heading, _ in heads], rule, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return SPECIAL.sub(r"\\\1", " ".join(plain(text, 2000).split()))


def _code(text: str) -> str:
    return f"`{text.replace('`', '').replace('|', '/')}`" if text else ""
