#!/bin/sh
# One cell of a sweep as a task of a Slurm array: slurm.sh LIST, where the LIST has a cell's number on each line.
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@120
cell=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" "$1")
@PROGRAM@ sweep cell @SWEEP@ --index "$cell" --quiet --threads "${SLURM_CPUS_PER_TASK:-1}" &
child=$!
# Preemption and the end of the time limit are told to this shell alone; the program saves and exits with 75.
trap 'kill -TERM "$child" 2>/dev/null' TERM
wait "$child"
code=$?
# A signal ends `wait`, not the program.
while kill -0 "$child" 2>/dev/null; do
    wait "$child"
    code=$?
done
# At its time limit the task is still running, and goes on in the queue. One that was preempted Slurm requeues by itself; one that
# was cancelled stays so.
if [ "$code" -eq 75 ] && [ "$(squeue --noheader --jobs="$SLURM_JOB_ID" --format=%T)" = RUNNING ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
