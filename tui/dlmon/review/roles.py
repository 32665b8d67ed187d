"""Which calls are a backward, an optimizer's step, a clearing of gradients…: by what the receiver is, by its name
where the text does not tell."""

from __future__ import annotations

import ast
import re

from dlmon.review.kinds import Library, Made, Object, Unknown, Value
from dlmon.review.source import Class, Source, dotted, root
from dlmon.review.values import Resolver

_OPTIMIZER = re.compile(r"(^|_)(opt|optim|optimi[sz]er|sgd|adamw?)([a-z]?\d*|_.*|s|[A-Z]\w*)?$", re.IGNORECASE)
_SCHEDULER = re.compile(r"sched|warmup|lr_|_lr$|annealing", re.IGNORECASE)
_SCALER = re.compile(r"scaler", re.IGNORECASE)
_LOSS = re.compile(r"loss|criterion|^crit$", re.IGNORECASE)
SCALERS = frozenset({"torch.amp.GradScaler", "torch.cuda.amp.GradScaler", "torch.cpu.amp.GradScaler"})
_CLIPS = frozenset({"clip_grad_norm_", "clip_grad_value_", "clip_grad_norm", "clip_gradients", "clip_grads_with_norm_"})
# Unresolved callables that get an optimizer and yet touch no gradient.
_HARMLESS = frozenset({
    "print", "format", "len", "float", "int", "str", "isinstance", "save", "state_dict", "load_state_dict", "append",
    "getattr", "hasattr", "id", "repr", "info", "debug", "warning", "log", "write", "add_scalar", "set_postfix",
    "set_description", "update", "type", "enumerate", "zip", "dict", "list", "tuple", "deepcopy", "super", "range",
})  # fmt: skip
# These hold the loop themselves, or clear gradients in calls of other names.
_OWN_STEP = ("deepspeed", "colossalai", "fairscale", "apex", "ignite", "mmcv", "mmengine", "fastai", "composer")


class Roles:
    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self.engines = resolver.project.imports(*_OWN_STEP)

    # ---- what something is

    def optimizer(self, node: ast.expr, source: Source) -> bool:
        """Whether an expression is an optimizer: made by torch.optim, of a class of the project that descends from
        one, or called like one."""
        values = self._resolver.values(node, source)
        known = [value for value in values if not isinstance(value, Unknown)]
        if any(self._is_optimizer(value) for value in known):
            return True
        return not known and bool(_OPTIMIZER.search(_last(node)))

    def _is_optimizer(self, value: Value) -> bool:
        if isinstance(value, Made):
            return is_optimizer_name(value.name)
        return isinstance(value, Object) and self.optimizer_class(value.cls)

    def optimizer_class(self, cls: Class) -> bool:
        return any(is_optimizer_name(name) for name in self._resolver.outside_bases(cls))

    def plain_optimizer(self, node: ast.expr, source: Source) -> bool:
        """Whether it is certain that `step` of this does what torch's does, and no more: not a wrapper."""
        values = self._resolver.values(node, source)
        known = [value for value in values if not isinstance(value, Unknown)]
        if not known:
            return bool(_OPTIMIZER.search(_last(node))) and not self.engines
        return all(isinstance(value, Made) and is_optimizer_name(value.name) for value in known)

    def scheduler(self, node: ast.expr, source: Source) -> bool:
        values = [v for v in self._resolver.values(node, source) if not isinstance(v, Unknown)]
        if any(isinstance(v, Made) and ("lr_scheduler" in v.name or "_schedule" in v.name) for v in values):
            return True
        if any(isinstance(v, Object) and self._is_scheduler_class(v.cls) for v in values):
            return True
        return not values and bool(_SCHEDULER.search(_last(node)))

    def _is_scheduler_class(self, cls: Class) -> bool:
        return any("lr_scheduler" in name for name in self._resolver.outside_bases(cls)) or "sched" in cls.name.lower()

    def scaler(self, node: ast.expr, source: Source) -> bool:
        """Whether it is a GradScaler that is not switched off in the text."""
        values = [v for v in self._resolver.values(node, source) if not isinstance(v, Unknown)]
        if values:
            return all(isinstance(v, Made) and v.name in SCALERS for v in values)
        return bool(_SCALER.search(_last(node)))

    def loss(self, node: ast.expr, source: Source) -> str:
        """The canonical name of the loss that a call computes: "CrossEntropyLoss", "cross_entropy"; "" if none."""
        if not isinstance(node, ast.Call):
            return ""
        name = self._resolver.library(node.func, source)
        if name.startswith("torch.nn.functional."):
            short = name.rpartition(".")[2]
            return short if short in _FUNCTIONAL else ""
        names = {
            value.name.rpartition(".")[2] if isinstance(value, Made) and value.name.startswith("torch.nn.") else ""
            for value in self._resolver.values(node.func, source)
        }
        only = names.pop() if len(names) == 1 else ""
        return only if only.endswith("Loss") else ""

    # ---- what a call does

    def event(self, call: ast.Call, source: Source) -> tuple[str, str, bool] | None:
        """(kind, on what, scaled) of a call that matters to a training loop; the kinds are those of events.py."""
        name = _name(call)
        library = self._resolver.library(call.func, source)
        if library in ("torch.autograd.grad", "torch.autograd.functional.vjp", "torch.func.grad"):
            return "grad read", "", False
        if library == "torch.autograd.backward":
            return "backward", "", False
        if name in _CLIPS:
            return "clip", _parameters_of(call), False
        if not isinstance(call.func, ast.Attribute):
            return None
        return self._method(name, call.func.value, call, source)

    def _method(self, name: str, on: ast.expr, call: ast.Call, source: Source) -> tuple[str, str, bool] | None:
        text = dotted(on)
        if name in ("backward", "manual_backward"):
            return "backward", text or dotted(root(on)), self._scales(on, source)
        if name == "step":
            return self._step(on, call, source)
        if name == "zero_grad" or (name == "zero_" and "grad" in _names(on)):
            return "zero", text, False
        if name == "unscale_" or (name == "unscale_gradients"):
            return "unscale", dotted(call.args[0]) if call.args else "", False
        if name == "update" and self.scaler(on, source):
            return "update", text, False
        if name in ("train", "eval") and not self._method_of_project(call, source):
            off = bool(call.args) and isinstance(call.args[0], ast.Constant) and call.args[0].value is False
            return ("eval" if name == "eval" or off else "train"), text, False
        return None

    def _step(self, on: ast.expr, call: ast.Call, source: Source) -> tuple[str, str, bool] | None:
        if call.args and self.scaler(on, source):
            return "step", dotted(call.args[0]), True
        if self.scheduler(on, source):
            return "schedule", dotted(on), False
        if self.optimizer(on, source):
            return "step", dotted(on), False
        return None

    def _scales(self, on: ast.expr, source: Source) -> bool:
        if isinstance(on, ast.Call) and isinstance(on.func, ast.Attribute) and on.func.attr == "scale":
            return self.scaler(on.func.value, source)
        if isinstance(on, ast.Name):
            found = self._resolver.project.definitions(on, source)
            definitions = found[0] if found else ()
            return bool(definitions) and all(
                isinstance(d.value, ast.Call) and not d.path and self._scales(d.value, source) for d in definitions
            )
        return False

    def _method_of_project(self, call: ast.Call, source: Source) -> bool:
        """`trainer.train()`: a method that the project wrote, not torch's switch."""
        from dlmon.review.kinds import Routine

        return any(isinstance(value, Routine) for value in self._resolver.values(call.func, source))

    def harmless(self, call: ast.Call, source: Source) -> bool:
        """Whether a call that cannot be followed surely leaves gradients and optimizers alone."""
        name = _name(call)
        values = self._resolver.values(call.func, source)
        if name in _HARMLESS or any(isinstance(v, Library) and not v.name.startswith("<") for v in values):
            handed = any(self._hands_over(argument, source) for argument in _arguments(call))
            torch_s = any(isinstance(v, Library) and v.name.startswith(("torch.", "builtins.")) for v in values)
            return name in _HARMLESS or torch_s or not handed
        if all(isinstance(value, (Made, Object)) for value in values):
            return not any(self._hands_over(argument, source) for argument in _arguments(call))
        plain = isinstance(call.func, ast.Name) or dotted(call.func).startswith("self.")
        if plain and self._may_be_model(name, call, source):
            return True
        if isinstance(call.func, ast.Name):
            return False  # a parameter or a closure that nobody can see into
        if isinstance(call.func, ast.Attribute) and dotted(call.func.value) in ("self", "cls"):
            return False
        if re.search(r"zero|grad|hook|callback|step|backward|optim", name):
            return False
        return not any(self._hands_over(argument, source) for argument in _arguments(call))

    def _may_be_model(self, name: str, call: ast.Call, source: Source) -> bool:
        """A parameter that is called like a model or a loss and is given no optimizer."""
        if any(self._hands_over(argument, source) for argument in _arguments(call)):
            return False
        return bool(
            re.search(
                r"model|net|loss|crit|encoder|decoder|head|student|teacher|disc|gen|metric|backbone|policy|actor|embed",
                name,
                re.I,
            )
        )

    def _hands_over(self, node: ast.expr, source: Source) -> bool:
        if isinstance(node, ast.Starred):
            return True
        return dotted(node) in ("self", "trainer", "engine") or bool(dotted(node) and self.optimizer(node, source))


def is_optimizer_name(name: str) -> bool:
    """Whether a library's class is an optimizer: in torch.optim and no scheduler, or named like one elsewhere."""
    if "lr_scheduler" in name or "swa_utils" in name:
        return False
    short = name.rpartition(".")[2]
    if name.startswith("torch.optim."):
        return short[:1].isupper()
    return bool(re.search(r"(^|[a-z])(Adam|SGD|Lion|Lamb|Adafactor|RMSprop|Optimizer)", short)) and short[:1].isupper()


def _arguments(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(item.value for item in call.keywords)]


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _last(node: ast.expr) -> str:
    while isinstance(node, ast.Subscript):
        node = node.value
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _names(node: ast.expr) -> list[str]:
    return [part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)]


def _parameters_of(call: ast.Call) -> str:
    """`model` of `clip_grad_norm_(model.parameters(), 1.0)`."""
    first = call.args[0] if call.args else None
    if isinstance(first, ast.Call) and isinstance(first.func, ast.Attribute):
        return dotted(first.func.value)
    return dotted(first) if first is not None else ""


_FUNCTIONAL = frozenset({
    "cross_entropy", "nll_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits", "mse_loss", "l1_loss",
    "smooth_l1_loss", "huber_loss", "kl_div", "hinge_embedding_loss", "margin_ranking_loss", "soft_margin_loss",
    "multi_margin_loss", "triplet_margin_loss", "poisson_nll_loss", "gaussian_nll_loss", "cosine_embedding_loss",
    "ctc_loss", "multilabel_soft_margin_loss",
})  # fmt: skip
