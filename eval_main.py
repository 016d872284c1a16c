"""Measures a trained network: the command drgn-eval, for a checkout that is not installed."""

from drgn_tf.cli.evaluate import run

if __name__ == "__main__":
    run()
