package android.content;

import android.database.Cursor;
import android.net.Uri;
import java.io.FileNotFoundException;
import java.io.InputStream;
import java.io.OutputStream;

public abstract class ContentResolver {
    public final native Uri insert(Uri url, ContentValues values);

    public final native int update(Uri url, ContentValues values, String where, String[] arguments);

    public final native int delete(Uri url, String where, String[] arguments);

    public final native Cursor query(
            Uri url, String[] columns, String where, String[] arguments, String order);

    public final native InputStream openInputStream(Uri url) throws FileNotFoundException;

    public final native OutputStream openOutputStream(Uri url) throws FileNotFoundException;
}
