"""Runs drgn-train, see `drgn_tf.cli.train`."""

from drgn_tf.cli.train import run

if __name__ == "__main__":
    run()
