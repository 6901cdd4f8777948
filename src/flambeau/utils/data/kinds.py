"""``_DatasetKind``: PyTorch's names of the two kinds of datasets."""

__all__ = ["_DatasetKind"]


class _DatasetKind:
    """Whether samples are fetched by key or from a stream.

    Attributes:
        Map: by key.
        Iterable: from a stream.
    """

    Map = 0
    Iterable = 1
