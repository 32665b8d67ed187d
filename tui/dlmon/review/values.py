"""What an expression may be: a library's object, what a library made, an object of the user's class, or unknown."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from pathlib import Path

from dlmon.review.calls import default, harmless, may_bind, passed, returns
from dlmon.review.flow import EACH, ENTERED, Definition
from dlmon.review.kinds import UNKNOWN, Klass, Library, Made, Object, Routine, Unknown, Value, Values, Written
from dlmon.review.project import MOST_HOPS, Project, canonical
from dlmon.review.source import FUNCTIONS, Class, Function, Source, dotted, last_name, open_ended

MOST_CALLS = 40  # call sites of one function that are looked at
MOST_DEPTH = 40  # steps from one expression to the next; each takes some six frames of Python's stack
NEVER = 10**9


# Methods that give back the object they are called on, or something that stands for it.
_ITSELF = frozenset({
    "to", "cuda", "cpu", "train", "eval", "double", "float", "half", "bfloat16", "requires_grad_", "apply",
    "share_memory", "compile", "type", "to_empty", "xpu", "mps",
})  # fmt: skip
# Functions that give back their first argument, wrapped.
_WRAPPED = frozenset({
    "torch.compile", "torch.nn.DataParallel", "torch.nn.parallel.DistributedDataParallel", "copy.deepcopy", "copy.copy",
    "torch.jit.script", "torch.nn.SyncBatchNorm.convert_sync_batchnorm", "torch.nn.parallel.DataParallel",
    "torch.distributed.fsdp.FullyShardedDataParallel", "builtins.iter", "tqdm.tqdm", "tqdm.auto.tqdm",
})  # fmt: skip
_PREPARED = frozenset({"prepare", "setup", "prepare_model", "prepare_data_loader", "prepare_optimizer", "setup_module"})


class Resolver:
    """Looks up values, across functions and local modules. Answers are remembered; cycles and long ways end in
    UNKNOWN."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._known: dict[tuple[int, int], Values] = {}
        self._going: dict[tuple[int, int], int] = {}
        self._lowest = NEVER
        self._callers: dict[Function, list[tuple[Source, ast.Call, bool]]] = {}
        self._returns: dict[Function, list[ast.expr | None]] = {}
        self._families: dict[Class, list[Class]] = {}

    def values(self, node: ast.expr, source: Source) -> Values:
        """Everything the expression may be, at least one; UNKNOWN among them where some ways are not understood."""
        return self._once((id(node), 0), lambda: self._look(node, source))

    def _once(self, key: tuple[int, int], look: Callable[[], Iterable[Value]]) -> Values:
        """Look once and remember. A way that leads back to where it started (`self.model = DDP(self.model)`) adds
        nothing; what was found on the way round is only remembered as incomplete."""
        if key in self._known:
            return self._known[key]
        if key in self._going:
            self._lowest = min(self._lowest, self._going[key])
            return ()
        depth = len(self._going)
        if depth > MOST_DEPTH:
            return (UNKNOWN,)
        self._going[key] = depth
        try:
            found = tuple(dict.fromkeys(look()))
        finally:
            del self._going[key]
        if self._lowest >= depth:
            self._lowest = NEVER
            found = found or (UNKNOWN,)
            self._known[key] = found
        else:
            self._known[key] = tuple(dict.fromkeys([*found, UNKNOWN]))
        return found if depth else found or (UNKNOWN,)

    def library(self, node: ast.expr, source: Source) -> str:
        """The library name that something is called by, where that is certain: "torch.nn.functional.relu"."""
        return self.project.external(node, source)

    def made(self, node: ast.expr, source: Source) -> tuple[Made, ...]:
        """What libraries made, where the expression can be nothing else."""
        found = self.values(node, source)
        return tuple(v for v in found if isinstance(v, Made)) if all(isinstance(v, Made) for v in found) else ()

    # ---- expressions

    def _look(self, node: ast.expr, source: Source) -> Iterable[Value]:
        if isinstance(node, ast.Name):
            return self._name(node, source)
        if isinstance(node, ast.Attribute):
            return self._attribute(node, source)
        if isinstance(node, ast.Call):
            return self._call(node, source)
        if isinstance(node, ast.IfExp):
            return [*self.values(node.body, source), *self.values(node.orelse, source)]
        if isinstance(node, ast.NamedExpr):
            return self.values(node.value, source)
        if isinstance(node, ast.Await):
            return (UNKNOWN,)
        if isinstance(node, ast.Lambda):
            return (Routine(source.functions[node]),)
        return (Written(node, source),)

    def _name(self, node: ast.Name, source: Source) -> Iterable[Value]:
        found = self.project.definitions(node, source)
        if found is None:
            name = self.project.external(node, source)
            return (Library(name),) if name else (UNKNOWN,)
        definitions, scope = found
        values = [value for made in definitions for value in self.defined(made, scope)]
        if scope.outer is None and node.id in scope.source.shared:
            values.append(UNKNOWN)
        return values or (UNKNOWN,)

    def defined(self, made: Definition, scope: Function) -> Values:
        """What a name has after one of its definitions."""
        if made.kind == "import":
            return self._imported(made, scope.source)
        if made.kind == "def" and isinstance(made.node, FUNCTIONS):
            function = scope.source.functions[made.node]
            return (Routine(function),) if harmless(function) else (UNKNOWN,)
        if made.kind == "class":
            return (Klass(self.project.class_of(made.node)),)
        if made.kind == "parameter":
            return self._parameter(made, scope)
        if made.value is None or made.kind == "other":
            return (UNKNOWN,)
        values: Values = self.values(made.value, scope.source)
        for step in made.path:
            values = _distinct(value for one in values for value in self._element(one, step))
        return values

    def _imported(self, made: Definition, source: Source) -> Values:
        full, inside, name = self.project.imported(made, source)
        if inside is None:
            return (Library(canonical(full)),)
        return self._of_module(inside, name) if name else (Library(f"<module>{inside.path}"),)

    def _of_module(self, inside: Source, name: str) -> Values:
        definitions = self.project.flow(inside.top).every.get(name)
        if not definitions or name in inside.shared:
            return (UNKNOWN,)
        return self._once(
            (id(definitions), 2), lambda: [value for made in definitions for value in self.defined(made, inside.top)]
        )

    def _element(self, value: Value, step: int) -> Iterable[Value]:
        """One element of a tuple (step 0, 1, …), or what a loop over the value or `with` gives."""
        if isinstance(value, Written) and isinstance(value.node, (ast.Tuple, ast.List)):
            items = value.node.elts
            if any(isinstance(item, ast.Starred) for item in items):
                return (UNKNOWN,)
            if step == EACH:
                return [found for item in items for found in self.values(item, value.source)]
            if 0 <= step < len(items):
                return self.values(items[step], value.source)
        if isinstance(value, Made) and step == ENTERED:
            return (value,)
        if isinstance(value, Made) and step >= 0 and value.name.rpartition(".")[2] in _PREPARED:
            arguments = value.call.args
            if step < len(arguments) and not any(isinstance(item, ast.Starred) for item in arguments):
                return self.values(arguments[step], value.source)
        return (UNKNOWN,)

    def _attribute(self, node: ast.Attribute, source: Source) -> Iterable[Value]:
        found: list[Value] = []
        for base in self.values(node.value, source):
            found.extend(self.member(base, node.attr))
        return found

    def member(self, base: Value, name: str) -> Values:
        """`base.name`."""
        if isinstance(base, Library):
            if base.name.startswith("<module>"):
                return self._in_local_module(base.name, name)
            return (Library(canonical(f"{base.name}.{name}")),)
        if isinstance(base, (Object, Klass)):
            return self._of_class(base, name)
        return (UNKNOWN,)

    def _in_local_module(self, base: str, name: str) -> Values:
        inside = self.project.at_path(Path(base[len("<module>") :]))
        if inside is None:
            return (UNKNOWN,)
        if name in self.project.flow(inside.top).every:
            return self._of_module(inside, name)
        folder = inside.path.parent
        below = self.project.at_path(folder / f"{name}.py") or self.project.at_path(folder / name / "__init__.py")
        return (Library(f"<module>{below.path}"),) if below is not None else (UNKNOWN,)

    def _of_class(self, base: Object | Klass, name: str) -> Values:
        for cls in self.family(base.cls):
            if name in cls.attributes and isinstance(base, Object):
                return _distinct(
                    value
                    for expr, _, method in cls.attributes[name]
                    for value in (self.values(expr, method.source) if expr is not None else (UNKNOWN,))
                )
            if name in cls.methods:
                method = cls.methods[name]
                return (Routine(method, _me(base)),) if harmless(method) else (UNKNOWN,)
        return (UNKNOWN,)

    # ---- calls

    def _call(self, node: ast.Call, source: Source) -> Iterable[Value]:
        if isinstance(node.func, ast.Attribute) and node.func.attr in _ITSELF:
            inner = self.values(node.func.value, source)
            if any(isinstance(value, (Made, Object)) for value in inner):
                return inner
        found: list[Value] = []
        for callee in self.values(node.func, source):
            found.extend(self._result(callee, node, source))
        return found

    def _result(self, callee: Value, node: ast.Call, source: Source) -> Iterable[Value]:
        if isinstance(callee, Library):
            if callee.name in _WRAPPED and node.args and not isinstance(node.args[0], ast.Starred):
                return self.values(node.args[0], source)
            return (Made(callee.name, node, source),)
        if isinstance(callee, Klass):
            return (Object(callee.cls, node),)
        if isinstance(callee, Routine):
            return self.returned(callee.function)
        if isinstance(node.func, ast.Attribute) and node.func.attr in _PREPARED:
            if len(node.args) == 1:
                return self.values(node.args[0], source)
            return (Made(node.func.attr, node, source),)
        return (UNKNOWN,)

    def returned(self, function: Function) -> Values:
        """What a call of the function gives."""
        if isinstance(function.node, ast.Lambda):
            return self.values(function.node.body, function.source)
        results = self.results(function)
        if not results:
            return (UNKNOWN,)
        return _distinct(
            value for result in results for value in (self.values(result, function.source) if result else (UNKNOWN,))
        )

    def results(self, function: Function) -> list[ast.expr | None]:
        """The expressions that its return statements give."""
        if function not in self._returns:
            self._returns[function] = returns(function)
        return self._returns[function]

    # ---- parameters

    def _parameter(self, made: Definition, scope: Function) -> Values:
        first = scope.owner is not None and bool(scope.parameters) and made.node is scope.parameters[0]
        if first and scope.owner and not any(dotted(decorator) == "staticmethod" for decorator in scope.decorators):
            return (Object(scope.owner),)
        return self._once((id(made), 1), lambda: self._passed(made, scope))

    def _passed(self, made: Definition, scope: Function) -> Iterable[Value]:
        callers = self.callers(scope)
        if not callers:
            return (UNKNOWN,)
        found: list[Value] = []
        for source, call, bound in callers:
            value = passed(scope, made.name, call, bound)
            if value is None and open_ended(call):
                found.append(UNKNOWN)
            elif value is None:
                initial = default(scope, made.name)
                found.extend(self.values(initial, scope.source) if initial is not None else (UNKNOWN,))
            else:
                found.extend(self.values(value, source))
        return found

    def callers(self, function: Function) -> list[tuple[Source, ast.Call, bool]]:
        """The calls of a function, each with whether its first parameter is filled by itself (a method); none where
        not all of them can be seen: it is handed around as a value, decorated, or called on something unknown."""
        if function not in self._callers:
            self._callers[function] = []  # while it is being found out
            self._callers[function] = self._find_callers(function)
        return self._callers[function]

    def _find_callers(self, function: Function) -> list[tuple[Source, ast.Call, bool]]:
        init = function.owner is not None and function.name == "__init__"
        name = function.owner.name if function.owner is not None and init else function.name
        if (
            not harmless(function)
            or (function.name.startswith("__") and not init)
            or self._handed_around(function, name)
        ):
            return []
        if init and any(function.owner in self.family(c) and c is not function.owner for c in self.project.classes):
            return []  # super().__init__(…) of a subclass fills it too
        found: list[tuple[Source, ast.Call, bool]] = []
        for source, call in self.project.calls(name):
            for callee in self.values(call.func, source):
                if isinstance(callee, Routine) and callee.function is function:
                    found.append((source, call, callee.me is not None))
                elif isinstance(callee, Klass) and init and callee.cls is function.owner:
                    found.append((source, call, True))
                elif (
                    isinstance(callee, Unknown) and function.owner is not None and not init and may_bind(function, call)
                ):
                    return []
        return found if len(found) <= MOST_CALLS else []

    def _handed_around(self, function: Function, name: str) -> bool:
        """Whether the function is used as a value anywhere: `Thread(target=train)`, `map(loss, batches)`."""
        for source in self.project.sources:
            for node in [
                *source.loads.get(name, ()),
                *(source.reads.get(name, ()) if function.owner is not None else ()),
            ]:
                parent = source.parents.get(node)
                called = isinstance(parent, ast.Call) and parent.func is node
                if called or isinstance(parent, (ast.Attribute, ast.Subscript, ast.BinOp, ast.ClassDef, ast.arg)):
                    continue
                for value in self.values(node, source):
                    if isinstance(value, Routine) and value.function is function:
                        return True
                    if isinstance(value, Klass) and function.name == "__init__" and value.cls is function.owner:
                        return not (isinstance(parent, ast.Call) and last_name(parent.func) in ("super", "isinstance"))
        return False

    # ---- classes

    def family(self, cls: Class) -> list[Class]:
        """A class and its bases within the project, nearest first."""
        known = self._families.get(cls)
        if known is not None:
            return known
        found = [cls]
        for one in found:
            if len(found) > MOST_HOPS:
                break
            for base in one.node.bases:
                found.extend(
                    value.cls for value in self.values(base, one.source)
                    if isinstance(value, Klass) and value.cls not in found
                )  # fmt: skip
        self._families[cls] = found
        return found

    def outside_bases(self, cls: Class) -> list[str]:
        """The library classes it descends from; "" for each base that is not understood."""
        found: list[str] = []
        for one in self.family(cls):
            for base in one.node.bases:
                for value in self.values(base, one.source):
                    if isinstance(value, Library):
                        found.append(value.name)
                    elif not isinstance(value, Klass):
                        found.append("")
        return found


def _distinct(values: Iterable[Value]) -> Values:
    return tuple(dict.fromkeys(values)) or (UNKNOWN,)


def _me(base: Object | Klass) -> Object | None:
    return base if isinstance(base, Object) else None
