package drgn.core

/** A photo that cannot be used; the message is a line for people, without the photo's name. */
class PhotoError(message: String) : Exception(message)
