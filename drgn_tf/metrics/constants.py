"""Constants of the metrics, shared by all implementations."""

# Side of SSIM's Gaussian window in pixels, the smallest possible side of an image.
WINDOW = 11
# Standard deviation of the Gaussian window in pixels.
SIGMA = 1.5
# Stabilisers of the luminance and the contrast term, for a peak of 1.
C1 = 0.01**2
C2 = 0.03**2
# PSNR of identical images, in dB: infinity would dominate every mean.
HIGHEST_PSNR = 100.0
# Below a thousandth of one level of 8 bits a mean is that of a black image.
BLACK = 1e-3 / 255
