"""Prints TF_CONFIG, which tells a worker where all workers are and which one it is.

  export TF_CONFIG="$(python examples/tf_config.py --index=0 --port=12345 node1 node2)"

Standard library only, so that any python3 runs it.
"""

from __future__ import annotations

import argparse
import json


def tf_config(hosts: list[str], port: int, index: int) -> str:
    """Returns the value of TF_CONFIG.

    Args:
      hosts: one per worker, in the same order on all of them. The first one is the chief,
        which writes the run's files.
      port: on which every worker listens for the others.
      index: of this worker in `hosts`, from 0.

    Raises:
      ValueError: there is no such worker, or two have the same name.
    """
    if not 0 <= index < len(hosts):
        raise ValueError(f"worker {index} is not one of {len(hosts)}: {' '.join(hosts)}")
    if len(set(hosts)) < len(hosts):
        raise ValueError(f"a host is named twice: {' '.join(hosts)}")
    return json.dumps(
        {
            "cluster": {"worker": [f"{host}:{port}" for host in hosts]},
            "task": {"type": "worker", "index": index},
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("hosts", nargs="+", help="one per worker, in the same order everywhere")
    parser.add_argument("--port", type=int, required=True, help="on which all workers listen")
    parser.add_argument("--index", type=int, required=True, help="of this worker, from 0")
    options = parser.parse_args()
    try:
        print(tf_config(options.hosts, options.port, options.index))
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
