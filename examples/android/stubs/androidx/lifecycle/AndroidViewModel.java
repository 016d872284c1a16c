package androidx.lifecycle;

import android.app.Application;

public class AndroidViewModel {
    public AndroidViewModel(Application application) {}

    protected void onCleared() {}
}
