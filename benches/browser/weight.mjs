// What goes over the wire: bytes as brotli, quality 11.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';
import { SITE } from '../../www/test/site.mjs';

const APP = ['app.js', 'app_bg.wasm', 'app.css', 'worker.js', 'workers.js', 'worker_bg.wasm', 'view.js'];

/** Bytes that were promised for all of the app. */
export const BUDGET = 2.0e6;

const OPTIONS = { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24 } };

/** Bytes by file, and of all together. */
export function weigh() {
  const sizes = APP.map((file) => [file, brotliCompressSync(readFileSync(join(SITE, file)), OPTIONS).length]);
  return { files: Object.fromEntries(sizes), together: sizes.reduce((sum, [, size]) => sum + size, 0) };
}
