"""What disturbs learning, taken away: dropout, weight decay, the learning rate's schedule, torch.compile.

Module functions and classes are patched, right after torch's import, so that `from torch.nn.functional import dropout`
gets the patched one. Modules keep their training flags: what they say about the script stays true.
"""

from __future__ import annotations

import functools
from typing import Any, Callable

DROPOUTS = (
    "dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout",
)  # fmt: skip
RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")


def without_dropout() -> None:
    """Every dropout of torch.nn becomes the identity."""
    import torch
    from torch.nn import functional

    for name in DROPOUTS:
        original = getattr(functional, name, None)
        if original is not None:
            setattr(functional, name, _identity(original))
    attention = functional.scaled_dot_product_attention

    @functools.wraps(attention)
    def scaled_dot_product_attention(*args: Any, **kwargs: Any) -> Any:
        if len(args) > 4:
            args = (*args[:4], 0.0, *args[5:])
        elif "dropout_p" in kwargs:
            kwargs["dropout_p"] = 0.0
        return attention(*args, **kwargs)

    functional.scaled_dot_product_attention = scaled_dot_product_attention
    kernels: Any = torch._VF
    for name in RECURRENT:
        setattr(kernels, name, _recurrent(getattr(kernels, name)))


def _identity(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:  # noqa: ARG001
        return original(input, p, False, inplace)

    return dropout


def _recurrent(original: Callable[..., Any]) -> Callable[..., Any]:
    """Between layers: the only float among the arguments is dropout's probability."""

    @functools.wraps(original)
    def kernel(*args: Any) -> Any:
        return original(*(0.0 if type(value) is float else value for value in args))

    return kernel


def without_compile() -> None:
    """`torch.compile(module)` gives the module back, and `module.compile()` does nothing: compiled graphs cannot be
    read, and compiling takes longer than a stage. Compiled functions are left alone: programs that want them whole
    raise otherwise."""
    import torch

    original = torch.compile

    @functools.wraps(original)
    def compile(model: Any = None, **kwargs: Any) -> Any:
        if model is None:
            later = original(**kwargs)
            return lambda thing: thing if isinstance(thing, torch.nn.Module) else later(thing)
        return model if isinstance(model, torch.nn.Module) else original(model, **kwargs)

    compile.leaves_modules = True  # type: ignore[attr-defined]
    torch.compile = compile
    torch.nn.Module.compile = lambda *_args, **_options: None
