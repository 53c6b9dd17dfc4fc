"""A team's own features: Python files outside the project, run for this process alone.

What such a file does wrong is told in one sentence, for it is not our bug: this is the one place besides the
command line that catches everything.
"""

import hashlib
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import wraps
from importlib.abc import SourceLoader
from pathlib import Path
from typing import Any

import ibis.expr.operations as ops
import ibis.expr.types as ir

from features.errors import UsageError
from features.register import REGISTER, Feature, FeatureFile

NOTHING = "nothing was computed"
ACROSS_ROWS = (ops.Reduction, ops.Analytic, ops.WindowFunction)


def load_features(files: Sequence[Path]) -> None:
    """Register the features of files; those that are registered as they stand there are left alone.

    Raises
    ------
    UsageError
        For a file that is not there, cannot be run, or registers nothing, or what is registered already; the
        register is then as it was.
    """
    names = [path.name for path in files]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(
                f"[features] files names two files '{name}', and a version knows them by name; rename one."
            )
    for path in files:
        file = file_of(path)
        if not any(each.file == file for each in REGISTER.values()):
            _register(path, file)


def file_of(path: Path) -> FeatureFile:
    """A file as a version keeps it. Its line ends do not count."""
    return FeatureFile(path.name, hashlib.sha256(_source(path)).hexdigest())


def _source(path: Path) -> bytes:
    try:
        text = path.read_text(encoding="utf-8-sig")  # reads every line end as \n
    except FileNotFoundError:
        raise UsageError(f"[features] files: there is no file '{path}'; {NOTHING}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"[features] files: '{path}' cannot be read: {error}; {NOTHING}.") from None
    return text.rstrip().encode() + b"\n"


class _Loader(SourceLoader):
    """Runs the very text that was fingerprinted, and leaves no compiled file beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def get_filename(self, fullname: str) -> str:
        return str(self.path)

    def get_data(self, path: str) -> bytes:
        return _source(self.path)


def _register(path: Path, file: FeatureFile) -> None:
    before = dict(REGISTER)
    for name, each in before.items():
        if each.file is not None and each.file.name == file.name:  # as the file stood earlier
            del REGISTER[name]
    kept = set(REGISTER)
    name = f"leadsieve_files.{path.stem}"
    spec = importlib.util.spec_from_loader(name, _Loader(path))
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        fresh = {name: each for name, each in REGISTER.items() if name not in kept}
        if not fresh:
            raise ValueError("it registers no feature; put @feature(…) of features.register above a function")
    except (Exception, SystemExit) as error:
        REGISTER.clear()
        REGISTER.update(before)
        raise UsageError(
            f"the features of '{path}' cannot be used: {_told(error, path)}; {NOTHING}."
        ) from error
    for name, each in fresh.items():
        REGISTER[name] = replace(each, compute=_guarded(each, file), file=file)


def _told(error: BaseException, path: Path) -> str:
    """What a file did wrong, in one line, with the line of the file where it did."""
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: {error.msg}"
    lines, trace = [], error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    text = " ".join(str(error).split()).rstrip(".")
    said = text if type(error) is ValueError and text else f"{type(error).__name__}: {text}".rstrip(": ")
    return f"line {lines[-1]}: {said}" if lines else said


def _guarded(feature: Feature, file: FeatureFile) -> Any:
    """The feature's function, its mistakes told in one sentence."""
    compute = feature.compute
    who = f"feature '{feature.name}' of '{file.name}'"

    @wraps(compute)
    def guarded(*table: Any, **arguments: Any) -> ir.Value:
        try:
            value = compute(*table, **arguments)
        except Exception as error:
            told = _told(error, Path(compute.__code__.co_filename))
            raise UsageError(f"{who} cannot be computed: {told}; {NOTHING}.") from error
        trouble = _trouble(value, feature)
        if trouble:
            raise UsageError(f"{who} {trouble}; {NOTHING}.")
        return value

    return guarded


def _trouble(value: Any, feature: Feature) -> str:
    """Why a value is none that a feature can have; empty if it is one."""
    if not isinstance(value, ir.Value):
        return f"gives a {type(value).__name__}, and a feature gives an Ibis expression over the table it is handed"
    kind = value.type()
    fits = kind.is_string() if feature.kind == "category" else kind.is_numeric() or kind.is_boolean()
    if not fits:
        return f'is declared as a {feature.kind} and gives {kind}; cast it, or say kind="{_other(feature)}"'
    if feature.of == "events":
        return (
            ""
            if isinstance(value, ir.Scalar)
            else "gives a value for each event; aggregate them, as in .sum()"
        )
    if value.op().find(ACROSS_ROWS):
        return (
            "reads other leads' rows, whose later ones were not known; it may only read the row's own columns"
        )
    return ""


def _other(feature: Feature) -> str:
    return "number" if feature.kind == "category" else "category"
