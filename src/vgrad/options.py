"""The options of each verb, and what `--help` says. Imports nothing that takes time."""

from __future__ import annotations

import argparse
from dataclasses import fields
from typing import Any, NoReturn

from vgrad.errors import ConfigError, did_you_mean

VERBS = {
    "run": "train one network and record every layer",
    "sweep": "train one for each combination of values",
    "study": "answer a question: its runs, its page, and what became of its claims",
    "diagnose": "say what is wrong with runs, and what to change",
    "theory": "predict a network without training it, layer by layer",
    "report": "make a page of figures about one or more runs",
    "list": "show every activation, init, loss, optimizer, data set and model",
    "ls": "show the runs in a folder",
}
HELP = f"""\
usage: vgrad VERB …

Why does this deep network not learn? Train it, record every layer, and see.

{chr(10).join(f"  vgrad {verb:8} {what}" for verb, what in VERBS.items())}

Try: vgrad run activation=sigmoid depth=20
`vgrad VERB --help` says what a verb takes.
Completion: eval "$(vgrad -sc install=bash)", or vgrad -sc install=fish | source
"""
REFUSED = {
    "--experimental-rerun": "It runs code out of a file. Repeat the run's own command instead.",
    "--config-path": "To add config files of your own, use --config-dir=FOLDER.",
}


class Parser(argparse.ArgumentParser):
    """A verb's options; what cannot be read becomes a ConfigError."""

    def __init__(self, verb: str) -> None:
        super().__init__(prog=f"vgrad {verb}", description=VERBS[verb], allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Raise the ConfigError that says what was wrong."""
        _, _, unknown = message.partition("unrecognized arguments: ")
        if unknown.startswith("-"):
            raise self._unknown(unknown.split(" ")[0])
        raise ConfigError(f"{self.prog}: {message}. `{self.prog} --help` says what it takes.")

    def _unknown(self, word: str) -> ConfigError:
        option = word.partition("=")[0]
        options = [name for name in self._option_string_actions if name.startswith("--")]
        guess = did_you_mean(option, set(options) - REFUSED.keys())
        return ConfigError(f"{self.prog} has no option {option!r}.{guess}")


class RunParser(Parser):
    """The options of `run` and `sweep`, beside their KEY=VALUE."""

    def __init__(self, verb: str) -> None:
        super().__init__(verb)
        self.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings, see below")
        for words, more in OPTIONS.items():
            self.add_argument(*words, **more)
        if verb == "sweep":
            self.add_argument("--dry-run", action="store_true", help="only say what would be done")
        for option, why in REFUSED.items():
            self.add_argument(option, action=_Refused, metavar=why, help=argparse.SUPPRESS)

    def format_help(self) -> str:
        """The options, then the keys; these are looked up only now."""
        return f"{super().format_help()}\n{_keys()}"

    def _unknown(self, word: str) -> ConfigError:
        error, (key, _, value) = super()._unknown(word), word.lstrip("-").partition("=")
        return ConfigError(f"{error} Settings have no dashes: {key}={value or 'VALUE'}.")


class _Refused(argparse.Action):
    """An option of Hydra's programs that does harm here."""

    def __call__(self, *_: Any) -> NoReturn:
        raise ConfigError(f"{self.option_strings[0]} is not allowed. {self.metavar}")


OPTIONS: dict[tuple[str, ...], dict[str, Any]] = {
    ("--json",): {"action": "store_true", "help": "print one JSON document"},
    ("-m", "--multirun"): {"action": "store_true", "help": "the same as `vgrad sweep`"},
    ("-cd", "--config-dir"): {"metavar": "DIR", "help": "a folder of your own config files"},
    ("-cn", "--config-name"): {"metavar": "NAME", "default": "config", "help": "a file in it"},
    ("-c", "--cfg"): {"choices": ("job", "hydra", "all"), "help": "only show the config"},
    ("-p", "--package"): {"metavar": "KEY", "help": "with --cfg: only this part of it"},
    ("--resolve",): {"action": "store_true", "help": "with --cfg: put in what it refers to"},
}


def _keys() -> str:
    """The keys of a run with what they may be, or what they are by default."""
    from vgrad.config import REGISTRIES, RunConfig, key_of

    groups = [f"  {kind}={'|'.join(registry)}" for kind, registry in REGISTRIES.items()]
    plain = [
        f"  {key_of(field.name)}={'null' if field.default is None else field.default}"
        for field in fields(RunConfig)
        if field.name not in (*REGISTRIES, "name")
    ]
    return "\n".join(
        [
            "choices (`vgrad list` shows their formulas and settings, such as activation.alpha):",
            *groups,
            "",
            "keys with their defaults (name=NAME is the folder under runs/):",
            *plain,
            "",
        ]
    )
