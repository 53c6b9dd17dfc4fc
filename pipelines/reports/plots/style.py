import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

INK, BLUE, ORANGE, GREY, PALE = "#1a1a1a", "#0072B2", "#D55E00", "#767676", "#d9d9d9"
STYLE = {
    "font.size": 9,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titlepad": 12,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "figure.dpi": 160,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.08,
    "figure.constrained_layout.w_pad": 0.08,
}


def _canvas(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height))
    return figure, figure.subplots()


def _percent(*axis) -> None:
    for one in axis:
        one.set_major_formatter(PercentFormatter(1.0, decimals=0))


def _beside(axes: Axes, x: float, labels: dict[str, tuple[float, str]], *, gap: float) -> None:
    """Write labels to the right of what they name, moved apart where they would touch; one without a height
    is left out.
    """
    lowest = np.inf
    for words, (height, color) in sorted(labels.items(), key=lambda label: -np.nan_to_num(label[1][0])):
        if np.isfinite(height):
            lowest = min(height, lowest - gap)
            axes.text(
                x, lowest, words, color=color, va="center", fontweight="bold" if color == BLUE else "normal"
            )
