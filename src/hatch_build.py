"""Compiles the modules that every webhook passes through, with mypyc, where there is a C compiler.

``make setup`` runs this for the checkout, and the build of a wheel for what it packs. Elsewhere, or
with ``COMPILE=0``, the modules run as the Python that they are: the same, more slowly. With
``COMPILE=1`` it is an error where they cannot be compiled.

The library carries in its name what it was compiled from, so that one that has become stale shows.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = Path(__file__).resolve().parent
# Pure code, which no test patches: a compiled function calls others directly, whatever is set in
# their module. What makes closures that carry expressions runs once a mapping: it is left out.
MODULES = tuple(
    f"onehook/core/{name}.py"
    for name in (
        "bodies",
        "identity",
        "integration",
        "model",
        "routing",
        "mapping/changes",
        "mapping/coerce",
        "mapping/context",
        "mapping/dates",
        "mapping/document",
        "mapping/enums",
        "mapping/lets",
        "mapping/limits",
        "mapping/normalize",
        "mapping/paths",
        "mapping/quoting",
        "mapping/patterns",
        "mapping/tables",
        "mapping/template_values",
        "mapping/template_filters",
        "references/closing",
        "references/finding",
        "references/knowledge",
        "references/lessons",
        "references/links",
        "references/mentions",
        "references/naming",
        "references/search",
        "references/sightings",
        "references/stated",
        "references/subject",
        "references/targets",
        "references/texts",
        "references/timeline",
        "references/ticket_keys",
        "references/urls",
        "signatures/verifying",
        "signatures/signing",
        "signatures/encoding",
    )
)
# No configuration of mypy: types are checked elsewhere. Here they only have to be understood.
_MYPY = ("--config-file=", "--ignore-missing-imports", "--follow-imports=silent")
_SUFFIX = str(sysconfig.get_config_var("EXT_SUFFIX"))
_SECONDS = 600


def hindrance() -> str:
    """Why nothing can be compiled here; nothing if it can."""
    if os.environ.get("COMPILE") == "0":
        return "COMPILE is 0"
    for module in ("mypyc", "setuptools", "msgspec", "jinja2"):
        if find_spec(module) is None:
            return f"{module} is not installed"
    compiler = str(sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        return f"{compiler} is not installed"
    if not Path(sysconfig.get_paths()["include"], "Python.h").is_file():
        return "the headers of Python are not installed"
    return ""


def library() -> str:
    """The name of the library of all modules as they are now; each module's own only asks it."""
    digest = hashlib.sha256()
    for path in (Path(__file__), *(SOURCES / name for name in MODULES)):
        digest.update(path.read_bytes())
    return f"onehook_{digest.hexdigest()[:12]}"


def file_of_all() -> str:
    """The file of that library, beside the sources."""
    return f"{library()}__mypyc{_SUFFIX}"


def compiled() -> set[Path]:
    """What compiling left beside the sources, from whatever version of them."""
    return {*SOURCES.glob(f"onehook_*__mypyc{_SUFFIX}"), *SOURCES.glob(f"onehook/**/*{_SUFFIX}")}


def current() -> bool:
    """Whether what lies beside the sources was compiled from them; so it is if nothing does."""
    found = compiled()
    return not found or SOURCES / file_of_all() in found


def _build(temporary: str, folder: str) -> None:
    """Compile in this process, which setuptools and mypyc take for their own."""
    from mypyc.build import mypycify  # noqa: PLC0415 not installed where nothing is compiled
    from setuptools import setup  # noqa: PLC0415 so is this

    modules: list[Any] = mypycify(
        [*_MYPY, f"--cache-dir={temporary}/cache", *MODULES],
        opt_level="2",
        target_dir=temporary,
        group_name=library(),
    )
    places = ["--build-lib", folder, "--build-temp", temporary]
    setup(name="onehook", ext_modules=modules, script_args=["build_ext", *places], packages=[])


def in_place() -> str:
    """Compile beside the sources, instead of what lies there; what was done, in a line.

    Raises:
        SystemExit: it failed, what the compiler says being on stderr; or ``COMPILE=1`` says that
            it has to be done, and it cannot.
    """
    why = hindrance()
    if why and os.environ.get("COMPILE") == "1":
        msg = f"cannot compile: {why}"
        raise SystemExit(msg)
    if not why and compiled() and current():
        return ""
    for path in compiled():
        path.unlink()
    if why:
        return f"nothing is compiled, so all runs more slowly: {why}\n"
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as temporary:
        command = [sys.executable, __file__, "--build", temporary, folder]
        run = subprocess.run(
            command, cwd=SOURCES, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
        if run.returncode:
            sys.stderr.write(run.stdout[-4000:] + run.stderr[-4000:])
            msg = "compiling failed; COMPILE=0 goes without"
            raise SystemExit(msg)
        # The library of all comes last: while it is not there, nothing is current.
        for path in sorted(Path(folder).rglob(f"*{_SUFFIX}")):
            shutil.copy2(path, SOURCES / path.relative_to(folder))
    return f"compiled {len(MODULES)} modules\n"


class CompiledModules(BuildHookInterface[Any]):
    """Packs the compiled modules into a wheel, which is then one for this platform alone."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile; an editable installation is compiled by ``make setup``, beside its sources."""
        if version == "editable":
            return
        said = in_place()
        self.app.display_info(said.strip())
        made = {str(path): str(path.relative_to(SOURCES)) for path in compiled()}
        build_data["force_include"].update(made)
        build_data["pure_python"] = not made
        build_data["infer_tag"] = bool(made)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--build"]:
        _build(*sys.argv[2:])
    else:
        sys.stdout.write(in_place())
