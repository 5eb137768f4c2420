#!/bin/sh
# Runs from pictures, one after the other: sh results/pictures/run.sh PROTEGE FOLDER [ARMS [SEEDS]]. What is done already is left alone, and
# what was begun goes on; `python3 results/pictures/table.py FOLDER` makes curves.csv and the table.
set -eu
protege=$1
out=$2
arms=${3:-balanced vanilla bc-only csil post-bc-dsrl}
seeds=${4:-0 1 2 3}
for seed in $seeds; do
    for arm in $arms; do
        run="$out/box-close/$arm/$seed"
        [ -e "$run/summary.json" ] && continue
        if [ -e "$run/config.toml" ]; then
            "$protege" run --resume "$run" --quiet
            continue
        fi
        case $arm in
        balanced | vanilla)
            set -- --pretrain bc --finetune td-mpc --set finetune.td_mpc.arm="$arm" \
                --set finetune.td_mpc.batch=64 --set finetune.td_mpc.utd_ratio=0.5 \
                --set finetune.td_mpc.learning_starts=1000 --set finetune.td_mpc.clone_updates=500 \
                --set finetune.td_mpc.total_steps=14000 --set finetune.td_mpc.eval_every=2000
            ;;
        # The same clone, without practice.
        bc-only)
            set -- --pretrain bc --finetune td-mpc --set finetune.td_mpc.arm=bc-only \
                --set finetune.td_mpc.batch=64 --set finetune.td_mpc.clone_updates=500
            ;;
        csil) set -- --pretrain bc --finetune csil ;;
        post-bc-dsrl) set -- --pretrain post-bc --finetune dsrl ;;
        *)
            echo "$arm is no arm: balanced, vanilla, bc-only, csil or post-bc-dsrl." >&2
            exit 2
            ;;
        esac
        "$protege" run --task lab/box-close --engine mujoco --preset cpu --demos 5 --seed "$seed" "$@" \
            --set env.image_size=48 --set eval.curve_episodes=50 --no-video --quiet --out "$run"
    done
done
