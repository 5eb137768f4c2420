// Names and colors of the methods, as their rows in core say: written by `protege methods --for-page`.

/** Pretraining; a color is a custom property without its `--`. */
export const PRETRAINERS = {
  'bc': { name: 'BC', color: 'vermilion' },
  'sigma-bc': { name: 'σ-BC', color: 'orange' },
  'post-bc': { name: 'PostBC', color: 'blue' },
  'value-dice': { name: 'ValueDICE', color: 'purple' },
};

/** Finetuning. */
export const FINETUNERS = {
  'best-of-n': { name: 'best-of-N' },
  'dsrl': { name: 'DSRL' },
  'dppo': { name: 'DPPO' },
  'td-mpc': { name: 'TD-MPC' },
  'csil': { name: 'CSIL' },
  'none': { name: 'None' },
};
