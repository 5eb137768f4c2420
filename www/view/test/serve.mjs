// Serves the test page: node serve.mjs [PORT], then http://localhost:PORT/?scene=lift&theme=dark&play=1
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = fileURLToPath(new URL('.', import.meta.url));
const scenes = join(here, '../../../core/scenes');
const types = { '.html': 'text/html', '.js': 'text/javascript', '.xml': 'application/xml' };

/**
 * @param {number} port 0: any that is free
 * @returns {Promise<import('node:http').Server>}
 */
export async function serve(port) {
  const { outputFiles } = await build({
    entryPoints: [join(here, '../src/view.js')],
    bundle: true,
    format: 'esm',
    write: false,
  });
  const read = async (path) => {
    if (path === '/view.js') return outputFiles[0].contents;
    if (path === '/scenes/shapes.xml') return readFile(join(here, 'shapes.xml'));
    if (path.startsWith('/scenes/')) return readFile(join(scenes, path.slice('/scenes'.length)));
    return readFile(join(here, path === '/' ? 'index.html' : path));
  };
  const server = createServer(async (request, response) => {
    const path = normalize(new URL(request.url, 'http://localhost').pathname);
    try {
      const content = await read(path);
      response.writeHead(200, { 'content-type': types[extname(path)] ?? 'text/html' }).end(content);
    } catch {
      response.writeHead(404).end();
    }
  });
  return new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve(server)));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const server = await serve(Number(process.argv[2] ?? 8080));
  console.log(`http://localhost:${server.address().port}/?play=1`);
}
