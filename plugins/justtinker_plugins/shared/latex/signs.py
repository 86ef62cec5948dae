r"""Plus or minus: ``1 \pm x`` is two values."""

from __future__ import annotations

from functools import lru_cache

from justtinker_plugins.shared.latex.parse import Node
from justtinker_plugins.shared.latex.values import map_parts, nodes


def expand_signs(node: Node) -> Node:
    r"""Read ``1 \pm x`` as a list of two. All signs of one expression change together."""
    if node[0] in ("list", "set"):
        items: list[Node] = []
        for item in node[1]:
            wide = expand_signs(item)
            items.extend(wide[1] if wide[0] == "list" else (wide,))
        return (node[0], tuple(items))
    if node[0] in ("num", "tuple", "matrix", "union", "text") or not _has_signs(node):
        return node
    return ("list", (_choose_sign(node, False), _choose_sign(node, True)))


@lru_cache(maxsize=512)
def _has_signs(node: Node) -> bool:
    return any(n[0] in ("pm", "mp") for n in nodes(node))


def _choose_sign(node: Node, negative: bool) -> Node:
    if node[0] in ("pm", "mp"):
        left, right = (_choose_sign(part, negative) for part in node[1:])
        return ("add", (left, ("neg", right) if negative == (node[0] == "pm") else right))
    return map_parts(node, lambda part: _choose_sign(part, negative))
