// Serves the built site on this machine, as a host of static files does: node www/serve.mjs DIST [PORT]
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.wasm': 'application/wasm',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
};

/** The header by which pages of other origins may load the element: the site itself needs none. */
export const SHARED = { 'access-control-allow-origin': '*' };

/** Answers on a port (0: a free one), with these headers; `answer` makes { status, type, body } of a path. */
export function listen(answer, { port = 0, headers = {} } = {}) {
  const server = createServer(async (request, response) => {
    // What is no address has no host before its path.
    const { pathname } = URL.parse(request.url, 'http://localhost') ?? { pathname: '/' };
    const { status, type, body } = await answer(pathname);
    response.writeHead(status, { 'content-type': type, 'content-length': body.length, 'cache-control': 'no-cache', ...headers });
    response.end(request.method === 'HEAD' ? undefined : body);
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve({
      url: `http://localhost:${server.address().port}/`,
      close: () => {
        server.closeAllConnections();
        server.close();
      },
    }));
  });
}

/** Serves a folder; `options` are those of `listen`. */
export function serveFolder(folder, options) {
  const answer = async (path) => {
    const wanted = normalize(path.endsWith('/') ? `${path}index.html` : path);
    try {
      const body = await readFile(join(folder, wanted));
      return { status: 200, type: TYPES[extname(wanted)] ?? 'application/octet-stream', body };
    } catch {
      return { status: 404, type: TYPES['.html'], body: await readFile(join(folder, '404.html')) };
    }
  };
  return listen(answer, options);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [folder, port = '8080'] = process.argv.slice(2);
  if (!folder) {
    console.error('usage: node www/serve.mjs DIST [PORT]');
    process.exit(2);
  }
  try {
    const { url } = await serveFolder(folder, { port: Number(port), headers: SHARED });
    console.log(`The site is at ${url}`);
  } catch (error) {
    console.error(`Port ${port} cannot be used (${error.code}): end what uses it.`);
    process.exit(1);
  }
}
