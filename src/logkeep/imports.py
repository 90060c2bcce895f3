"""Importing a library without an optional part that it would load and we never use."""

import importlib
import sys
from types import ModuleType


def import_without(name: str, optional: str) -> ModuleType:
    """The module `name`, imported as if `optional` were not installed; who needs `optional` itself still gets it.

    For libraries that take `optional` where they find it and say that they work without.
    """
    if optional in sys.modules:
        return importlib.import_module(name)
    sys.modules[optional] = None  # type: ignore[assignment]  # the documented way to make an import fail
    try:
        return importlib.import_module(name)
    finally:
        del sys.modules[optional]
