#!/bin/sh
# Runs one after the other: sh results/td-mpc/run.sh PROTEGE FOLDER [ARMS [SEEDS [TASKS]]]. What is done already is left alone, and what was
# begun goes on; `python3 results/td-mpc/table.py FOLDER` makes curves.csv and the table. Tasks of adroit want EXPERT, a network that
# demonstrates (docs/adroit.md says which).
set -eu
protege=$1
out=$2
arms=${3:-balanced bc-only vanilla}
seeds=${4:-0 1 2 3}
tasks=${5:-lab/pick-place lab/box-close}
for arm in $arms; do
    for task in $tasks; do
        for seed in $seeds; do
            # Runs of lab/TASK lie in TASK, those of other suites in SUITE-TASK.
            run="$out/$(echo "${task#lab/}" | tr / -)/$arm/$seed"
            [ -e "$run/summary.json" ] && continue
            if [ -e "$run/config.toml" ]; then
                "$protege" run --resume "$run" --quiet
                continue
            fi
            set --
            if [ "${task%/*}" = adroit ]; then
                demos="$out/$(basename "$task")-$seed.safetensors"
                [ -e "$demos" ] || "$protege" demos --task "$task" --expert "$EXPERT" --finetune td-mpc --demos 5 --seed "$seed" \
                    --out "$demos" --quiet
                set -- --demos-file "$demos"
            fi
            "$protege" run --task "$task" --pretrain post-bc --finetune td-mpc --preset cpu --seed "$seed" "$@" \
                --set finetune.td_mpc.arm="$arm" --set eval.curve_episodes=50 --no-video --quiet --out "$run"
        done
    done
done
