"""Adversarial losses: non-saturating, on logits (Goodfellow et al., NeurIPS 2014).

A logit z means the probability sigmoid(z) of being real; softplus(-z) = -log sigmoid(z).
"""

from __future__ import annotations

from keras import ops

from drgn_tf.tensors import Tensor


def generator_adversarial(fake_logits: Tensor) -> Tensor:
    """Returns the generator's loss: -log sigmoid(z) of generated images.

    Args:
      fake_logits: [B, 1].

    Returns:
      A scalar in nats; log 2 where the discriminator cannot distinguish them.
    """
    return ops.mean(ops.softplus(-fake_logits))


def discriminator_adversarial(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Returns the binary cross-entropy of the discriminator, real plus fake.

    Args:
      real_logits: [B, 1].
      fake_logits: [B, 1].

    Returns:
      A scalar in nats; 2 log 2 where it cannot distinguish them.
    """
    return ops.mean(ops.softplus(-real_logits)) + ops.mean(ops.softplus(fake_logits))
