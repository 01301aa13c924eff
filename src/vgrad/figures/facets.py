"""Which settings of a sweep go where: along x, into the colours, into panels of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vgrad.arms import APART, differing, setting_columns
from vgrad.errors import ConfigError, did_you_mean
from vgrad.figures.quantities import numbers
from vgrad.figures.scale import DIVERGED, Numbers
from vgrad.phrases import listed, typed

RESULTS = ("final_val_accuracy", "final_val_loss", "final_train_loss")  # the first that there is
MOST_LEVELS = 8  # of a number; where there are more they are taken together in fifths
MOST_NAMED = 4  # settings in the sentence


@dataclass(frozen=True)
class Facets:
    """Where each setting goes.

    Attributes:
        x: along x in the curves of results; None where no number differs.
        hue: the colours; None where nothing differs.
        facet: panels of their own; None where nothing is left to be told apart.
        why: how that was chosen, in a sentence for the page.
        shares: setting → how much of the results it explains, from 0 to 1; NaN where it cannot be
            told.
        best: a setting and a value, as typed → the best result with it at the greatest depth.
    """

    x: str | None = None
    hue: str | None = None
    facet: str | None = None
    why: str = ""
    shares: Mapping[str, float] | None = None
    best: Mapping[tuple[str, str], float] | None = None


def choose(
    runs: pd.DataFrame, x: str | None = None, hue: str | None = None, facet: str | None = None
) -> Facets:
    """Where each setting goes: to where it is seen best, those that matter most first.

    Depth goes along x where it differs, else the number that explains most; the activation has
    the colours and the initialisation the line style where they differ. Of the rest, what
    explains most of `grad_decay` and of the final accuracy gets panels of its own.

    Args:
        runs: a row per run, as `vgrad.load` gives them.
        x: the setting along x that was asked for, as typed; None leaves the choice.
        hue: likewise that of the colours.
        facet: likewise that of the panels.

    Raises:
        ConfigError: a setting that was asked for does not differ among the runs, or is asked for
            twice.
    """
    keys = differing(runs)
    _check({"--x": x, "--hue": hue, "--facet": facet}, runs, keys)
    if x is not None and not _is_numeric(runs[x]):
        raise ConfigError(f"--x {x}: an axis needs numbers, and {x} has names.")
    shares = explained(runs, keys)
    ranked = sorted(keys, key=lambda key: -np.nan_to_num(shares[key]))
    asked = {x, hue, facet}
    x_key = x or _first("depth", [k for k in ranked if _is_numeric(runs[k])], asked)
    hue_key = hue or _first("activation", ranked, asked | {x_key}) or x_key
    rest = [key for key in ranked if key not in {x_key, hue_key, "init", *asked}]
    facet_key = facet or next(iter(rest), None)
    asked_for = [flag for flag, key in (("x", x), ("hue", hue), ("facet", facet)) if key]
    why = _why(x_key, hue_key, facet_key, shares, asked_for, "init" in keys)
    return Facets(x_key, hue_key, facet_key, why, shares, _best(runs, keys))


def _best(runs: pd.DataFrame, keys: Sequence[str]) -> dict[tuple[str, str], float]:
    """For each value of each setting the best mean over seeds, of the deepest nets."""
    result = results_of(runs)
    if result is None or not keys:
        return {}
    columns = {key: runs[key] if _is_numeric(runs[key]) else runs[key].map(typed) for key in keys}
    table = pd.DataFrame(columns).assign(_result=result)
    table = table.groupby(list(keys), dropna=False, sort=False).mean().reset_index()
    if "depth" in keys:
        table = table[table["depth"] == table["depth"].max()]
    return {
        (key, typed(value)): float(best)
        for key in keys
        for value, best in table.groupby(key, sort=False)["_result"].max().items()
    }


def explained(runs: pd.DataFrame, keys: Sequence[str]) -> dict[str, float]:
    """How much of the variance of the results each setting explains by itself, from 0 to 1.

    ε² (Kelley 1935), that is η² less what as many values would explain by chance, the mean of
    that for `grad_decay` and for the final accuracy (the log of the loss where there is none).
    NaN where it cannot be told: each run has a value of its own, or all results are alike.
    """
    results = [result for result in (_decay(runs), results_of(runs)) if result is not None]
    return {key: _mean([_share(_codes(runs[key]), result) for result in results]) for key in keys}


def _mean(shares: Sequence[float]) -> float:
    """The mean of those that are known."""
    known = [share for share in shares if not np.isnan(share)]
    return float(np.mean(known)) if known else float("nan")


def _share(codes: np.ndarray, result: Numbers) -> float:
    """ε² of one result among the groups of one setting; NaN without a degree of freedom."""
    there = np.isfinite(result)
    codes, result = codes[there], result[there]
    _, codes = np.unique(codes, return_inverse=True)
    groups, count = int(codes.max(initial=-1)) + 1, len(result)
    if groups < 2 or count <= groups or np.ptp(result) == 0:
        return float("nan")
    total = float(((result - result.mean()) ** 2).sum())
    means = np.bincount(codes, result) / np.bincount(codes)
    within = float(((result - means[codes]) ** 2).sum())
    return float(np.clip(1 - within / total * (count - 1) / (count - groups), 0, 1))


def _codes(column: pd.Series) -> np.ndarray:
    """A setting as numbers of groups; many numbers are taken together in fifths."""
    if _is_numeric(column) and column.nunique() > MOST_LEVELS:
        return np.asarray(pd.qcut(column, 5, labels=False, duplicates="drop").fillna(-1))
    return pd.factorize(column.astype(str))[0]


def _decay(runs: pd.DataFrame) -> Numbers | None:
    return numbers(runs["grad_decay"]) if "grad_decay" in runs else None


def results_of(runs: pd.DataFrame) -> Numbers | None:
    """The final accuracy, or the log of the loss; a run that diverged is as bad as the worst."""
    diverged = runs["status"].to_numpy() == DIVERGED if "status" in runs else False
    for column in RESULTS:
        result = numbers(runs[column]) if column in runs else np.empty(0)
        if np.isfinite(result).any():
            with np.errstate(all="ignore"):
                result = result if "accuracy" in column else -np.log(result)
            result = np.where(diverged, np.nan, result)
            finite = result[np.isfinite(result)]
            worst = finite.min() if len(finite) else 0.0
            return np.where(np.isfinite(result), result, worst)
    return None


def _first(wanted: str, ranked: Sequence[str], taken: set[str | None]) -> str | None:
    """A setting by preference, else the one that explains most, of those not taken."""
    free = [key for key in ranked if key not in taken]
    return wanted if wanted in free else next(iter(free), None)


def _is_numeric(column: pd.Series) -> bool:
    kind = pd.api.types
    return bool(kind.is_numeric_dtype(column) and not kind.is_bool_dtype(column))


def _why(
    x: str | None,
    hue: str | None,
    facet: str | None,
    shares: Mapping[str, float],
    asked: Sequence[str],
    has_init: bool,
) -> str:
    if not shares:
        return "The runs differ in nothing but their seeds."
    places = [f"{x} goes to the right"] if x else []
    places += [f"{hue} has the colours"] if hue and hue != x else []
    places += ["init has the line styles"] if has_init and hue != "init" and x != "init" else []
    places += [f"{facet} has panels of its own"] if facet else []
    by = f" (as asked: {', '.join(f'--{flag}' for flag in asked)})" if asked else ""
    return f"{_told(shares)} {listed(places or ['nothing is split'])}{by}."


def _told(shares: Mapping[str, float]) -> str:
    """How much each setting explains, as the beginning of what follows from it."""
    known = {key: share for key, share in shares.items() if not np.isnan(share)}
    unknown = [key for key in shares if key not in known]
    if not known:
        return "How much of the results a setting explains cannot be told from these runs. Here"
    ranked = sorted(known.items(), key=lambda pair: -pair[1])
    told = [f"{key} {100 * share:.0f} %" for key, share in ranked[:MOST_NAMED]]
    rest = len(ranked) - len(told)
    told += [f"{rest} more less each"] if rest else []
    few = unknown if len(unknown) <= MOST_NAMED else [f"{len(unknown)} others"]
    but = f"; of {listed(few)} it cannot be told from these runs" if unknown else ""
    return (
        f"Share of the variance of gradient decay and final result that each setting explains by "
        f"itself: {', '.join(told)}{but}. So"
    )


def _check(asked: Mapping[str, str | None], runs: pd.DataFrame, keys: Sequence[str]) -> None:
    """Refuse what does not differ, and a setting that is to have two places."""
    placed: dict[str, str] = {}
    for flag, key in asked.items():
        if key is None:
            continue
        if key not in keys:
            raise ConfigError(f"{flag} {key}: {_refusal(key, runs, keys)}")
        if key in placed:
            free = [other for other in keys if other not in asked.values()]
            others = f" These are free: {', '.join(free)}." if free else ""
            raise ConfigError(f"{flag} {key}: {placed[key]} has it already.{others}")
        placed[key] = flag


def _refusal(key: str, runs: pd.DataFrame, keys: Sequence[str]) -> str:
    """Why a setting cannot have a place, and which can."""
    these = f"These differ: {', '.join(keys)}." if keys else "No setting differs in these runs."
    if key in APART:
        return f"runs that differ in it alone are taken together, as one arm. {these}"
    if key not in setting_columns(runs):
        return f"no setting has that name.{did_you_mean(key, keys) if keys else f' {these}'}"
    if runs[key].nunique() > 1 or runs[key].isna().any():
        return f"it follows from another setting, which some runs have otherwise. {these}"
    return f"it is the same in all runs. {these}"
