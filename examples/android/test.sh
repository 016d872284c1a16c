#!/usr/bin/env bash
# Compiles the sample without Gradle, and tests `core` on the JVM. All of `core` is compiled, and of `app`
# what uses no Compose: that against `stubs`, which have the signatures of Android and LiteRT alone. The program by
# which the file of an export is checked on a phone runs too, on what Python recorded of LiteRT (`golden`).
set -euo pipefail
cd "$(dirname "$0")"
JUNIT=${JUNIT:-/usr/share/java/junit4.jar:/usr/share/java/hamcrest.jar}

if ! command -v javac > /dev/null; then
  echo 'error: no JDK; install version 17 or newer (Debian: openjdk-17-jdk-headless).' >&2
  exit 1
fi
# Android's org.json.
JSON=${JSON:-/usr/share/java/com.android.json.jar}
for jar in ${JUNIT//:/ } "$JSON"; do
  if [ ! -e "$jar" ]; then
    echo "error: $jar: no such file; install JUnit 4 (Debian: junit4) and Android's org.json (Debian:" \
      "libandroid-json-java), or set JUNIT and JSON to their jars." >&2
    exit 1
  fi
done

lib=node_modules/kotlin-compiler/lib
coroutines=$lib/kotlinx-coroutines-core-jvm.jar
testing=$lib/kotlin-test.jar:$lib/kotlin-test-junit.jar:$JUNIT
build=build/without-gradle
rm -rf $build
mkdir -p $build/stubs
compile() {
  local classes=$1 path=$2
  shift 2
  node_modules/kotlin-compiler/bin/kotlinc-jvm -no-reflect -jvm-target 17 -cp "$path" -d "$build/$classes" "$@"
}

compile core "$coroutines" -Werror core/src/main/kotlin
find stubs -name '*.java' -print0 | xargs -0 javac -nowarn -d $build/stubs
compile stubs $build/stubs -nowarn stubs
compile app "$build/core:$build/stubs:$coroutines" -Werror app/src/main/kotlin/drgn/app/*.kt
echo 'compiled: core, and of app all but its screens (ui), which need Gradle'
compile test "$build/core:$coroutines:$testing" -Werror "-Xfriend-paths=$build/core" core/src/test/kotlin

classes=$(cd core/src/test/kotlin && ls drgn/core/*Test.kt | sed 's/\.kt$//; s|/|.|g')
libraries=$PWD/$lib/kotlin-stdlib.jar:$PWD/$coroutines:$PWD/$lib/kotlin-test.jar:$PWD/$lib/kotlin-test-junit.jar:$JUNIT
compile golden "$JSON:$testing" -Werror golden ../../exports/golden_checks/check.kt
java -cp "$build/golden:$JSON:$libraries" org.junit.runner.JUnitCore GoldenTest
here=$PWD
cd core
exec java -cp "$here/$build/core:$here/$build/test:$libraries" org.junit.runner.JUnitCore $classes
