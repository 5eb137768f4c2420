// Weighs the app as it goes over the wire: node www/weigh.mjs DIST. Fails when it is heavier than was promised.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';

/** Bytes, compressed: the app with everything that a race needs. */
const BUDGET = 2.0e6;
const APP = ['app.js', 'app_bg.wasm', 'app.css', 'worker.js', 'worker_bg.wasm', 'workers.js', 'view.js'];

const dist = process.argv[2] ?? 'dist';
const options = { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24 } };
const sizes = APP.map((file) => [file, brotliCompressSync(readFileSync(join(dist, file)), options).length]);
const sum = sizes.reduce((all, [, size]) => all + size, 0);
for (const [file, size] of [...sizes, ['together', sum]]) console.log(`${file.padEnd(16)} ${(size / 1000).toFixed(1).padStart(8)} kB as brotli`);
if (sum > BUDGET) {
  console.error(`The app weighs ${sum} bytes; at most ${BUDGET} were promised.`);
  process.exit(1);
}
