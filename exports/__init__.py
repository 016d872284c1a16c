"""From a trained network to artefacts for servers and phones, each proven equal to it."""
