package android.app;

public class ActivityManager {
    public static class MemoryInfo {
        public long availMem;
    }

    public native void getMemoryInfo(MemoryInfo info);
}
