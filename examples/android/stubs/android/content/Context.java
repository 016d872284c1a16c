package android.content;

import android.content.res.AssetManager;
import java.io.File;

public abstract class Context {
    public native AssetManager getAssets();

    public native File getCacheDir();

    public native ContentResolver getContentResolver();

    public final native <T> T getSystemService(Class<T> service);
}
