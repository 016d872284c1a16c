"""Enhances photos and videos: the command drgn-enhance, for a checkout that is not installed."""

from drgn_tf.cli.enhance import run

if __name__ == "__main__":
    run()
