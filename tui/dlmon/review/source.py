"""One source file: its syntax tree, indexed once so that no rule has to walk it again."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.Module
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
LOOPS = (ast.For, ast.AsyncFor, ast.While)
_IGNORE = re.compile(r"#\s*dlmon:\s*ignore(?:\[([\w.,\s-]*)\])?")


@dataclass(eq=False)
class Function:
    """A scope in which names are bound: a function, a lambda, or a module's top level. owner: the class it is a
    method of. outer: the scope around it."""

    node: FunctionNode
    name: str
    source: Source
    outer: Function | None = None
    owner: Class | None = None

    @property
    def body(self) -> list[ast.stmt]:
        return [] if isinstance(self.node, ast.Lambda) else self.node.body

    @property
    def parameters(self) -> list[ast.arg]:
        """In order of their positions; `self` included, `*args` and `**kwargs` not."""
        if isinstance(self.node, ast.Module):
            return []
        arguments = self.node.args
        return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]

    @property
    def decorators(self) -> list[ast.expr]:
        return self.node.decorator_list if isinstance(self.node, (ast.FunctionDef, ast.AsyncFunctionDef)) else []


@dataclass(eq=False)
class Class:
    """A class statement. methods: the functions of its body; attributes: what is assigned to `self.name` in them."""

    node: ast.ClassDef
    source: Source
    scope: Function
    methods: dict[str, Function] = field(default_factory=dict)
    attributes: dict[str, list[tuple[ast.expr | None, ast.stmt, Function]]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.node.name


@dataclass(eq=False)
class Source:
    """path: absolute. name: as shown, relative to the working directory. The rest is the index: parents of nodes,
    calls by the last name of what is called, reads and stores of attributes by name, functions and classes."""

    path: Path
    name: str
    text: str
    tree: ast.Module
    lines: list[str] = field(default_factory=list)
    parents: dict[ast.AST, ast.AST] = field(default_factory=dict)
    calls: defaultdict[str, list[ast.Call]] = field(default_factory=lambda: defaultdict(list))
    reads: defaultdict[str, list[ast.Attribute]] = field(default_factory=lambda: defaultdict(list))
    stores: defaultdict[str, list[ast.Attribute]] = field(default_factory=lambda: defaultdict(list))
    loads: defaultdict[str, list[ast.Name]] = field(default_factory=lambda: defaultdict(list))
    imports: list[ast.Import | ast.ImportFrom] = field(default_factory=list)
    shared: set[str] = field(default_factory=set)  # declared `global` in some function
    functions: dict[ast.AST, Function] = field(default_factory=dict)
    classes: list[Class] = field(default_factory=list)
    ignored: dict[int, frozenset[str]] = field(default_factory=dict)

    @property
    def top(self) -> Function:
        return self.functions[self.tree]

    def line(self, number: int) -> str:
        """A line of the text, stripped; "" outside."""
        return self.lines[number - 1].strip() if 0 < number <= len(self.lines) else ""

    def scope(self, node: ast.AST) -> Function:
        """The function that a node is evaluated in. Defaults, decorators and bases belong to the scope around."""
        child = node
        while True:
            parent = self.parents.get(child)
            if parent is None:
                return self.functions[self.tree]
            if isinstance(parent, FUNCTIONS) and (child is parent.body or _in(child, parent.body)):
                return self.functions[parent]
            child = parent

    def enclosing(self, node: ast.AST, *kinds: type[ast.AST]) -> ast.AST | None:
        """The nearest node around of one of the kinds, within the same function."""
        current = self.parents.get(node)
        while current is not None and not isinstance(current, (*FUNCTIONS, ast.ClassDef)):
            if isinstance(current, kinds):
                return current
            current = self.parents.get(current)
        return None

    def statement(self, node: ast.AST) -> ast.stmt | None:
        """The innermost statement around a node, or itself."""
        current: ast.AST | None = node
        while current is not None and not isinstance(current, ast.stmt):
            current = self.parents.get(current)
        return current

    def silenced(self, id: str, line: int) -> bool:
        """Whether a `# dlmon: ignore` comment on the line, or alone on the line above, names the rule."""
        short = id.rpartition(".")[2]
        for number in (line, line - 1):
            names = self.ignored.get(number)
            if names is None or (number == line - 1 and not self.line(number).startswith("#")):
                continue
            if not names or names & {id, short}:
                return True
        return False


def _in(child: ast.AST, body: object) -> bool:
    return isinstance(body, list) and any(child is item for item in body)


def parse(path: Path, name: str, data: bytes) -> Source:
    """Read a file's bytes. Raises SyntaxError, also where the text is no text or nests too deep."""
    try:
        tree = ast.parse(data, filename=name)
    except (ValueError, RecursionError, MemoryError) as error:
        raise SyntaxError(f"{name} cannot be read as Python: {error}") from None
    text = _decoded(data)
    source = Source(path, name, text, tree, text.splitlines())
    _index(source)
    if "dlmon" in text:
        source.ignored.update(_ignored(text))
    return source


def _decoded(data: bytes) -> str:
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return data.decode(encoding, "replace")


def _index(source: Source) -> None:
    """Fill the index in one walk, without recursion: generated code nests deeper than Python's stack."""
    top = Function(source.tree, "<module>", source)
    source.functions[source.tree] = top
    waiting: list[tuple[ast.AST, Function, Class | None]] = [(source.tree, top, None)]
    while waiting:
        node, scope, owner = waiting.pop()
        inner, inner_owner = scope, owner
        if isinstance(node, FUNCTIONS):
            name = "<lambda>" if isinstance(node, ast.Lambda) else node.name
            inner = Function(node, name, source, scope, owner)
            source.functions[node] = inner
            if owner is not None and not isinstance(node, ast.Lambda):
                owner.methods[node.name] = inner
            inner_owner = None
        elif isinstance(node, ast.ClassDef):
            inner_owner = Class(node, source, scope)
            source.classes.append(inner_owner)
        else:
            _note(source, node, scope)
        children = list(ast.iter_child_nodes(node))
        for child in children:
            source.parents[child] = node
        # A stack: reversed, so that everything is met in the order of the text.
        waiting.extend((child, inner, inner_owner) for child in reversed(children))


def _note(source: Source, node: ast.AST, scope: Function) -> None:
    if isinstance(node, ast.Call):
        source.calls[last_name(node.func)].append(node)
    elif isinstance(node, ast.Attribute):
        (source.reads if isinstance(node.ctx, ast.Load) else source.stores)[node.attr].append(node)
    elif isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Load):
            source.loads[node.id].append(node)
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        source.imports.append(node)
    elif isinstance(node, ast.Global):
        source.shared.update(node.names)
    elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        _note_attributes(node, scope)


def _note_attributes(node: ast.Assign | ast.AnnAssign | ast.AugAssign, scope: Function) -> None:
    """`self.name = value` in a method, also in a tuple and in a function inside the method."""
    method: Function | None = scope
    while method is not None and method.owner is None:
        method = method.outer
    if method is None or method.owner is None or not method.parameters:
        return
    me = method.parameters[0].arg
    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
        pairs: list[tuple[ast.expr, ast.expr | None]] = [
            (target, None if isinstance(node, ast.AugAssign) else node.value)
        ]
        if isinstance(target, (ast.Tuple, ast.List)):
            values = node.value.elts if isinstance(node.value, (ast.Tuple, ast.List)) else []
            same = len(values) == len(target.elts)
            pairs = [(item, values[i] if same else None) for i, item in enumerate(target.elts)]
        for item, value in pairs:
            if isinstance(item, ast.Attribute) and isinstance(item.value, ast.Name) and item.value.id == me:
                method.owner.attributes.setdefault(item.attr, []).append((value, node, method))


def _ignored(text: str) -> dict[int, frozenset[str]]:
    """Ignore comments by line; an empty set silences every rule. Strings that look like one do not count."""
    found: dict[int, frozenset[str]] = {}
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            match = _IGNORE.search(token.string) if token.type == tokenize.COMMENT else None
            if match:
                names = (match.group(1) or "").replace(",", " ").split()
                found[token.start[0]] = frozenset(names)
    except (tokenize.TokenError, SyntaxError):
        pass
    return found


def last_name(node: ast.expr) -> str:
    """`step` of `optimizer.step`, `Linear` of `nn.Linear`; "" of what has no name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def dotted(node: ast.AST) -> str:
    """`self.model.fc` of such an expression; "" where it is more than names and dots."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([node.id, *reversed(parts)])


def root(node: ast.AST) -> ast.AST:
    """What a chain of attributes, calls and subscripts starts from: `x` of `x.a[0].b()`."""
    while isinstance(node, (ast.Attribute, ast.Call, ast.Subscript, ast.Starred)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((item.value for item in call.keywords if item.arg == name), None)


def argument(call: ast.Call, position: int, name: str) -> ast.expr | None:
    """An argument by position or by name; None also where `*args` stand in front of it."""
    for index, value in enumerate(call.args):
        if isinstance(value, ast.Starred):
            break
        if index == position:
            return value
    return keyword(call, name)


def open_ended(call: ast.Call) -> bool:
    """Whether `*args` or `**kwargs` may bring more arguments than are written."""
    return any(isinstance(a, ast.Starred) for a in call.args) or any(k.arg is None for k in call.keywords)
