// Measures the site in Chromium, beside TensorFlow.js: node run.mjs [--minutes 10] [--runs 3] [--seconds 20] [--out figures.json]
//
// Prints tables; `--out` names a file for all figures. SITE is the folder of the built site. Not part of the tests: it takes as
// long as it takes, and a busy machine changes every figure.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { launch } from '../../www/test/site.mjs';
import { adam, median } from './adam.mjs';
import { LANES, memory, pace, startup } from './race.mjs';
import { BUDGET, weigh } from './weight.mjs';

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    runs: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '20' },
    out: { type: 'string' },
  },
});
const [minutes, runs, seconds] = [options.minutes, options.runs, options.seconds].map(Number);

/** Medians, figure by figure, over runs with a fresh browser each. */
async function repeat(measure) {
  const all = [];
  for (let run = 0; run < runs; run += 1) all.push(await once(measure));
  return Object.fromEntries(Object.keys(all[0]).map((key) => [key, median(all.map((figures) => figures[key]))]));
}

async function once(measure) {
  const browser = await launch();
  try {
    return await measure(browser);
  } finally {
    await browser.close();
  }
}

async function paces() {
  const rows = [];
  for (const lanes of Object.keys(LANES).map(Number)) {
    for (const still of [false, true]) rows.push({ lanes, still, ...(await repeat((browser) => pace(browser, lanes, still, seconds))) });
  }
  return rows;
}

const number = (value, digits = 1) => (value === null ? '–' : value.toLocaleString('en', { maximumFractionDigits: digits }));
const table = (head, rows) => [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');

const WEIGHT = ({ files, together }) => table(
  ['file', 'kB as brotli'],
  [...Object.entries(files), ['together', together], ['promised at most', BUDGET]].map(([name, size]) => [name, number(size / 1000)]),
);
const STARTUP = ({ button_s, live_s, learning_s }) => table(
  ['nothing cached', 's'],
  [['navigation to a button that works', button_s], ['press to a live race', live_s], ['press to the first progress', learning_s]].map(([name, s]) => [name, number(s, 2)]),
);
const PACE = (rows) => table(
  ['lanes', 'picture', 'updates/s per worker', 'physics steps/s per worker', 'longest task of the page, ms'],
  rows.map((row) => [row.lanes, row.still ? 'still' : 'moving', number(row.updates_per_s, 0), number(row.physics_steps_per_s, 0), row.longest_task_ms ? number(row.longest_task_ms, 0) : 'under 50']),
);
const ADAM = (rows) => table(
  ['hidden', 'batch', 'protege, ms', 'TensorFlow.js, ms', 'ratio'],
  rows.map(({ hidden, batch, protege_ms, tfjs_ms }) => [hidden, batch, number(protege_ms, 2), number(tfjs_ms, 2), number(protege_ms && tfjs_ms / protege_ms, 1)]),
);
const MEMORY = ({ first, last, minutes, races }) => table(
  ['memory, MB', 'JavaScript, DOM, canvases', 'process, with WebAssembly'],
  [['after 1 minute', first], [`after ${minutes} minutes, race ${races}`, last]].map(([name, { page_mb, process_mb }]) => [name, number(page_mb), number(process_mb)]),
);

/** What is measured, in order: name, title, how, and how it is shown. */
const PARTS = [
  ['weight', 'Over the wire', weigh, WEIGHT],
  ['startup', 'Start', () => repeat(startup), STARTUP],
  ['adam', 'One Adam step, 32-h-h-8, WebAssembly with SIMD, one thread', adam, ADAM],
  ['pace', 'Learning', paces, PACE],
  ['memory', 'Memory', () => once((browser) => memory(browser, minutes)), MEMORY],
];

const figures = {};
for (const [name, title, measure, show] of PARTS) {
  figures[name] = await measure();
  console.log(`\n${title}\n\n${show(figures[name])}`);
}
if (options.out) writeFileSync(options.out, JSON.stringify(figures, null, 2));
