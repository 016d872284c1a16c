"""Reads the pairs of a folder through the cache of decoded photos, for the test of it."""

from __future__ import annotations

import pathlib

from drgn_tf.cli import program
from drgn_tf.data.decoded_photos import read_stores
from drgn_tf.data.pairs import find_pairs


def main(argv: list[str]) -> None:
    """Reads what the arguments name: the folder of pairs, and that of the cache."""
    rows = [(pair.low, pair.high) for pair in find_pairs(pathlib.Path(argv[1]))]
    low, high = read_stores(rows, cache_dir=argv[2])
    for index in range(len(low)):
        print(low.photo(index).sum(), high.photo(index).sum())


if __name__ == "__main__":
    program.run(main, arguments=True)
