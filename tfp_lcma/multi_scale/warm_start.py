"""Starting a multi-scale flow from the weights of one that was trained without a split."""

from collections import defaultdict

import keras

from tfp_lcma.bijectors.flow_bijector import FlowBijector
from tfp_lcma.bijectors.names import named_variables
from tfp_lcma.multi_scale.multi_scale import MultiScale

Variables = dict[str, keras.Variable]


def warm_start(flow: MultiScale, pretrained: MultiScale) -> list[str]:
    """Gives a multi-scale flow the weights of a pre-trained one wherever their shapes agree.

    A level that has the shapes of the pre-trained level takes all of it, its data-dependent starts
    and batch statistics too. The first level does, whatever is factored out after it. Below, a flow
    with a split has fewer channels than one without: there a layer takes the pre-trained weights if
    all of its variables have their shapes, as the hidden layers of couplings' networks have. The
    rest stays as it is: layers that read or write channels, exits, and normalisations that start
    from data, which `FlowModel.fit` starts from its first batch. Where the last layers of networks
    start at zero, couplings below the first level still start as the identity.

    ```python
    import tfp_lcma as lcma

    settings = {"levels": 2, "width": 4, "blocks": 1}
    pretrained = lcma.models.real_nvp((8, 8, 1), factorization=None, **settings)
    flow = lcma.models.real_nvp((8, 8, 1), **settings)
    taken = lcma.multi_scale.warm_start(flow, pretrained)
    taken[0]  # 'level 0'
    ```

    Args:
        flow: The flow to start; its weights change.
        pretrained: A flow that is built alike, but for the split.

    Returns:
        What was taken: "level K" for a whole level, "level K: LAYER" for a layer.

    Raises:
        ValueError: If the first levels are not alike; no weight changes then.
    """
    for argument, value in (("flow", flow), ("pretrained", pretrained)):
        if not isinstance(value, MultiScale):
            raise ValueError(f"{argument} must be a MultiScale; got {type(value).__name__}.")
    levels = [
        (named_variables(own), named_variables(other))
        for own, other in zip(flow.flows, pretrained.flows, strict=False)
    ]
    differing = _differing(*levels[0])
    if differing:
        name = differing[0]
        shapes = [tuple(one[name].shape) if name in one else None for one in levels[0]]
        raise ValueError(
            "pretrained must have a first level like the flow's; they differ in "
            f"{len(differing)} variables, such as {name}: {shapes[0]} in the flow, "
            f"{shapes[1]} in pretrained."
        )
    taken = []
    for level, (own, other) in enumerate(levels):
        alike = not _differing(own, other)
        layers = {"": list(own)} if alike else _layers_alike(flow.flows[level], own, other)
        for layer, names in layers.items():
            for name in names:
                own[name].assign(other[name].value)
            taken.append(f"level {level}: {layer}" if layer else f"level {level}")
    return taken


def _differing(own: Variables, other: Variables) -> list[str]:
    """Returns the names of variables that only one of two flows has, or in another shape."""
    shapes = [{name: tuple(v.shape) for name, v in one.items()} for one in (own, other)]
    return [name for name in own | other if shapes[0].get(name) != shapes[1].get(name)]


def _layers_alike(flow: FlowBijector, own: Variables, other: Variables) -> dict[str, list[str]]:
    """Returns layers, with their variables, that have the same shapes and no start from data."""
    layers = defaultdict(list)
    for name in own:
        layers[name.rpartition(".")[0]].append(name)
    flags = {id(flag) for flag in flow.start_flags}
    starting = {name for name, variable in own.items() if id(variable) in flags}
    fresh = starting.union(_differing(own, other))
    return {layer: names for layer, names in layers.items() if fresh.isdisjoint(names)}
