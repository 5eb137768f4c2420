#!/bin/sh
# BC and PostBC, then best-of-N, on two upstream tasks, from five demonstrations (door) and ten (box-close):
#
#     sh results/upstream/run.sh PROTEGE FOLDER EXPERT      EXPERT: the network that opens the door (docs/adroit.md)
#
# What is done already is left alone, and what was begun goes on; `python3 results/upstream/table.py FOLDER` makes curves.csv and the
# table. SEEDS picks others than 0 and 1.
set -eu
protege=$1
out=$2
expert=$3
mkdir -p "$out"

# job TASK PRETRAIN SEED ARGUMENTS...: one run in a folder of its own.
job() {
    run="$out/$1/$2/$3"
    [ -e "$run/summary.json" ] && return
    if [ -e "$run/plan.json" ]; then
        "$protege" run --resume "$run" --quiet
        return
    fi
    task=$1 pretrain=$2 seed=$3
    shift 3
    "$protege" run --task "$task" --pretrain "$pretrain" --finetune best-of-n --preset cpu --seed "$seed" "$@" \
        --set eval.episodes=100 --set eval.curve_episodes=50 --no-companion --quiet --out "$run"
}

for seed in ${SEEDS:-0 1}; do
    demos="$out/door-$seed.safetensors"
    [ -e "$demos" ] || "$protege" demos --task adroit/door --expert "$expert" --demos 5 --seed "$seed" --out "$demos" --quiet
    for pretrain in bc post-bc; do
        job adroit/door $pretrain "$seed" --demos-file "$demos" --set policy.chunk=4
    done
    for pretrain in bc post-bc; do
        job metaworld/box-close $pretrain "$seed" --demos 10
    done
done
