// Bundles the 3D view with the part of three.js that it uses: node build.mjs OUTDIR writes OUTDIR/view.js and says how large it is.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync } from 'node:zlib';
import { build } from 'esbuild';

const here = fileURLToPath(new URL('.', import.meta.url));

/** Writes view.js into the folder. */
export async function bundle(out) {
  const outfile = join(out, 'view.js');
  await build({
    entryPoints: [join(here, 'view/src/view.js')],
    outfile,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    minify: true,
    legalComments: 'inline',
    logLevel: 'warning',
  });
  return outfile;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (!process.argv[2]) {
    console.error('usage: node build.mjs OUTDIR');
    process.exit(2);
  }
  const code = readFileSync(await bundle(process.argv[2]));
  console.log(`view.js: ${code.length} bytes, ${brotliCompressSync(code).length} as brotli`);
}
