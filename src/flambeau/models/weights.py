"""What all models say to ``weights=``: there is nothing to download them from."""

__all__ = ["check_weights"]


def check_weights(name: str, weights: object) -> None:
    """Raise NotImplementedError unless no weights are asked for."""
    if weights is not None and weights is not False:
        raise NotImplementedError(
            f"{name}(weights={weights!r}): weights are not downloaded; make the model without, and load a file: "
            f"model = {name}(); model.load_state_dict(flambeau.load('{name}.pth'))"
        )
