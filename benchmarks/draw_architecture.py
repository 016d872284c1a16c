"""Draws the network as it is built from its options: docs/pictures/architecture.svg.

python -m benchmarks.draw_architecture --preset=mobile
"""

from __future__ import annotations

import pathlib
from html import escape

from absl import flags

from benchmarks.report import run
from drgn_tf.files import atomic_path
from drgn_tf.models import DRGN, PRESETS, ModelOptions, macs_per_pixel, preset

_PRESET = flags.DEFINE_enum("preset", "mobile", sorted(PRESETS), "Network to draw.")
_OUTPUT = flags.DEFINE_string(
    "output",
    str(pathlib.Path(__file__).parents[1] / "docs" / "pictures" / "architecture.svg"),
    "File to write.",
)

_WIDTH, _HEIGHT = 1120, 640
_IMAGE, _LAYER, _TOLD, _LINE = "#eef3f8", "#dbe9f6", "#fbe9d0", "#41505f"


class _Drawing:
    """Boxes and arrows, in pixels from the top left."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def text(self, x: float, y: float, words: str, size: int = 13, **style: str) -> None:
        """Writes a line, centred at x unless the style says otherwise."""
        style = {"text-anchor": "middle", "fill": "#1c2730", **style}
        attributes = " ".join(f'{name}="{value}"' for name, value in style.items())
        self._parts.append(
            f'<text x="{x}" y="{y}" font-size="{size}" {attributes}>{escape(words)}</text>'
        )

    def box(
        self, x: float, y: float, width: float, height: float, lines: list[str], fill: str = _LAYER
    ) -> None:
        """Draws a box; its first line is its title."""
        self._parts.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="{fill}" '
            f'stroke="{_LINE}"/>'
        )
        start = y + height / 2 - 8 * (len(lines) - 1) + 5
        for index, line in enumerate(lines):
            bold = {"font-weight": "600"} if index == 0 else {}
            self.text(x + width / 2, start + 16 * index, line, 13 if index == 0 else 12, **bold)

    def arrow(self, *points: tuple[float, float], dashed: bool = False) -> None:
        """Draws a line through points with a head at its end."""
        path = " ".join(f"{x},{y}" for x, y in points)
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self._parts.append(
            f'<polyline points="{path}" fill="none" stroke="{_LINE}" stroke-width="1.5"{dash} '
            'marker-end="url(#head)"/>'
        )

    def svg(self, title: str) -> str:
        """Returns the file."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
            f'font-family="system-ui, sans-serif" role="img" aria-label="{escape(title)}">\n'
            '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
            f'markerHeight="7" orient="auto"><path d="M0,0 8,4 0,8z" fill="{_LINE}"/></marker>'
            f'</defs>\n<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>\n'
            + "\n".join(self._parts)
            + "\n</svg>\n"
        )


def _blocks(count: int) -> str:
    return f"{count} RCA block{'s' if count != 1 else ''}"


def _network(drawing: _Drawing, model: DRGN) -> None:
    """The whole network, from I_L to I*."""
    options = model.options
    drawing.box(20, 140, 120, 62, ["I_L", "low-light photo"], _IMAGE)
    drawing.box(520, 140, 120, 62, ["I_B = I_L - I_D", "base"], _IMAGE)
    drawing.box(980, 140, 120, 62, ["I*", "enhanced photo"], _IMAGE)
    reg = ["ReG", f"{model.refinement_generator.count_params():,} parameters"]
    drawing.box(740, 140, 170, 62, reg)
    if model.degradation_generator is None:
        drawing.arrow((140, 171), (518, 171))
    else:
        deg = ["DeG", f"{model.degradation_generator.count_params():,} parameters"]
        drawing.box(220, 140, 170, 62, deg)
        drawing.arrow((140, 171), (218, 171))
        drawing.arrow((390, 171), (518, 171))
        drawing.text(454, 163, "I_D", 13)
        drawing.arrow((80, 202), (80, 232), (580, 232), (580, 204))
    drawing.arrow((640, 171), (738, 171))
    drawing.arrow((910, 171), (978, 171))

    size = options.thumbnail_size
    drawing.box(20, 30, 120, 62, ["thumbnail", f"{size} x {size}"], _IMAGE)
    drawing.arrow((80, 140), (80, 94))
    context = ["context encoder", f"{options.context_width} values"]
    drawing.box(220, 30, 170, 62, context, _TOLD)
    drawing.arrow((140, 61), (218, 61))
    end = 825
    if model.brightness_predictor is not None:
        drawing.box(470, 30, 220, 62, ["brightness", "given, or predicted"], _TOLD)
        drawing.arrow((390, 61), (468, 61))
        start, told = (690, 580), "context and brightness,"
    else:
        start, told = (390, 305), "context,"
    drawing.arrow((start[0], 61), (end, 61), (end, 138))
    if model.degradation_generator is not None:
        drawing.arrow((start[1], 92), (start[1], 116), (305, 116), (305, 138))
    for line, words in enumerate((told, "to every channel attention")):
        drawing.text(end + 10, 98 + 16 * line, words, 12, **{"text-anchor": "start"})


def _generator(drawing: _Drawing, options: ModelOptions) -> None:
    """One generator, on its grids."""
    title = "DeG and ReG" if options.two_step else "ReG"
    drawing.text(20, 292, title, 15, **{"text-anchor": "start", "font-weight": "600"})
    drawing.text(
        140,
        292,
        "the same network with weights of their own; " * options.two_step
        + "c: channels, RCA: residual channel attention",
        12,
        **{"text-anchor": "start"},
    )
    half, width = f"{options.half_width} c", f"{options.width} c"
    grids = ("1", "1/2", "1/4")
    middle = 325 + 45 * (options.scales - 1) + 35
    for scale in range(options.scales):
        y = 325 + 90 * scale
        drawing.box(20, y, 100, 70, ["image", f"grid {grids[scale]}"], _IMAGE)
        if scale < 2:
            drawing.box(160, y, 130, 70, ["3x3, PReLU", f"{half}, grid {grids[max(1, scale)]}"])
            drawing.arrow((120, y + 35), (158, y + 35))
            strided = ["3x3, stride 2", f"PReLU, {width}"]
            drawing.arrow((290, y + 35), (318, y + 35))
        else:
            strided = ["3x3, PReLU", width]
            drawing.arrow((120, y + 35), (318, y + 35))
        drawing.box(320, y, 120, 70, strided)
        drawing.box(470, y, 130, 70, [_blocks(options.branch_blocks), f"{width}, grid 1/4"])
        drawing.arrow((440, y + 35), (468, y + 35))
        if scale + 1 < options.scales:
            drawing.arrow((70, y + 70), (70, y + 88))
            drawing.arrow((535, y + 90), (455, y + 78), (455, y + 39), dashed=True)
        drawing.arrow((600, y + 35), (615, y + 35), (615, middle), (628, middle))
    top = middle - 35
    fusion = ["1x1", _blocks(options.fusion_blocks), f"{width}, grid 1/4"]
    drawing.box(630, top, 130, 70, fusion)
    up = ["subpixel x2"]
    up += [_blocks(options.half_blocks)] if options.half_blocks else []
    drawing.box(790, top, 140, 70, [*up, f"{half}, grid 1/2"])
    drawing.box(960, top, 140, 70, ["3x3, PReLU", "subpixel x2", "3 c, grid 1"])
    drawing.arrow((760, middle), (788, middle))
    drawing.arrow((930, middle), (958, middle))
    skips = min(2, options.scales)
    drawing.arrow((225, 325), (225, 312), (860, 312), (860, top - 2), dashed=True)
    note = "dashed: added"
    if skips == 2:
        note += "; the features of both finer branches on grid 1/2 are added in the decoder"
    drawing.text(20, _HEIGHT - 18, note + ".", 12, **{"text-anchor": "start"})


def draw(options: ModelOptions) -> str:
    """Returns the figure of a network as SVG."""
    model = DRGN(options)
    model.build()
    drawing = _Drawing()
    _network(drawing, model)
    _generator(drawing, options)
    drawing.text(
        _WIDTH - 20,
        _HEIGHT - 18,
        f"{model.count_params():,} parameters, {macs_per_pixel(model):,.0f} multiply-accumulates "
        "per pixel",
        12,
        **{"text-anchor": "end"},
    )
    return drawing.svg("The Degradation-to-Refinement network")


def main() -> None:
    """Writes the figure."""
    figure = draw(preset(_PRESET.value))
    with atomic_path(pathlib.Path(_OUTPUT.value)) as partial:
        partial.write_text(figure, encoding="utf-8")
    print(f"wrote {_OUTPUT.value}")


if __name__ == "__main__":
    run(main)
