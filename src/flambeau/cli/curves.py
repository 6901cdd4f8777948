"""A picture of a training: loss and accuracy by epoch."""

from collections.abc import Sequence
from pathlib import Path

__all__ = ["draw"]


def draw(history: Sequence[dict[str, float]], path: Path) -> None:
    """Draw the loss of the training images and the accuracy on the held-out ones into a PNG file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    epochs = range(1, len(history) + 1)
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    left.plot(epochs, [entry["loss"] for entry in history], color="#c4501b", marker="o", markersize=3)
    left.set(title="Loss on the training images", xlabel="epoch", ylabel="cross-entropy", yscale="log")
    right.plot(epochs, [entry["accuracy"] for entry in history], color="#1b5e8c", marker="o", markersize=3)
    right.set(title="Accuracy on the held-out images", xlabel="epoch")
    right.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None))
    last = history[-1]["accuracy"]
    right.annotate(f"{last:.1%}", (len(history), last), textcoords="offset points", xytext=(-4, -14), ha="right")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
