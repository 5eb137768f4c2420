// What the browser tests share: the site on a server of its own, Chromium, and pages that may not complain.
//
// SITE is the folder of the built site, SCREENSHOTS the folder that pictures go to.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { serveFolder } from '../serve.mjs';

export { SHARED, listen } from '../serve.mjs';

export const SITE = process.env.SITE ?? fileURLToPath(new URL('../../dist', import.meta.url));
export const SCREENSHOTS = process.env.SCREENSHOTS ?? join(tmpdir(), 'dist-screenshots');

/** The longest wait for anything: a quiet machine does it in seconds, a busy one takes minutes. */
export const PATIENCE = Number(process.env.PATIENCE ?? 240_000);

const ARGS = [
  '--no-sandbox',
  '--use-angle=swiftshader',
  '--enable-unsafe-swiftshader',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];

/** Serves the site, as a host of static files does: without any header that a browser looks at, but those that are given. */
export const serve = (headers) => serveFolder(SITE, { headers });

/** The site, for all tests of this process. */
export const server = await serve();

/** The browsers of this process, by their switches: starting one takes as long as many a test. */
const browsers = new Map();

after(async () => {
  for (const browser of browsers.values()) await (await browser).close();
  server.close();
});

/** Chromium, drawing in software; CHROMIUM says where it is. */
function chromiumWith(switches) {
  const key = switches.join(' ');
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  const launch = () => chromium.launch({ executablePath, args: [...ARGS, ...switches] });
  // Kept at once: another test may ask meanwhile.
  const browser = (browsers.get(key) ?? launch()).then((known) => (known.isConnected() ? known : launch()));
  browsers.set(key, browser);
  return browser;
}

/**
 * Opens a page in a fresh profile, hands it to a check, and fails if the page complained: an error or a warning in the console,
 * an uncaught error, a request that failed. `expected` names the complaints that belong to the test; `switches` are more for
 * Chromium.
 *
 * The visitor saves data, so that the service worker does not fetch the site beside what is tested, unless `keep` is set.
 */
export async function visit(url, check, { expected = [], keep = false, switches = [], ...options } = {}) {
  const browser = await chromiumWith(switches);
  // Without a GPU the processor draws the pictures: small ones that stand still leave the time to the learning.
  const context = await browser.newContext({ viewport: { width: 480, height: 480 }, reducedMotion: 'reduce', ...options });
  const complaints = [];
  try {
    await context.addInitScript(record);
    if (!keep) await context.addInitScript(saveData);
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE);
    complain(page, complaints);
    await page.goto(url);
    await check(page, context);
  } finally {
    await context.close();
  }
  assert.deepEqual(complaints.filter((text) => !expected.some((pattern) => pattern.test(text))), [], 'what the page complained of');
}

/** What Chromium says on its own to a page that asks for a GPU where there is none, which is no fault of the page. */
const NO_GPU = 'No available adapters.';

function complain(page, list) {
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()) && message.text() !== NO_GPU) list.push(`${message.type()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => list.push(`uncaught: ${error}`));
  // Chromium calls a HEAD request aborted once its answer, which has no body, is let go.
  page.on('requestfailed', (request) => {
    if (request.method() !== 'HEAD') list.push(`failed: ${request.url()} ${request.failure()?.errorText}`);
  });
}

/** In the page: keeps every event of its demos in `heard`. */
function record() {
  window.heard = [];
  for (const type of ['ready', 'metrics', 'phase', 'state', 'error', 'finished', 'demonstration']) {
    const keep = ({ target, detail }) => window.heard.push({ ...detail, element: target.id, at: performance.now() });
    addEventListener(`protege-${type}`, keep, true);
  }
}

/** In the page: the visitor wants few downloads. */
function saveData() {
  Object.defineProperty(Navigator.prototype, 'connection', { get: () => ({ saveData: true }), configurable: true });
}

/** Presses the poster's button and waits until the app is there. */
export async function start(page, id) {
  const demo = page.locator(id ? `#${id}` : 'protege-demo').first();
  await demo.locator('.caption button').click();
  await ready(page, id);
}

export async function ready(page, id = '') {
  await heard(page, (event, id) => event.type === 'ready' && event.element === id, id);
}

/** Waits for an event of a demo: the first, counted from `since`, of which `is` (run in the page) is true. */
export async function heard(page, is, argument, since = 0) {
  // As text, and asked again and again from here: a page's content security policy lets no function be made of text.
  const find = `window.heard.slice(${since}).find((event) => (${is})(event, ${JSON.stringify(argument)}))`;
  for (const end = Date.now() + PATIENCE; Date.now() < end; await page.waitForTimeout(100)) {
    const found = await page.evaluate(find);
    if (found) return found;
  }
  throw new Error(`Nothing was heard within ${PATIENCE} ms of which this is true: ${is}`);
}

/** How many events there were so far, to be given to `heard`. */
export const count = (page) => page.evaluate(() => window.heard.length);

/** The events of these types from `since` on. */
export const events = (page, since, ...types) =>
  page.evaluate(([since, types]) => window.heard.slice(since).filter((event) => types.includes(event.type)), [since, types]);

/** Waits until the demos have said nothing for a second, then fails if they say something in the two seconds that follow. */
export async function silent(page, types = ['phase', 'metrics']) {
  const quiet = (types) => {
    const last = window.heard.findLast((event) => types.includes(event.type));
    return performance.now() - (last?.at ?? 0) > 1000;
  };
  await page.waitForFunction(quiet, types, { polling: 100 });
  const since = await count(page);
  await page.waitForTimeout(2000);
  assert.deepEqual(await events(page, since, ...types), [], 'what was told in silence');
}

/** Presses a button that offers a file of this name; returns its bytes. */
export async function saved(page, button, name) {
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: button, exact: true }).click()]);
  assert.equal(download.suggestedFilename(), name);
  return readFile(await download.path());
}

/** The JSON at the head of a safetensors file. */
export function header(bytes) {
  return JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))));
}

/** Gives a file to the input of this label. */
export const choose = (page, label, buffer) =>
  page.getByLabel(label, { exact: true }).setInputFiles({ name: 'file.safetensors', mimeType: 'application/octet-stream', buffer });

/** How many colors the picture of an element has: a blank canvas has few. */
export async function colors(page, locator) {
  const png = (await locator.screenshot()).toString('base64');
  return page.evaluate(async (png) => {
    const image = await createImageBitmap(new Blob([Uint8Array.from(atob(png), (byte) => byte.charCodeAt(0))]));
    const context = new OffscreenCanvas(image.width, image.height).getContext('2d');
    context.drawImage(image, 0, 0);
    return new Set(new Uint32Array(context.getImageData(0, 0, image.width, image.height).data.buffer)).size;
  }, png);
}

/** Keeps a picture of the page, of what can be seen or of an element. */
export async function screenshot(page, name, options = {}) {
  if (mkdirSync(SCREENSHOTS, { recursive: true })) console.log(`screenshots: ${SCREENSHOTS}`);
  return page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), ...options });
}
