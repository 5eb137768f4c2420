#!/usr/bin/env bash
# Everything in this folder: for each task, number of demonstrations and pretraining method four policies, and from each of
# them four runs of every finetuning method. Calls that are finished are skipped, calls that were interrupted are resumed.
#
#   results/post-bc/run.sh [FOLDER]     some five hours on two cores; TASKS, DEMOS and FINETUNE pick a part
set -eu
out="${1:-runs/post-bc}"
mkdir -p "$out"

# job NAME ARGUMENTS...: one call of protege in a folder of its own.
job() {
    local folder="$out/$1"
    shift
    if [ -e "$folder/summary.json" ]; then return; fi
    if [ -e "$folder/plan.json" ]; then
        protege run --resume "$folder" --quiet
    else
        protege "$@" --seeds 4 --no-companion --out "$folder" --quiet
    fi
}

for demos in ${DEMOS:-10 5 30}; do
    for task in ${TASKS:-pick-place lift assembly}; do
        for pretrain in bc sigma-bc post-bc; do
            job "$task-$demos-$pretrain" pretrain --task "lab/$task" --demos "$demos" --pretrain "$pretrain"
        done
        for finetune in ${FINETUNE:-best-of-n dsrl dppo}; do
            for pretrain in bc sigma-bc post-bc; do
                job "$task-$demos-$pretrain-$finetune" finetune --checkpoint "$out/$task-$demos-$pretrain" --finetune "$finetune"
            done
        done
    done
done
