#!/bin/sh
# Four seeds of each arm, one after the other: sh results/td-mpc/run.sh PROTEGE FOLDER. What is done already is left alone, and what was
# begun goes on; `python3 results/td-mpc/table.py FOLDER` makes curves.csv and the table.
set -eu
protege=$1
out=$2
for arm in balanced bc-only vanilla; do
    for task in pick-place box-close; do
        for seed in 0 1 2 3; do
            run="$out/$task/$arm/$seed"
            [ -e "$run/summary.json" ] && continue
            if [ -e "$run/config.toml" ]; then
                "$protege" run --resume "$run" --quiet
            else
                "$protege" run --task lab/$task --pretrain post-bc --finetune td-mpc --preset cpu --seed $seed \
                    --set finetune.td_mpc.arm=$arm --set eval.curve_episodes=50 --no-video --quiet --out "$run"
            fi
        done
    done
done
