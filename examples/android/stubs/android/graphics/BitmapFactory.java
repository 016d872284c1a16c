package android.graphics;

public class BitmapFactory {
    public static class Options {
        public boolean inJustDecodeBounds;
        public boolean inPremultiplied;
        public Bitmap.Config inPreferredConfig;
        public ColorSpace inPreferredColorSpace;
        public int outWidth;
        public int outHeight;
        public String outMimeType;
    }

    public static native Bitmap decodeByteArray(
            byte[] data, int offset, int length, Options options);
}
