// Puts the site together: node www/site.mjs OUTDIR PROGRAMS... (`cargo xtask web` compiles the programs and calls this).
//
// Copies the static pages and the programs, each a folder of what wasm-bindgen wrote, bundles the 3D view, and lists all files
// for the service worker; puts the npm package together.
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from './build.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const [out, ...programs] = process.argv.slice(2);
if (!programs.length) {
  console.error('usage: node www/site.mjs OUTDIR PROGRAMS...');
  process.exit(2);
}

/** What is in www/ for those who build, not for those who visit. */
const OURS = new Set(['build.mjs', 'weigh.mjs', 'site.mjs', 'serve.mjs', 'package.json', 'package-lock.json', 'node_modules', 'npm', 'test', 'view', '.gitignore']);

// Nothing of an older site stays.
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
for (const entry of readdirSync(here).filter((entry) => !OURS.has(entry))) cpSync(join(here, entry), join(out, entry), { recursive: true });
cpSync(join(here, '../web/app.css'), join(out, 'app.css'));
for (const folder of programs) cpSync(folder, out, { recursive: true });
await bundle(out);
const files = list(out);
writeFileSync(join(out, 'files.json'), JSON.stringify({ version: version(files), files }));
pack();

/**
 * Every file of the site, relative, in order. The program for GPUs is several times as large as the other, and loaded only when
 * it is chosen: it is not kept for offline use.
 */
function list(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = entries.map((entry) => relative(out, join(entry.parentPath ?? entry.path, entry.name)).split(sep).join('/'));
  return paths.filter((path) => path !== 'sw.js' && !path.startsWith('worker_gpu') && path !== 'files.json' && !path.startsWith('npm/')).sort();
}

/** Another content is another version. */
function version(paths) {
  const hash = createHash('sha256');
  for (const path of paths) hash.update(path).update(readFileSync(join(out, path)));
  return hash.digest('hex').slice(0, 16);
}

/** The npm package: what its package.json names, from the site, the licenses from the root. */
function pack() {
  const folder = join(out, 'npm');
  cpSync(join(here, 'npm'), folder, { recursive: true });
  for (const file of JSON.parse(readFileSync(join(here, 'npm/package.json'))).files) {
    const from = file.startsWith('LICENSE') ? join(here, '..', file) : join(out, file);
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    cpSync(from, join(folder, file));
  }
}
