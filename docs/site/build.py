"""Builds the documentation as a site: `make docs`.

    python docs/site/build.py --output=build/site

Gathers the pages of docs/, those at the top of the repository and the model cards, adds an API
reference made from the docstrings, and has Sphinx write HTML; a warning is an error. Links are
written for people who read the files in the repository. Here they lead to the pages of the site;
what has no page, as programs and examples have none, becomes plain text.
"""

from __future__ import annotations

import argparse
import pathlib
import posixpath
import re
import shutil
import subprocess
import sys

_ROOT = pathlib.Path(__file__).parents[2]
# Title of a part of the table of contents -> its pages, as places in the repository.
_PARTS = {
    "Use": (
        "docs/enhancing.md",
        "docs/formats.md",
        "docs/videos.md",
        "docs/gallery.md",
        "docs/web.md",
        "docs/reliability.md",
    ),
    "Measure": ("docs/evaluation.md", "docs/detection.md", "docs/performance.md"),
    "Export": ("docs/android.md", "docs/serving.md", "docs/onnx.md", "docs/export_decisions.md"),
    "Train": ("docs/training.md", "docs/clusters.md", "docs/accelerators.md"),
    "Understand": (
        "docs/design.md",
        "docs/experiments.md",
        "drgn_tf/weights/mobile.md",
        "drgn_tf/weights/base.md",
    ),
    "Change": ("CONTRIBUTING.md", "docs/layout.md", "SECURITY.md", "CHANGELOG.md"),
}
# Page of the API reference -> its modules.
_REFERENCE = {
    "drgn_tf": ("api", "brightness", "errors"),
    "models": (
        "models.drgn",
        "models.options",
        "models.fusion_network",
        "models.attention",
        "models.context",
        "models.brightness",
        "models.discriminator",
        "models.loading",
        "models.cost",
    ),
    "losses": (
        "losses.objective",
        "losses.charbonnier",
        "losses.ssim",
        "losses.gaussian_kl",
        "losses.adversarial",
        "losses.auxiliary_losses",
    ),
    "metrics": (
        "metrics.batch_similarity",
        "metrics.photo_similarity",
        "metrics.colour_difference",
        "metrics.flip",
        "metrics.niqe",
        "metrics.detection",
    ),
    "data": (
        "data.options",
        "data.loading",
        "data.paired_photos",
        "data.training_data",
        "data.sampling",
        "data.dataset",
        "data.jax_sampling",
        "data.low_light_simulation",
    ),
    "training": (
        "training.run",
        "training.options",
        "training.loop",
        "training.trainer",
        "training.backend",
        "training.actions",
        "training.validation",
        "training.run_folder",
    ),
    "inference": (
        "inference.enhancer",
        "inference.tiling",
        "inference.driver",
        "inference.loading",
        "inference.network_description",
    ),
    "serving": ("serving.client", "serving.driver", "serving.transport"),
    "evaluation": (
        "evaluation.methods",
        "evaluation.baselines",
        "evaluation.columns",
        "evaluation.image_quality",
        "evaluation.detection",
    ),
    "exports": ("exports.pipeline", "exports.verification"),
}
_START = "README.md"
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")


def _place(source: str) -> str:
    """Returns where the site has a page of the repository."""
    if source == _START:
        return "index.md"
    return source.removeprefix("docs/").replace("drgn_tf/weights/", "weights/")


def led(text: str, source: str, places: dict[str, str]) -> str:
    """Returns the text of a page with links as they are in the site.

    Args:
      text: Markdown.
      source: place of the page in the repository.
      places: of pages and pictures, from the repository to the site.
    """

    def lead(match: re.Match[str]) -> str:
        image, words, target = match.groups()
        if re.match(r"[a-z]+:|#", target):
            return match[0]
        path, _, anchor = target.partition("#")
        aim = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if not (_ROOT / aim).exists():
            raise SystemExit(f"error: {source} has a link to {target}, which does not exist.")
        if aim not in places:
            return words
        link = posixpath.relpath(places[aim], posixpath.dirname(places[source]))
        return f"{image}[{words}]({link}{'#' + anchor if anchor else ''})"

    return _LINK.sub(lead, text)


def gather(folder: pathlib.Path) -> None:
    """Writes the sources of the site into a folder."""
    pages = [_START, *(source for part in _PARTS.values() for source in part)]
    left_out = {f"docs/{file.name}" for file in (_ROOT / "docs").glob("*.md")} - {*pages}
    if left_out:
        raise SystemExit(f"error: no part of the site has {', '.join(sorted(left_out))}.")
    pictures = [
        file.relative_to(_ROOT).as_posix()
        for file in (_ROOT / "docs" / "pictures").rglob("*")
        if file.suffix in (".jpg", ".png", ".svg")
    ]
    places = {source: _place(source) for source in (*pages, *pictures)}
    for source, place in places.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        if source in pictures:
            shutil.copyfile(_ROOT / source, folder / place)
            continue
        text = led((_ROOT / source).read_text(encoding="utf-8"), source, places)
        if source == _START:
            text += _contents()
        (folder / place).write_text(text, encoding="utf-8")
    (folder / "api").mkdir()
    for name, modules in _REFERENCE.items():
        lines = [name, "=" * len(name), ""]
        for module in modules:
            title = f"drgn_tf.{module}"
            lines += [title, "-" * len(title), "", f".. automodule:: {title}", ""]
        (folder / "api" / f"{name}.rst").write_text("\n".join(lines), encoding="utf-8")
    (folder / "_static").mkdir()
    for name, place in (("conf.py", "conf.py"), ("site.css", "_static/site.css")):
        shutil.copyfile(pathlib.Path(__file__).parent / name, folder / place)


def _contents() -> str:
    parts = [(title, [_place(source) for source in pages]) for title, pages in _PARTS.items()]
    parts.append(("API", [f"api/{name}" for name in _REFERENCE]))
    blocks = [
        "\n".join([f"```{{toctree}}\n:hidden:\n:caption: {title}\n", *pages, "```\n"])
        for title, pages in parts
    ]
    return "\n" + "\n".join(blocks)


def main() -> None:
    """Builds the site."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=pathlib.Path, default=_ROOT / "build" / "site")
    output = parser.parse_args().output
    sources = output.with_name(output.name + "_sources")
    shutil.rmtree(sources, ignore_errors=True)
    sources.mkdir(parents=True)
    gather(sources)
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet"]
    code = subprocess.run([*command, str(sources), str(output)], check=False).returncode
    if code:
        raise SystemExit(code)
    print(f"site: {output / 'index.html'}")


if __name__ == "__main__":
    main()
