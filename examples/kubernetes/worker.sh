#!/bin/bash
# One worker of train.yaml: tells TensorFlow where all workers are, then becomes the program.
# The arguments are those of train_main.py.
set -euo pipefail

# Pod i of an Indexed Job is known as NAME-i.SERVICE; here both have one name.
hosts=()
for ((i = 0; i < WORKERS; i++)); do
  hosts+=("$JOB_NAME-$i.$JOB_NAME")
done
TF_CONFIG=$(python3 examples/tf_config.py --port=2222 --index="$JOB_COMPLETION_INDEX" "${hosts[@]}")
export TF_CONFIG

# In place of this shell, so that signals reach it.
exec "${PYTHON:-.venv/bin/python}" train_main.py "$@"
