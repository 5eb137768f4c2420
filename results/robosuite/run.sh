#!/usr/bin/env bash
# Everything in this folder: for each task and pretraining method two policies from the same demonstrations, and from each
# of them a run of best-of-N and one of DSRL. Calls that are finished are skipped, interrupted ones are resumed.
#
#   results/robosuite/run.sh [FOLDER]     some hours on two cores; TASKS and FINETUNE pick a part
set -eu
protege="${PROTEGE:-protege}"
out="${1:-runs/robosuite}"
mkdir -p "$out"

# job NAME ARGUMENTS...: one call of protege in a folder of its own.
job() {
    local folder="$out/$1"
    shift
    if [ -e "$folder/summary.json" ]; then return; fi
    if [ -e "$folder/plan.json" ]; then
        "$protege" run --resume "$folder" --quiet
    else
        "$protege" "$@" --seeds 2 --no-companion --out "$folder" --quiet
    fi
}

for task in ${TASKS:-lift can square}; do
    for pretrain in bc post-bc; do
        job "$task-$pretrain" pretrain --task "robosuite/$task" --pretrain "$pretrain"
    done
    for finetune in ${FINETUNE:-best-of-n dsrl}; do
        for pretrain in bc post-bc; do
            job "$task-$pretrain-$finetune" finetune --checkpoint "$out/$task-$pretrain" --finetune "$finetune"
        done
    done
done
