#!/bin/bash
# One worker of train.sbatch: tells TensorFlow where all workers are, then becomes the program.
# The arguments are those of train_main.py.
set -euo pipefail

mapfile -t hosts < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
# Jobs that share a node must not share a port.
port=$((20000 + SLURM_JOB_ID % 10000))
TF_CONFIG=$(python3 examples/tf_config.py --port="$port" --index="$SLURM_PROCID" "${hosts[@]}")
export TF_CONFIG

# In place of this shell, so that signals reach it.
exec "${PYTHON:-.venv/bin/python}" train_main.py "$@"
