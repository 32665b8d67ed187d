"""Which assignments a name may stand for at each place of one scope (reaching definitions)."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dlmon.review.source import FUNCTIONS, Function

EACH = -1  # a step of a path: one element of what is iterated
ENTERED = -2  # what `with value as name` gives


@dataclass(eq=False)
class Definition:
    """A name gets a value. path: how to get there from `value`: positions of tuples, EACH, ENTERED.

    value is None where there is nothing to look at. kind: assign, for, with, parameter, import, def, class, augment,
    comprehension, other.
    """

    name: str
    node: ast.AST
    value: ast.expr | None
    kind: str
    path: tuple[int, ...] = ()


class _Env:
    """Names to definitions; an inner one holds only what differs, so that branches of long modules stay cheap."""

    __slots__ = ("ended", "outer", "own")

    def __init__(self, outer: _Env | None = None) -> None:
        self.outer = outer
        self.own: dict[str, tuple[Definition, ...]] = {}
        self.ended = False

    def get(self, name: str) -> tuple[Definition, ...]:
        env: _Env | None = self
        while env is not None:
            if name in env.own:
                return env.own[name]
            env = env.outer
        return ()


class Flow:
    """uses: the definitions that each loaded name may come from; a name that is not bound in this scope is absent.
    every: all definitions in the scope by name. order: position of each definition in the text."""

    def __init__(self, function: Function) -> None:
        self.uses: dict[ast.Name, tuple[Definition, ...]] = {}
        self.every: dict[str, list[Definition]] = {}
        self._made: dict[ast.AST, list[Definition]] = {}
        self._global = _global_names(function.body)
        env = _Env()
        for parameter in _all_parameters(function.node):
            self._bind(env, [self._define(parameter.arg, parameter, None, "parameter")])
        if isinstance(function.node, ast.Lambda):
            self._expression(function.node.body, env)
        self._block(function.body, env)

    # ---- statements

    def _block(self, body: Iterable[ast.stmt], env: _Env) -> None:
        for statement in body:
            self._statement(statement, env)

    def _statement(self, node: ast.stmt, env: _Env) -> None:
        if isinstance(node, ast.If):
            self._if(node, env)
        elif isinstance(node, (ast.For, ast.AsyncFor)):
            self._expression(node.iter, env)
            self._loop(node.body, node.orelse, env, self._targets(node.target, node.iter, "for", (EACH,)))
        elif isinstance(node, ast.While):
            self._loop([ast.Expr(node.test), *node.body], node.orelse, env, [])
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                self._expression(item.context_expr, env)
                if item.optional_vars is not None:
                    self._bind(env, self._targets(item.optional_vars, item.context_expr, "with", (ENTERED,)))
            self._block(node.body, env)
        elif isinstance(node, ast.Try) or type(node).__name__ == "TryStar":
            self._try(node, env)
        elif isinstance(node, ast.Match):
            self._expression(node.subject, env)
            self._branches([case.body for case in node.cases] + [[]], env)
        else:
            self._simple(node, env)

    def _simple(self, node: ast.stmt, env: _Env) -> None:
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            for part in node.decorator_list:
                self._expression(part, env)
            if isinstance(node, ast.ClassDef):
                for part in node.bases:
                    self._expression(part, env)
            else:
                for part in [*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)]:
                    self._expression(part, env)
        else:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.expr):
                    self._expression(child, env)
        self._bind(env, self._defined_by(node), weak=isinstance(node, ast.Delete))
        if isinstance(node, (ast.Return, ast.Raise, ast.Continue, ast.Break)):
            env.ended = True

    def _defined_by(self, node: ast.stmt) -> list[Definition]:
        if isinstance(node, ast.Assign):
            return [made for target in node.targets for made in self._targets(target, node.value, "assign", ())]
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            return self._targets(node.target, node.value, "assign", ())
        if isinstance(node, ast.AugAssign):
            return self._targets(node.target, None, "augment", ())
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return [self._define(node.name, node, None, "def")]
        if isinstance(node, ast.ClassDef):
            return [self._define(node.name, node, None, "class")]
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            return [
                self._define((alias.asname or alias.name).split(".")[0], alias, None, "import") for alias in node.names
            ]
        return []

    def _if(self, node: ast.If, env: _Env) -> None:
        """Chains of elif are walked without recursion: generated code has thousands."""
        arms: list[list[ast.stmt]] = []
        rest: list[ast.stmt] = [node]
        while len(rest) == 1 and isinstance(rest[0], ast.If):
            self._expression(rest[0].test, env)
            arms.append(rest[0].body)
            rest = rest[0].orelse
        self._branches([*arms, rest], env)

    def _branches(self, arms: list[list[ast.stmt]], env: _Env) -> None:
        inner = []
        for arm in arms:
            branch = _Env(env)
            self._block(arm, branch)
            inner.append(branch)
        going = [branch for branch in inner if not branch.ended]
        if not going:
            env.ended = True
            going = inner
        for name in {name for branch in going for name in branch.own}:
            merged = dict.fromkeys(made for branch in going for made in branch.get(name))
            env.own[name] = tuple(merged)

    def _loop(self, body: list[ast.stmt], orelse: list[ast.stmt], env: _Env, targets: list[Definition]) -> None:
        inner = _Env(env)
        # What the body assigns may come round from the iteration before.
        for made in self._assigned(body):
            inner.own[made.name] = tuple(dict.fromkeys([*inner.get(made.name), made]))
        self._bind(inner, targets)
        self._block(body, inner)
        for name in inner.own:
            env.own[name] = tuple(dict.fromkeys([*env.get(name), *inner.own[name]]))
        self._block(orelse, env)

    def _try(self, node: ast.stmt, env: _Env) -> None:
        body, handlers = getattr(node, "body", []), getattr(node, "handlers", [])
        after = _Env(env)
        self._block([*body, *getattr(node, "orelse", [])], after)
        branches = [after]
        for handler in handlers:
            branch = _Env(env)
            for made in self._assigned(body):
                branch.own[made.name] = tuple(dict.fromkeys([*branch.get(made.name), made]))
            if handler.name:
                self._bind(branch, [self._define(handler.name, handler, None, "other")])
            self._block(handler.body, branch)
            branches.append(branch)
        going = [branch for branch in branches if not branch.ended] or branches
        for name in {name for branch in going for name in branch.own}:
            env.own[name] = tuple(dict.fromkeys(made for branch in going for made in branch.get(name)))
        self._block(getattr(node, "finalbody", []), env)

    # ---- expressions and names

    def _expression(self, node: ast.expr, env: _Env) -> None:
        waiting: list[tuple[ast.AST, _Env]] = [(node, env)]
        while waiting:
            part, here = waiting.pop()
            if isinstance(part, ast.Name):
                if isinstance(part.ctx, ast.Load):
                    known = here.get(part.id)
                    if known:
                        self.uses[part] = known
                continue
            if isinstance(part, ast.Lambda):
                waiting.extend((default, here) for default in part.args.defaults)
                continue
            if isinstance(part, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)):
                here = _Env(here)
                for generator in part.generators:
                    self._bind(here, self._targets(generator.target, generator.iter, "comprehension", (EACH,)))
            elif isinstance(part, ast.NamedExpr):
                self._bind(env, self._targets(part.target, part.value, "assign", ()))
            waiting.extend((child, here) for child in reversed(list(ast.iter_child_nodes(part))))

    def _targets(self, target: ast.expr, value: ast.expr | None, kind: str, path: tuple[int, ...]) -> list[Definition]:
        if isinstance(target, ast.Name):
            return [self._define(target.id, target, value, kind, path)]
        if isinstance(target, ast.Starred):
            return self._targets(target.value, None, "other", ())
        if isinstance(target, (ast.Tuple, ast.List)):
            made = []
            starred = False
            for index, item in enumerate(target.elts):
                starred = starred or isinstance(item, ast.Starred)
                if not path and isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(target.elts):
                    made.extend(self._targets(item, value.elts[index], kind, ()))
                else:
                    made.extend(self._targets(item, None if starred else value, kind, (*path, index)))
            return made
        return []

    def _define(
        self, name: str, node: ast.AST, value: ast.expr | None, kind: str, path: tuple[int, ...] = ()
    ) -> Definition:
        for known in self._made.get(node, ()):
            if known.name == name:
                return known
        made = Definition(name, node, value, kind, path)
        self._made.setdefault(node, []).append(made)
        self.every.setdefault(name, []).append(made)
        return made

    def _bind(self, env: _Env, definitions: Iterable[Definition], weak: bool = False) -> None:
        for made in definitions:
            if made.name not in self._global and not weak:
                env.own[made.name] = (made,)

    def _assigned(self, body: Iterable[ast.stmt]) -> Iterator[Definition]:
        """What a block may define, at any depth but in no function inside it."""
        waiting: list[ast.AST] = list(body)
        while waiting:
            node = waiting.pop()
            if isinstance(node, (ast.For, ast.AsyncFor)):
                yield from self._targets(node.target, node.iter, "for", (EACH,))
            elif isinstance(node, (ast.With, ast.AsyncWith)):
                for item in node.items:
                    if item.optional_vars is not None:
                        yield from self._targets(item.optional_vars, item.context_expr, "with", (ENTERED,))
            elif isinstance(node, ast.NamedExpr):
                yield from self._targets(node.target, node.value, "assign", ())
            elif isinstance(node, ast.stmt):
                yield from self._defined_by(node)
            if not isinstance(node, (*FUNCTIONS, ast.ClassDef)):
                waiting.extend(ast.iter_child_nodes(node))


def _all_parameters(node: ast.AST) -> Iterator[ast.arg]:
    if isinstance(node, FUNCTIONS):
        arguments = node.args
        yield from [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        yield from (item for item in (arguments.vararg, arguments.kwarg) if item is not None)


def _global_names(body: Iterable[ast.stmt]) -> frozenset[str]:
    """Names that are declared global or nonlocal: what is assigned to them belongs to another scope."""
    found: set[str] = set()
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            found.update(node.names)
        if isinstance(node, ast.stmt) and not isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            waiting.extend(child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr))
    return frozenset(found)
