// One Adam step of a perceptron 32-h-h-8 on the mean squared error of a batch: protege's worker and TensorFlow.js, in turns.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { launch, listen, serve, visit } from '../../www/test/site.mjs';
import { ISOLATED } from './race.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const WASM = join(HERE, 'node_modules/@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm');

/** Hidden units and batch. */
export const SIZES = [[64, 64], [256, 256], [512, 256]];
const STEPS = 60;
const TURNS = 3;

/** Median milliseconds by size, of `protege` (null where the worker cannot be asked) and `tfjs`. */
export async function adam() {
  // Isolated pages have clocks that are fine enough.
  const site = await serve(ISOLATED);
  const own = await listen(answer(await workers(site.url)), ISOLATED);
  const browser = await launch();
  let rows;
  try {
    await visit(browser, own.url, async (page) => {
      rows = [];
      for (const size of SIZES) rows.push(await compare(page, size));
    });
  } finally {
    await browser.close();
    site.close();
    own.close();
  }
  return rows;
}

async function compare(page, [hidden, batch]) {
  const times = { protege: [], tfjs: [] };
  for (let turn = 0; turn < TURNS; turn += 1) {
    for (const [name, list] of Object.entries(times)) list.push(await page.evaluate(ask, [`/${name}.js`, hidden, batch, STEPS]));
  }
  return { hidden, batch, protege_ms: median(times.protege), tfjs_ms: median(times.tfjs) };
}

/** In the page: milliseconds per step from a fresh worker, null where it has no such function. */
function ask([script, hidden, batch, steps]) {
  const worker = new Worker(`${script}?${new URLSearchParams({ hidden, batch, steps })}`, { type: 'module' });
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => 'ms' in data && resolve(data.ms);
    worker.onerror = (event) => reject(new Error(event.message));
  }).finally(() => worker.terminate());
}

/** The scripts of both workers. protege's also says hello, in its own way. */
async function workers(site) {
  const { outputFiles } = await build({ entryPoints: [join(HERE, 'tfjs.js')], bundle: true, format: 'esm', minify: true, write: false });
  const protege = `import * as worker from '${site}worker.js';
const [hidden, batch, steps] = ['hidden', 'batch', 'steps'].map((key) => Number(new URLSearchParams(location.search).get(key)));
await worker.default();
postMessage({ ms: worker.bench_adam ? await worker.bench_adam(hidden, batch, steps) : null });`;
  return { '/protege.js': Buffer.from(protege), '/tfjs.js': Buffer.from(outputFiles[0].contents) };
}

function answer(scripts) {
  const page = Buffer.from('<!doctype html><link rel="icon" href="data:,"><title>Adam</title>');
  return async (path) => {
    if (path.endsWith('.wasm')) return { status: 200, type: 'application/wasm', body: await readFile(WASM) };
    return scripts[path] ? { status: 200, type: 'text/javascript', body: scripts[path] } : { status: 200, type: 'text/html', body: page };
  };
}

export function median(values) {
  if (values.includes(null)) return null;
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}
