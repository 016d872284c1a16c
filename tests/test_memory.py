from __future__ import annotations

from drgn_tf import memory


def files(root, contents: dict[str, str]) -> None:
    for name, text in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_the_least_limit_counts(tmp_path):
    assert memory.available(tmp_path) is None
    files(tmp_path, {"proc/meminfo": "MemTotal: 4000 kB\nMemAvailable:    3000 kB\n"})
    assert memory.available(tmp_path) == 3000 * 1024
    files(
        tmp_path,
        {
            "proc/self/cgroup": "0::/job/step\n",
            "sys/fs/cgroup/job/step/memory.max": "max\n",
            "sys/fs/cgroup/job/step/memory.current": "5000\n",
            "sys/fs/cgroup/job/memory.max": "20000\n",
            "sys/fs/cgroup/job/memory.current": "15000\n",
            "sys/fs/cgroup/job/memory.stat": "anon 7000\ninactive_file 2000\n",
        },
    )
    assert memory.available(tmp_path) == 7000


def test_limits_of_older_systems_count_in_containers_too(tmp_path):
    files(
        tmp_path,
        {
            "proc/self/cgroup": "3:cpu:/a\n2:memory:/outside/of/the/container\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9000\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "4000\n",
            "sys/fs/cgroup/memory/memory.stat": "total_inactive_file 1000\n",
        },
    )
    assert memory.available(tmp_path) == 6000
