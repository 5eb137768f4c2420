#!/bin/sh
# Runs one after the other: sh results/csil/run.sh PROTEGE FOLDER [ARMS [SEEDS [TASKS]]]. What is done already is left alone, and what was
# begun goes on; `python3 results/csil/table.py FOLDER` makes curves.csv and the table. Tasks of adroit want EXPERT, a network that
# demonstrates (docs/adroit.md says which).
set -eu
protege=$1
out=$2
arms=${3:-csil/ensemble csil-success/ensemble xqc/ensemble csil/residual xqc/residual rlpd/ensemble sac/ensemble}
seeds=${4:-0 1 2 3}
tasks=${5:-lab/pick-place lab/box-close lab/assembly}
for task in $tasks; do
    for seed in $seeds; do
        for arm in $arms; do
            # Runs of lab/TASK lie in TASK, those of other suites in SUITE-TASK.
            run="$out/$(echo "${task#lab/}" | tr / -)/$(echo "$arm" | tr / -)/$seed"
            [ -e "$run/summary.json" ] && continue
            if [ -e "$run/config.toml" ]; then
                "$protege" run --resume "$run" --quiet
                continue
            fi
            # So few demonstrations that the cloned policy succeeds in a third to two thirds of the episodes.
            demos=5
            case $task in lab/pick-place | lab/assembly) demos=10 ;; esac
            # Episodes of the upstream suites are long.
            points=200
            case $task in metaworld/* | adroit/*) points=100 ;; esac
            set -- --demos $demos
            if [ "${task%/*}" = adroit ]; then
                file="$out/$(basename "$task")-$seed.safetensors"
                [ -e "$file" ] || "$protege" demos --task "$task" --expert "$EXPERT" --finetune csil --demos $demos --seed "$seed" \
                    --out "$file" --quiet
                set -- --demos-file "$file"
            fi
            method=${arm%/*}
            if [ "$method" = csil-success ]; then
                method=csil
                set -- "$@" --set finetune.csil.success_reward=60 --set finetune.csil.kl_weight=0.02
            fi
            "$protege" run --task "$task" --pretrain bc --finetune "$method" --preset cpu --seed "$seed" "$@" \
                --set "finetune.$method.actor.compose=${arm#*/}" --set eval.curve_episodes=$points \
                --no-video --quiet --out "$run"
        done
    done
done
