"""``SummaryWriter``: what TensorBoard shows, written by tensorboardX."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, cast

import numpy as np

from flambeau.tensors.tensor import Tensor

try:
    import tensorboardX  # pyright: ignore[reportMissingTypeStubs]  # it has none
except ImportError:
    tensorboardX = None  # noqa: N816  (the package's name)

__all__ = ["SummaryWriter"]


def _plain(value: Any) -> Any:
    """A value whose tensors, also inside lists and dictionaries, are arrays of NumPy."""
    if isinstance(value, Tensor):
        array = value.detach().host()
        return np.asarray(array, np.float32) if value.dtype.name in ("bfloat16", "float16") else np.asarray(array)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in cast("list[Any]", value)]
    return value


class SummaryWriter:
    """Writes event files for TensorBoard; tensors are accepted wherever PyTorch's takes them.

    It needs tensorboardX: ``pip install "flambeau[tensorboard]"``.

    Args:
        log_dir: the folder; by default ``runs/`` with the time and the machine's name.
        comment: appended to the default folder's name.
        purge_step: events from this step on, of a run that stopped, are hidden.
        max_queue: so many events may wait to be written.
        flush_secs: how often they are written, in seconds.
        filename_suffix: appended to the files' names.

    Raises:
        ModuleNotFoundError: tensorboardX is not installed.

    Example:
        >>> import tempfile
        >>> from flambeau.utils.tensorboard import SummaryWriter
        >>> with tempfile.TemporaryDirectory() as folder, SummaryWriter(folder) as writer:
        ...     writer.add_scalar("loss", 0.5, global_step=1)

    Source: https://docs.pytorch.org/docs/stable/tensorboard.html#torch.utils.tensorboard.writer.SummaryWriter
    """

    def __init__(
        self,
        log_dir: str | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: int = 120,
        filename_suffix: str = "",
    ) -> None:
        if tensorboardX is None:
            raise ModuleNotFoundError(
                'utils.tensorboard needs tensorboardX, which is not installed: pip install "flambeau[tensorboard]"',
                name="tensorboardX",
            )
        self._writer: Any = tensorboardX.SummaryWriter(
            None if log_dir is None else str(log_dir),
            comment=comment,
            purge_step=purge_step,
            max_queue=max_queue,
            flush_secs=flush_secs,
            filename_suffix=filename_suffix,
        )
        self.log_dir: str = self._writer.logdir

    def get_logdir(self) -> str:
        """The folder the files are in."""
        return self.log_dir

    # -- numbers ---------------------------------------------------------------------------------------------------

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        new_style: bool = False,
        double_precision: bool = False,
    ) -> None:
        """A number at a step; the last two arguments are accepted, and change nothing that TensorBoard shows."""
        self._writer.add_scalar(tag, _plain(scalar_value), global_step, walltime)

    def add_scalars(
        self, main_tag: str, tag_scalar_dict: Any, global_step: int | None = None, walltime: float | None = None
    ) -> None:
        """Several numbers at a step, drawn in one chart; each gets a folder of its own."""
        self._writer.add_scalars(main_tag, _plain(tag_scalar_dict), global_step, walltime)

    def add_histogram(
        self,
        tag: str,
        values: Any,
        global_step: int | None = None,
        bins: Any = "tensorflow",
        walltime: float | None = None,
        max_bins: int | None = None,
    ) -> None:
        """How values are distributed at a step."""
        self._writer.add_histogram(tag, _plain(values), global_step, bins, walltime, max_bins)

    def add_histogram_raw(
        self,
        tag: str,
        min: Any,
        max: Any,
        num: Any,
        sum: Any,
        sum_squares: Any,
        bucket_limits: Any,
        bucket_counts: Any,
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """A histogram that is counted already."""
        numbers = [_plain(item) for item in (min, max, num, sum, sum_squares, bucket_limits, bucket_counts)]
        self._writer.add_histogram_raw(tag, *numbers, global_step, walltime)

    def add_pr_curve(
        self,
        tag: str,
        labels: Any,
        predictions: Any,
        global_step: int | None = None,
        num_thresholds: int = 127,
        weights: Any = None,
        walltime: float | None = None,
    ) -> None:
        """Precision over recall of predictions from 0 to 1, for labels of 0 and 1."""
        values = (_plain(labels), _plain(predictions))
        self._writer.add_pr_curve(tag, *values, global_step, num_thresholds, _plain(weights), walltime)

    def add_hparams(
        self,
        hparam_dict: Any,
        metric_dict: Any,
        hparam_domain_discrete: Any = None,
        run_name: str | None = None,
        global_step: int | None = None,
    ) -> None:
        """Hyperparameters and what came of them; the values a hyperparameter may have are not written."""
        hyperparameters = {key: _number(item) for key, item in hparam_dict.items()}
        metrics = {key: _number(item) for key, item in metric_dict.items()}
        self._writer.add_hparams(hyperparameters, metrics, run_name, global_step)

    # -- pictures, sounds, texts -----------------------------------------------------------------------------------

    def add_image(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "CHW",
    ) -> None:
        """A picture: floating-point numbers from 0 to 1, or uint8."""
        self._writer.add_image(tag, _plain(img_tensor), global_step, walltime, dataformats)

    def add_images(
        self,
        tag: str,
        img_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        dataformats: str = "NCHW",
    ) -> None:
        """Several pictures, side by side."""
        self._writer.add_images(tag, _plain(img_tensor), global_step, walltime, dataformats)

    def add_image_with_boxes(
        self,
        tag: str,
        img_tensor: Any,
        box_tensor: Any,
        global_step: int | None = None,
        walltime: float | None = None,
        rescale: float = 1,
        dataformats: str = "CHW",
        labels: Any = None,
    ) -> None:
        """A picture with boxes, given by their corners: x and y of two in a row."""
        arguments = (_plain(img_tensor), _plain(box_tensor), global_step, walltime, dataformats, labels)
        self._writer.add_image_with_boxes(tag, *arguments, rescale=rescale)

    def add_figure(
        self, tag: str, figure: Any, global_step: int | None = None, close: bool = True, walltime: float | None = None
    ) -> None:
        """Figures of matplotlib, as pictures."""
        self._writer.add_figure(tag, figure, global_step, close, walltime)

    def add_video(
        self, tag: str, vid_tensor: Any, global_step: int | None = None, fps: int = 4, walltime: float | None = None
    ) -> None:
        """Moving pictures: ``(N, T, C, H, W)``; it needs moviepy."""
        self._writer.add_video(tag, _plain(vid_tensor), global_step, fps, walltime)

    def add_audio(
        self,
        tag: str,
        snd_tensor: Any,
        global_step: int | None = None,
        sample_rate: int = 44100,
        walltime: float | None = None,
    ) -> None:
        """A sound: numbers from -1 to 1; it needs soundfile."""
        self._writer.add_audio(tag, _plain(snd_tensor), global_step, sample_rate, walltime)

    def add_text(
        self, tag: str, text_string: str, global_step: int | None = None, walltime: float | None = None
    ) -> None:
        """A text."""
        self._writer.add_text(tag, text_string, global_step, walltime)

    def add_embedding(
        self,
        mat: Any,
        metadata: Any = None,
        label_img: Any = None,
        global_step: int | None = None,
        tag: str = "default",
        metadata_header: Any = None,
    ) -> None:
        """Points in many dimensions, a row each, with labels and small pictures."""
        self._writer.add_embedding(_plain(mat), metadata, _plain(label_img), global_step, tag, metadata_header)

    def add_mesh(
        self,
        tag: str,
        vertices: Any,
        colors: Any = None,
        faces: Any = None,
        config_dict: Any = None,
        global_step: int | None = None,
        walltime: float | None = None,
    ) -> None:
        """Bodies in space, or clouds of points."""
        values = (_plain(vertices), _plain(colors), _plain(faces))
        self._writer.add_mesh(tag, *values, config_dict, global_step, walltime)

    def add_custom_scalars(self, layout: Any) -> None:
        """Which numbers are drawn together."""
        self._writer.add_custom_scalars(layout)

    # -- what is not there -----------------------------------------------------------------------------------------

    def add_graph(self, *args: Any, **kwargs: Any) -> None:
        """Not supported: a model is not traced into TensorFlow's graphs.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(
            "SummaryWriter.add_graph is not supported: a model is not traced into a graph; print(model) shows it"
        )

    def add_tensor(self, *args: Any, **kwargs: Any) -> None:
        """Not supported: tensorboardX does not write whole tensors.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("SummaryWriter.add_tensor is not supported: use add_histogram, or flambeau.save")

    def add_onnx_graph(self, *args: Any, **kwargs: Any) -> None:
        """Not supported: there is no ONNX.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("SummaryWriter.add_onnx_graph is not supported: nothing here reads ONNX files")

    # -- the files -------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write what waits."""
        self._writer.flush()

    def close(self) -> None:
        """Write what waits, and close the files."""
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _number(value: Any) -> Any:
    """A tensor of one element as a Python number; anything else as it is."""
    return value.item() if isinstance(value, Tensor) else value
