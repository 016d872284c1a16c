"""Exports a trained network: the command drgn-export, for a checkout that is not installed."""

from drgn_tf.cli.export import run

if __name__ == "__main__":
    run()
