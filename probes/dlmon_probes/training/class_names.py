"""What a data set calls its classes, read off its attributes without calling anything of it."""

from __future__ import annotations

from typing import Any

ATTRIBUTES = ("classes", "class_names", "target_names", "label_names", "categories")
MOST = 1_000
LONGEST = 64  # characters of a name
DEEPEST = 4  # data sets inside one another


def class_names(dataset: Any, classes: int) -> list[str]:
    """Names of exactly `classes` classes, of a data set or of the one it is a part of; [] where it does not say."""
    thing = dataset
    for _ in range(DEEPEST):
        for name in ATTRIBUTES:
            found = _names(_attribute(thing, name))
            if len(found) == classes:
                return found
        found = _hugging_face(thing, classes)
        if found:
            return found
        thing = _attribute(thing, "dataset")
        if thing is None:
            break
    return []


def _attribute(thing: Any, name: str) -> Any:
    """From the object's own dictionary or its classes', never through a property."""
    try:
        own = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return None
    if type(own) is dict and name in own:
        return own[name]
    return next((vars(base)[name] for base in type(thing).__mro__ if name in vars(base)), None)


def _names(found: Any) -> list[str]:
    if type(found) in (list, tuple) and 1 < len(found) <= MOST and all(type(name) is str for name in found):
        return [name[:LONGEST] for name in found]
    return []


def _hugging_face(thing: Any, classes: int) -> list[str]:
    """`datasets` keeps features by column; a column of classes has the list of its names."""
    info = _attribute(thing, "_info")
    features: Any = _attribute(info, "features") if info is not None else None
    if not issubclass(type(features), dict):
        return []
    for feature in list(dict.values(features)):
        found = _names(_attribute(feature, "names")) if type(feature).__name__ == "ClassLabel" else []
        if len(found) == classes:
            return found
    return []
