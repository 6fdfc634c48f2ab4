"""Finds the user's functions in this process."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle

from autotuner.errors import UserCodeError
from autotuner.measure.messages import Origin
from autotuner.measure.target import Target
from autotuner.tfdata.function_modules import global_address
from autotuner.worker.tracebacks import user_traceback


def load(target: Target) -> Callable[..., Any]:
    """The live function of a target.

    Raises:
        UserCodeError: its module fails to import, has no such name, or the name is not callable.
    """
    try:
        function = _find(target)
    except UserCodeError:
        raise
    except BaseException as error:
        raise UserCodeError(
            f"importing {target.location} fails: {type(error).__name__}: {error}",
            "run the file with Python to see it alone",
            user_traceback(error),
        ) from error
    if not callable(function):
        raise UserCodeError(f"{target} is {type(function).__name__}, not a function", "name the function itself")
    return function


def _find(target: Target) -> Any:
    match target.kind:
        case "pickle":
            return cloudpickle.loads(Path(target.location).read_bytes())
        case "file":
            return _attribute(_from_file(target.location), target)
        case "module":
            return _attribute(importlib.import_module(target.location), target)


def origin(target: Target) -> Origin | None:
    """How code imports the function of a target that was loaded."""
    if target.kind == "pickle":
        return None
    module = Path(target.location).stem if target.kind == "file" else target.location
    found = global_address(module, target.name)
    return None if found is None else Origin(found.module, found.qualname, found.import_root)


def parameters(function: Callable[..., Any]) -> str:
    """The function's parameters as source text, annotations left out.

    Raises:
        UserCodeError: a parameter has no default, so the function cannot be called.
    """
    signature = inspect.signature(function)
    plain = []
    for parameter in signature.parameters.values():
        variadic = parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}
        if parameter.default is parameter.empty and not variadic:
            raise UserCodeError(
                f"{getattr(function, '__name__', 'the function')} needs an argument for {parameter.name!r}",
                "give the parameter a default, or wrap the call in a function without parameters",
            )
        if not variadic:
            plain.append(parameter.replace(annotation=parameter.empty))
    return str(inspect.Signature(plain))[1:-1]


def _attribute(module: ModuleType, target: Target) -> object:
    value: object = module
    for part in target.name.split("."):
        if not hasattr(value, part):
            names = ", ".join(name for name, item in vars(module).items() if inspect.isfunction(item)) or "none"
            raise UserCodeError(f"{target.location} has no {target.name}", f"functions there: {names}")
        value = getattr(value, part)
    return value


def _from_file(path: str) -> ModuleType:
    """Imports a file as Python would from its own folder: siblings can be imported, ``__main__`` parts do not run."""
    name = Path(path).stem
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__file__", None) == path:
        return known  # dataset and model in one file: it runs once, as in a training
    folder = str(Path(path).parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UserCodeError(f"{path} cannot be imported", "give a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
