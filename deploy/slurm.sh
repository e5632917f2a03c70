#!/usr/bin/env bash
# A study on four nodes of a Slurm cluster: `sbatch deploy/slurm.sh search_spaces/mine.yaml`, from the project's folder
# on a file system that all nodes share. The study file says `ray: {address: auto, storage: /shared/me/hpo}`.
# Preempted, or out of time, the job is put into the queue again and goes on from the ledger. More in docs/cluster.md.
#SBATCH --job-name=hpo
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --gpus-per-node=4
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@120
set -euo pipefail

file=${1:?usage: sbatch deploy/slurm.sh STUDY.yaml}
study=$(sed -n 's/^study: *\([^ #]*\).*/\1/p' "$file")
export RAY_AUTH_MODE=token RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO=1
# the nodes of a job share its owner's home; one token for each job, which ends with it
RAY_AUTH_TOKEN_PATH="$HOME/.ray/hpo-job-$SLURM_JOB_ID"
export RAY_AUTH_TOKEN_PATH
mkdir -p "$HOME/.ray"
(umask 077 && od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$RAY_AUTH_TOKEN_PATH")
trap 'rm -f "$RAY_AUTH_TOKEN_PATH"' EXIT

read -r head < <(scontrol show hostnames "$SLURM_JOB_NODELIST") # `| head` could end scontrol, and by it this script
port=$((20000 + SLURM_JOB_ID % 20000)) # other jobs may share a node
srun --nodes=1 --ntasks=1 --nodelist="$head" --overlap \
    ray start --head --port="$port" --include-dashboard=false --disable-usage-stats --block &
until srun --nodes=1 --ntasks=1 --nodelist="$head" --overlap ray health-check --address="$head:$port" 2>/dev/null; do
    sleep 2
done
if ((SLURM_JOB_NUM_NODES > 1)); then
    srun --nodes=$((SLURM_JOB_NUM_NODES - 1)) --ntasks=$((SLURM_JOB_NUM_NODES - 1)) --exclude="$head" --overlap \
        ray start --address="$head:$port" --disable-usage-stats --block &
fi

again() { # safe to resume: told to stop, or a node that mattered was lost
    scontrol requeue "$SLURM_JOB_ID"
    exit 75
}

# this script runs on the first node, the head; Slurm signals it alone, and it passes the signal on
driver=""
trap 'if [[ $driver ]]; then kill -TERM "$driver"; else again; fi' TERM
if [[ -e studies/$study ]]; then
    hpo resume "$study" --set "ray.address=$head:$port" &
else
    hpo run "$file" --set "ray.address=$head:$port" &
fi
driver=$!
code=0
wait "$driver" || code=$?
if ((code > 128)); then # the wait was broken off by the signal; the driver is still ending
    code=0
    wait "$driver" || code=$?
fi
((code != 75)) || again
exit "$code"
