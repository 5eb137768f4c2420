#!/bin/sh
# Runs one after the other: sh results/csil/run.sh PROTEGE FOLDER [ARMS [SEEDS]]. What is done already is left alone, and what was begun
# goes on; `python3 results/csil/table.py FOLDER` makes curves.csv and the table.
set -eu
protege=$1
out=$2
arms=${3:-csil/ensemble xqc/ensemble csil/residual rlpd/ensemble sac/ensemble}
seeds=${4:-0 1 2 3}
for seed in $seeds; do
    for arm in $arms; do
        run="$out/pick-place/$(echo $arm | tr / -)/$seed"
        [ -e "$run/summary.json" ] && continue
        if [ -e "$run/config.toml" ]; then
            "$protege" run --resume "$run" --quiet
        else
            "$protege" run --task lab/pick-place --pretrain bc --finetune csil --preset cpu --demos 10 --seed $seed \
                --set finetune.csil.variant=${arm%/*} --set finetune.csil.compose=${arm#*/} --no-video --quiet --out "$run"
        fi
    done
done
