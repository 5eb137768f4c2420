// After the first visit, everything works offline.
//
// A version of the site is kept as a whole: its files are fetched together when the worker is installed, and answered from
// that copy, so that a page, its app and the app's workers always fit together. A new version is fetched beside it and takes
// over once no page of the old one is open. Whatever else is asked of this site is answered from the copy that there is, and
// fetched anew in the background.
//
// The address says the version, `sw.js?version=...`; offline.js takes it from files.json: { version, files }.

const VERSION = new URL(location.href).searchParams.get('version');
const SITE = `protege ${self.registration.scope} `;
const CACHE = SITE + VERSION;
const LIST = new URL('files.json', self.registration.scope).href;

self.addEventListener('install', (event) => event.waitUntil(install()));
self.addEventListener('activate', (event) => event.waitUntil(tidy().then(() => self.clients.claim())));
self.addEventListener('fetch', (event) => {
  const { method, url, headers } = event.request;
  const mine = method === 'GET' && url.startsWith(self.registration.scope) && !headers.has('range');
  if (mine) event.respondWith(url === LIST ? newest(event.request) : answer(event));
});

async function install() {
  const cache = await caches.open(CACHE);
  const list = await fetch(LIST, { cache: 'no-cache' });
  const { version, files } = await list.clone().json();
  if (version !== VERSION) throw new Error(`the site is at version ${version} by now; the next visit installs it`);
  const wanted = files.map((file) => new URL(file, LIST).href).filter((url) => url !== LIST);
  await Promise.all([cache.put(LIST, list), ...wanted.map((url) => keep(cache, url))]);
}

async function keep(cache, url) {
  const response = await fetch(url, { cache: 'no-cache' });
  if (!response.ok) throw new Error(`${url} answers ${response.status}`);
  await cache.put(url, plain(response));
}

/** Browsers refuse a redirected response as the answer to a navigation. */
function plain(response) {
  return response.redirected ? new Response(response.body, response) : response;
}

async function tidy() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(SITE) && name !== CACHE).map((name) => caches.delete(name)));
}

/** The list of files tells of new versions, so the network is asked first. */
async function newest(request) {
  return fetch(request).catch(async () => (await caches.match(LIST, { cacheName: CACHE })) ?? Response.error());
}

async function answer(event) {
  const cache = await caches.open(CACHE);
  const url = new URL(event.request.url);
  const page = url.pathname.endsWith('/') ? `${url.origin}${url.pathname}index.html` : url.href;
  const known = await cache.match(page, { ignoreSearch: true });
  if (known && (await isPartOfVersion(cache, page))) return known;
  const fresh = refresh(cache, event.request);
  if (!known) return fresh;
  event.waitUntil(fresh.catch(() => {}));
  return known;
}

async function isPartOfVersion(cache, page) {
  const { files } = await (await cache.match(LIST)).json();
  return files.some((file) => new URL(file, LIST).pathname === new URL(page).pathname);
}

async function refresh(cache, request) {
  const response = await fetch(request);
  if (response.ok) await cache.put(request.url, plain(response.clone()));
  return response;
}
