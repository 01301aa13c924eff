"""The project as a whole: the wheel, the imports, and documents that keep to the program."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = SETTINGS["project"]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")]


def output_of(*command: object, cwd: Path = ROOT) -> str:
    """What the command prints on standard output; its errors are shown where it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}{done.stderr}"
    return done.stdout


def code_blocks(document: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL)


def table_names(text: str) -> list[str]:
    """The names in the first column of the tables in a text."""
    return re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    output_of(sys.executable, "-m", "build", "--no-isolation", "--wheel", "-o", folder, ROOT)
    return next(folder.glob("vgrad-*.whl"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a fresh environment: the wheel, on top of what is there."""
    fresh = tmp_path_factory.mktemp("fresh")
    output_of(sys.executable, "-m", "venv", "--without-pip", fresh)
    pip = (sys.executable, "-m", "pip", "--python", fresh / "bin" / "python")
    output_of(*pip, "install", "--no-deps", "--no-index", wheel)
    # What a path file names is put on the path, and path files there are not followed: the
    # checkout, which is one of them in this environment, is not seen from the fresh one.
    here, there = (
        Path(output_of(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")[:-1])
        for python in (sys.executable, fresh / "bin" / "python")
    )
    (there / "dependencies.pth").write_text(f"{here}\n")
    return fresh / "bin"


def test_the_wheel_holds_the_package_and_the_config_folder_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    shipped = {name.removeprefix("vgrad/conf/") for name in names if name.startswith("vgrad/conf/")}
    conf = ROOT / "conf"
    assert shipped == {str(p.relative_to(conf)) for p in conf.rglob("*") if p.is_file()}
    assert {name.split("/")[0] for name in names} <= {
        "vgrad",
        "hydra_plugins",
        f"vgrad-{PROJECT['version']}.dist-info",
    }


def test_the_program_from_the_wheel_works_in_another_folder(installed, tmp_path):
    folder = tmp_path / "a folder, naïve & far"
    folder.mkdir()
    where = output_of(installed / "python", "-c", "import vgrad; print(vgrad.__file__)", cwd=folder)
    assert Path(where).is_relative_to(installed.parent)
    listed = json.loads(output_of(installed / "vgrad", "list", "--json", cwd=folder))
    assert "relu" in {entry["name"] for entry in listed["activations"]}
    output_of(installed / "vgrad", "run", "steps=2", "depth=2", "name=first", cwd=folder)
    run = json.loads((folder / "runs" / "first" / "run.json").read_text())
    assert run["status"] == "completed"
    output_of(installed / "vgrad", "report", "runs/first", cwd=folder)
    assert (folder / "runs" / "first" / "report" / "index.html").is_file()


def test_import_vgrad_alone_imports_neither_torch_nor_pandas():
    heavy = "{'torch', 'pandas', 'numpy', 'hydra', 'matplotlib'}"
    code = f"import sys, vgrad; print(sorted({heavy} & sys.modules.keys()))"
    assert output_of(sys.executable, "-c", code) == "[]\n"


def test_the_installed_version_is_the_one_that_the_changelog_speaks_of():
    versions = re.findall(r"^## \[?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert versions[0] == PROJECT["version"]


def test_every_dependency_has_its_reason_in_contributing():
    extras = [d for extra in PROJECT["optional-dependencies"].values() for d in extra]
    names = [re.split(r"[<>=\[ ]", d)[0] for d in [*PROJECT["dependencies"], *extras]]
    reasons = (ROOT / "CONTRIBUTING.md").read_text()
    assert [name for name in names if f"`{name}`" not in reasons] == []


def test_contributing_shows_the_layers_that_the_linter_checks():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    table = text.split("| module | makes |")[1].split("\n\n")[0]
    shown = [re.findall(r"`(\w+)`", line.split("|")[1]) for line in table.splitlines()[2:]]
    (contract,) = (c for c in SETTINGS["tool"]["importlinter"]["contracts"] if "layers" in c)
    assert shown == [layer.split(" | ") for layer in contract["layers"]]


def test_every_column_has_its_definition_in_the_docs():
    from vgrad.store import LAYER_COLUMNS, STEP_COLUMNS

    text = (ROOT / "docs" / "columns.md").read_text()
    layers, steps = text.split("## `layers.parquet`")[1].split("## `steps.parquet`")
    assert table_names(layers.split("### ")[0]) == list(LAYER_COLUMNS)
    assert table_names(steps) == list(STEP_COLUMNS)


def test_the_makefile_explains_every_target():
    text = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony
    explained = re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE)
    assert explained == phony[1].split()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_links_only_to_what_is_there(document):
    links = re.findall(r"\]\(([^)#\s]+)", document.read_text())
    local = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert [link for link in local if not (document.parent / link).exists()] == []


def commands_to_train() -> list[str]:
    blocks = [block for document in DOCUMENTS for block in code_blocks(document, "sh")]
    lines = "".join(blocks).splitlines()
    return sorted({line for line in lines if re.match(r"(\.venv/bin/)?vgrad run ", line)})


@pytest.mark.parametrize("command", commands_to_train())
def test_a_command_that_the_documents_show_is_understood(command, tmp_path):
    words = shlex.split(command, comments=True)[1:]
    output_of(sys.executable, "-m", "vgrad", *words, "--cfg", "job", cwd=tmp_path)


def test_an_activation_added_as_the_readme_shows_trains(tmp_path):
    (entry,) = (b for b in code_blocks(ROOT / "README.md", "python") if "ACTIVATIONS.entry" in b)
    lines = (
        "import torch",
        "from torch import Tensor",
        "from vgrad.parts.activations import ACTIVATIONS",
        entry,
        "import vgrad",
        "frames = vgrad.run(f'activation={list(ACTIVATIONS)[-1]}', 'depth=2', 'steps=2')",
        "print(frames.runs.status.item())",
    )
    script = tmp_path / "mine.py"
    script.write_text("\n".join(lines))
    assert output_of(sys.executable, script, cwd=tmp_path).endswith("completed\n")
