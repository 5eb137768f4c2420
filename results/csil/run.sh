#!/bin/sh
# Runs one after the other: sh results/csil/run.sh PROTEGE FOLDER [ARMS [SEEDS [TASKS]]]. What is done already is left alone, and what was
# begun goes on; `python3 results/csil/table.py FOLDER` makes curves.csv and the table.
set -eu
protege=$1
out=$2
arms=${3:-csil/ensemble xqc/ensemble csil/residual rlpd/ensemble sac/ensemble}
seeds=${4:-0 1 2 3}
tasks=${5:-pick-place box-close assembly}
for task in $tasks; do
    for seed in $seeds; do
        for arm in $arms; do
            run="$out/$task/$(echo $arm | tr / -)/$seed"
            [ -e "$run/summary.json" ] && continue
            if [ -e "$run/config.toml" ]; then
                "$protege" run --resume "$run" --quiet
            else
                # So few demonstrations that the cloned policy succeeds in a third to two thirds of the episodes.
                demos=10
                [ $task = box-close ] && demos=5
                "$protege" run --task lab/$task --pretrain bc --finetune csil --preset cpu --demos $demos --seed $seed \
                    --set finetune.csil.variant=${arm%/*} --set finetune.csil.compose=${arm#*/} --set eval.curve_episodes=200 \
                    --no-video --quiet --out "$run"
            fi
        done
    done
done
