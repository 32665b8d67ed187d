"""Where in the user's own source something was called, and what the source calls it there."""

from __future__ import annotations

import ast
import linecache
import os
import sys
from types import CodeType, FrameType
from typing import Optional

from dlmon_probes.events import Where

_PACKAGES = ("site-packages", "dist-packages")
_STDLIB = os.path.dirname(os.path.abspath(os.__file__))
_OWN = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

_of_user: dict[str, bool] = {}  # by file name: hashing a code object costs 1 µs, its file name's hash is kept


def is_user_code(code: CodeType) -> bool:
    """Whether a code object comes from the user's own files: not the standard library, an installed package or us."""
    known = _of_user.get(code.co_filename)
    if known is None:
        known = _of_user[code.co_filename] = is_user_file(code.co_filename)
    return known


def is_user_file(name: str) -> bool:
    """See `is_user_code`. `exec`-ed text and REPL input count as nobody's."""
    if name.startswith("<") and name != "<stdin>" and name != "<string>":
        return False
    path = os.path.abspath(name)
    if path.startswith(_OWN + os.sep) or any(f"{os.sep}{part}{os.sep}" in path for part in _PACKAGES):
        return False
    return not path.startswith(_STDLIB + os.sep)


def user_frame(frame: Optional[FrameType]) -> Optional[FrameType]:
    """The innermost frame of the user's code from `frame` outwards."""
    known = _of_user
    while frame is not None:
        code = frame.f_code
        ours = known.get(code.co_filename)
        if ours or (ours is None and is_user_code(code)):
            return frame
        frame = frame.f_back
    return None


def caller(depth: int = 1) -> Optional[FrameType]:
    """The innermost user frame above the caller of this function. Let go of it soon: frames keep tensors alive."""
    return user_frame(sys._getframe(depth + 1))


def where(frame: Optional[FrameType]) -> Optional[Where]:
    """A frame's place, with the text of its line. None for None."""
    if frame is None:
        return None
    return place(frame.f_code, frame.f_lineno)


def place(code: CodeType, line: int) -> Where:
    return Where(os.path.abspath(code.co_filename), line, code.co_name, line_text(code.co_filename, line))


def line_text(file: str, line: int) -> str:
    """The stripped source line; "" where it cannot be read. Does not touch linecache's cache of changed files."""
    return linecache.getline(file, line).strip()


def loss_name(text: str) -> str:
    """What a backward line calls its loss: `loss_G` for `scaler.scale(loss_G / k).backward()`.

    Falls back to "loss" where no variable can be told, as in `trainer.fit(model)`.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return "loss"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            found = _loss_of_call(node)
            if found:
                return found
    return "loss"


_BACKWARD = {"backward", "manual_backward", "grad"}
_ENGINES = ("accelerator", "fabric", "engine", "autograd", "self", "amp")


def _loss_of_call(call: ast.Call) -> str:
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name not in _BACKWARD:
        return ""
    owner = _variable(function.value) if isinstance(function, ast.Attribute) else ""
    argument = _variable(call.args[0]) if call.args else ""
    if name != "backward" or not owner:
        return argument
    # `x.backward(gradient)` against `accelerator.backward(loss)`: engines and losses have telling names.
    engine = any(word in owner.lower() for word in _ENGINES) or ("loss" in argument and "loss" not in owner)
    return argument if argument and engine else owner


def _variable(node: ast.expr) -> str:
    """The variable that an expression is mostly about: through calls, sums, indexing and arithmetic."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr if node.attr != "loss" or not isinstance(node.value, ast.Name) else "loss"
    if isinstance(node, ast.Call):
        if node.args:
            return _variable(node.args[0])
        return _variable(node.func.value) if isinstance(node.func, ast.Attribute) else ""
    if isinstance(node, ast.BinOp):
        return _variable(node.left) or _variable(node.right)
    if isinstance(node, ast.Subscript):
        return _variable(node.value)
    if isinstance(node, (ast.List, ast.Tuple)) and node.elts:
        return _variable(node.elts[0])
    return ""
