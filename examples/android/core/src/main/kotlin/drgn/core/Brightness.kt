package drgn.core

import kotlin.math.pow

private const val GAMMA = 2.2
const val DARKEST = 0.02
const val BRIGHTEST = 0.95

/** Given in place of a brightness, it makes the network use its own prediction. */
const val AUTOMATIC = 0f

/**
 * The brightness, a mean luma in 0..1, that lies [stops] (EV) above another, limited to what
 * networks take.
 */
fun expose(brightness: Float, stops: Double): Float =
    (brightness * 2.0.pow(stops / GAMMA)).coerceIn(DARKEST, BRIGHTEST).toFloat()
