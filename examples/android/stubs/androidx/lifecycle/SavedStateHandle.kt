package androidx.lifecycle

class SavedStateHandle {
    operator fun <T> get(key: String): T? = TODO()

    operator fun <T> set(key: String, value: T?): Unit = TODO()
}
