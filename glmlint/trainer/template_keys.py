"""Which keys of a message axolotl believes that a chat template reads.

Read from `axolotl/prompt_strategies/jinja_template_analyzer.py` (axolotl 0.19.0). It knows the keys of
a variable that is called `message`, and hardly anything of a template whose loop uses another name.
"""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache

from jinja2 import Environment, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser


class _GenerationNames(Extension):
    """`{% generation %}` and its end are passed over."""

    tags = {"generation", "endgeneration"}  # noqa: RUF012  # as jinja2 declares it

    def parse(self, parser: Parser) -> nodes.Node:
        parser.stream.skip(1)
        return nodes.Output([])


@lru_cache(maxsize=64)
def message_keys(template: str, field: str) -> frozenset[str]:
    """The keys.

    Args:
        template: its text.
        field: the key of a row under which its messages stand.

    Raises:
        jinja2.TemplateError: it does not parse.
    """
    tree = Environment(extensions=[_GenerationNames, "jinja2.ext.loopcontrols"]).parse(template)
    keys: defaultdict[str, set[str]] = defaultdict(set)
    numbers: set[str] = set()
    aliases: dict[str, str] = {}
    for node in tree.find_all((nodes.Getattr, nodes.Getitem, nodes.Assign, nodes.Filter)):
        if isinstance(node, nodes.Assign):
            source = _base(node.node)
            if isinstance(node.target, nodes.Name) and source:
                aliases[node.target.name] = source
        elif isinstance(node, nodes.Filter):
            source = _base(node.node)
            if node.name == "selectattr" and source:
                aliases[f"filtered_{source}"] = source
        elif base := _base(node.node):  # type: ignore[attr-defined]
            if isinstance(node, nodes.Getattr):
                keys[base].add(node.attr)
            elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
                if isinstance(node.arg.value, int | float):
                    numbers.add(base)
                else:
                    keys[base].add(node.arg.value)
    found = set(keys.get("message", ()))
    waiting = [f"{field}_slice"] if field in numbers else []
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen or (name not in keys and name.endswith("_slice")):
            continue
        seen.add(name)
        found |= keys.get(name, set())
        waiting += [target for target, source in aliases.items() if source == name]
        waiting += [f"{name}_slice"] if name in numbers else []
    return frozenset(key for key in found if isinstance(key, str))


def _base(node: nodes.Node | None) -> str | None:
    """The variable that an expression starts from, as far as it only looks into it."""
    while isinstance(node, nodes.Getattr | nodes.Getitem):
        node = node.node
    return node.name if isinstance(node, nodes.Name) else None
