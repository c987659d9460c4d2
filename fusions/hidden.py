"""Tensors and modules that a method keeps where the optimiser, `to` and `state_dict` do not see them."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn


def unregistered(fusion: nn.Module) -> list[str]:
    """Where they hide: a sentence per attribute, with what to use in its place."""
    known = {id(x) for x in (*fusion.parameters(), *fusion.buffers(), *fusion.modules())}
    found = []
    for path, module in fusion.named_modules():
        for name, value in vars(module).items():
            if name in ("_parameters", "_buffers", "_modules"):
                continue
            hidden = [x for x in _leaves(value) if isinstance(x, Tensor | nn.Module) and id(x) not in known]
            if not hidden:
                continue
            place = f"{path}.{name}".lstrip(".")
            kind = type(value).__name__
            if any(isinstance(x, nn.Module) or x.requires_grad for x in hidden):
                found.append(
                    f"parameters in a plain {kind} are never trained ({place}); "
                    "use nn.ParameterList, nn.ModuleList or their Dicts"
                )
            else:
                found.append(
                    f"tensors in a plain {kind} are never moved or stored ({place}); use register_buffer"
                )
    return found


def _leaves(value: object) -> Iterator[object]:
    """The values inside nested lists, tuples, sets and dicts."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _leaves(item)
    else:
        yield value
