"""The features. A new one is a file of this folder and is named nowhere: importing the package registers what
stands in it, in the order of the files' names, and with it the order of columns that a model learns from.
"""

from importlib import import_module
from pkgutil import iter_modules

MODULES = tuple(
    import_module(f"{__name__}.{name}") for name in sorted(each.name for each in iter_modules(__path__))
)
