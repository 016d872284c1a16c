package android.graphics;

import java.io.OutputStream;

public final class Bitmap {
    public enum CompressFormat {
        JPEG,
        PNG
    }

    public enum Config {
        ARGB_8888
    }

    public static native Bitmap createBitmap(int width, int height, Config config);

    public native int getWidth();

    public native int getHeight();

    public native void setHasAlpha(boolean has);

    public native boolean isPremultiplied();

    public native void setPremultiplied(boolean premultiplied);

    public native void getPixels(
            int[] pixels, int offset, int stride, int x, int y, int width, int height);

    public native void setPixels(
            int[] pixels, int offset, int stride, int x, int y, int width, int height);

    public native boolean compress(CompressFormat format, int quality, OutputStream stream);
}
