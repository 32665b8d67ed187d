"""The sources of a project and what their names refer to, across local imports."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from dlmon.review.flow import Definition, Flow
from dlmon.review.source import Class, Function, Source, dotted

MOST_HOPS = 12  # imports of imports, bases of bases

# One name for what torch offers under several.
_SAME = (
    ("torch.nn.modules.", "torch.nn."),
    ("torch.optim.adam.", "torch.optim."),
    ("torch.optim.adamw.", "torch.optim."),
    ("torch.optim.sgd.", "torch.optim."),
    ("torch.optim.optimizer.", "torch.optim."),
    ("torch.utils.data.dataloader.", "torch.utils.data."),
    ("torch.utils.data.dataset.", "torch.utils.data."),
    ("torch.cuda.amp.grad_scaler.", "torch.cuda.amp."),
    ("lightning.pytorch.", "pytorch_lightning."),
)
_FORWARDED = ("loss", "linear", "conv", "activation", "batchnorm", "container", "dropout", "module", "sparse", "rnn")


def canonical(name: str) -> str:
    """The one name that rules know a library's object by."""
    for prefix, short in _SAME:
        if name.startswith(prefix):
            name = short + name[len(prefix) :]
            break
    parts = name.split(".")
    if len(parts) > 3 and parts[:2] == ["torch", "nn"] and parts[2] in _FORWARDED:
        name = ".".join([*parts[:2], *parts[3:]])
    return name


class Project:
    """sources: the script first, then what it imports. unread: names of local files that are no valid Python."""

    def __init__(self, sources: Sequence[Source], roots: Sequence[Path], unread: Sequence[str] = ()) -> None:
        self.sources = tuple(sources)
        self.unread = tuple(unread)
        self._roots = tuple(roots)
        self._by_path = {source.path: source for source in sources}
        self._flows: dict[Function, Flow] = {}
        self._modules: dict[tuple[tuple[Path, ...], tuple[str, ...]], Source | None] = {}
        self._classes = {cls.node: cls for source in sources for cls in source.classes}

    @property
    def script(self) -> Source:
        return self.sources[0]

    @cached_property
    def functions(self) -> tuple[Function, ...]:
        return tuple(function for source in self.sources for function in source.functions.values())

    @cached_property
    def classes(self) -> tuple[Class, ...]:
        return tuple(self._classes.values())

    def flow(self, function: Function) -> Flow:
        known = self._flows.get(function)
        if known is None:
            known = self._flows[function] = Flow(function)
        return known

    def calls(self, *names: str) -> Iterator[tuple[Source, ast.Call]]:
        """Every call whose last name is one of these: "step" for `optimizer.step()`."""
        for source in self.sources:
            for name in names:
                for call in source.calls.get(name, ()):
                    yield source, call

    def reads(self, name: str) -> bool:
        """Whether an attribute of this name is read anywhere."""
        return any(name in source.reads for source in self.sources)

    def mentions(self, *names: str) -> bool:
        """Whether any of these is called, read as an attribute or loaded as a name anywhere."""
        return any(
            name in index for source in self.sources for name in names
            for index in (source.calls, source.reads, source.loads)
        )  # fmt: skip

    def imports(self, *packages: str) -> bool:
        """Whether any source imports one of these packages or something below them."""
        return any(name in packages or name.split(".")[0] in packages for name in self._imported)

    @cached_property
    def _imported(self) -> frozenset[str]:
        found: set[str] = set()
        for source in self.sources:
            for node in source.imports:
                if isinstance(node, ast.Import):
                    found.update(alias.name for alias in node.names)
                elif not node.level and node.module:
                    found.add(node.module)
        return frozenset(found)

    def at_path(self, path: Path) -> Source | None:
        return self._by_path.get(path)

    # ---- what names mean

    def class_of(self, node: ast.AST) -> Class:
        return self._classes[node]  # type: ignore[index]

    def definitions(self, name: ast.Name, source: Source) -> tuple[tuple[Definition, ...], Function] | None:
        """What a loaded name may come from, and the scope that binds it; None for builtins and star imports."""
        scope: Function | None = source.scope(name)
        first = True
        while scope is not None:
            flow = self.flow(scope)
            if first and name in flow.uses:
                return flow.uses[name], scope
            # Read from an inner scope, at a time that the text does not tell: any of its definitions.
            if name.id in flow.every:
                return tuple(flow.every[name.id]), scope
            scope, first = scope.outer, False
        return None

    def module(self, parts: Sequence[str], source: Source, level: int = 0) -> Source | None:
        """The local source that an import of these dotted parts reads, if there is one."""
        folders = tuple(self._roots if not level else source.path.parents[level - 1 : level])
        key = (folders, tuple(parts))
        if key not in self._modules:
            self._modules[key] = self._find_module(folders, parts)
        return self._modules[key]

    def _find_module(self, folders: Sequence[Path], parts: Sequence[str]) -> Source | None:
        for folder in folders:
            place = folder.joinpath(*parts)
            for path in (place / "__init__.py", place.with_suffix(".py") if parts else place / "__init__.py"):
                if path in self._by_path:
                    return self._by_path[path]
        return None

    def imported(self, made: Definition, source: Source) -> tuple[str, Source | None, str]:
        """Of an import's definition: the full dotted name, the local source it lies in (or None), and the name to
        look up there ("" for the module itself)."""
        statement = source.parents[made.node]
        alias = made.node
        assert isinstance(alias, ast.alias)
        if isinstance(statement, ast.Import):
            name = alias.name if alias.asname else alias.name.split(".")[0]
            return name, self.module(name.split("."), source), ""
        assert isinstance(statement, ast.ImportFrom)
        base = statement.module.split(".") if statement.module else []
        inside = self.module(base, source, statement.level)
        if statement.level or inside is not None:
            below = self.module([*base, alias.name], source, statement.level)
            if below is not None and (inside is None or alias.name not in self.flow(inside.top).every):
                return ".".join([*base, alias.name]), below, ""
            if inside is not None:
                return ".".join([*base, alias.name]), inside, alias.name
            return "." * statement.level + ".".join([*base, alias.name]), None, alias.name
        return canonical(".".join([*base, alias.name])), None, alias.name

    def external(self, node: ast.expr, source: Source, hops: int = 0) -> str:
        """The canonical dotted name of a library's object, "torch.nn.functional.cross_entropy"; "" for anything else.

        Builtins are named "builtins.print".
        """
        names = dotted(node)
        if not names or hops > MOST_HOPS:
            return ""
        first, _, rest = names.partition(".")
        start = node
        while isinstance(start, ast.Attribute):
            start = start.value
        assert isinstance(start, ast.Name)
        found = self.definitions(start, source)
        if found is None:
            return f"builtins.{names}" if first in _BUILTINS else ""
        definitions, scope = found
        if not definitions or any(made.kind != "import" for made in definitions):
            return self._alias(definitions, rest, scope, hops)
        answers = {self._import_name(made, rest, scope.source, hops) for made in definitions}
        return answers.pop() if len(answers) == 1 else ""

    def _alias(self, definitions: Sequence[Definition], rest: str, scope: Function, hops: int) -> str:
        """`Linear = nn.Linear`, once."""
        if len(definitions) != 1 or definitions[0].kind != "assign" or definitions[0].path:
            return ""
        value = definitions[0].value
        if not isinstance(value, (ast.Name, ast.Attribute)):
            return ""
        name = self.external(value, scope.source, hops + 1)
        return f"{name}.{rest}" if name and rest else name

    def _import_name(self, made: Definition, rest: str, source: Source, hops: int) -> str:
        full, inside, name = self.imported(made, source)
        if inside is None:
            return canonical(f"{full}.{rest}" if rest else full)
        if not name:
            name, _, rest = rest.partition(".")
        for other in self.flow(inside.top).every.get(name, ()):
            if other.kind == "import":
                return self._import_name(other, rest, inside, hops + 1) if hops < MOST_HOPS else ""
        return ""


_BUILTINS = frozenset(dir(builtins))
