// Protects pages of others: one script tag brings demos from this site to a page on another origin, each loads only when it is
// asked for, and nothing is left of one that is removed. What such pages and their hosts must allow is what the docs say.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { SHARED, SITE, heard, listen, serve, server, start, visit } from './site.mjs';

/** The site on a host that allows pages of other origins; that of all tests, `server`, says nothing of them. */
const shared = await serve(SHARED);

const docs = readFileSync(new URL('../../docs/browser.md', import.meta.url), 'utf8');

/** What the docs say a page with the element has to allow. */
const needed = docs.match(/^ {4}(script-src https:\/\/YOUR\.HOST .*)$/m)[1].replaceAll('https://YOUR.HOST', new URL(shared.url).origin);

/** A page that allows this, and itself nothing else but its own files; `isolated` as for threads. */
const strict = (policy) => `default-src 'none'; img-src data:; ${policy.replace('script-src', "script-src 'self'").replace('style-src', "style-src 'self'")}`;
const isolated = { 'cross-origin-embedder-policy': 'require-corp', 'cross-origin-opener-policy': 'same-origin' };

const TYPES = { html: 'text/html; charset=utf-8', css: 'text/css', js: 'text/javascript' };
const HEAD = '<!doctype html><link rel="icon" href="data:,"><link rel="stylesheet" href="/host.css">';
const element = (site) => `${HEAD}<protege-demo id="race" task="lab/lift" pretrain="bc" finetune="none" demos="1" controls="none">without</protege-demo>
<script type="module" src="${site.url}protege-demo.js"></script>`;
const framed = (site, rest = '') => `${HEAD}<iframe src="${site.url}embed.html#task=lab/lift&pretrain=bc&finetune=none&demos=2&speed=0.1" title="protege" ${rest}></iframe>
<script src="/host.js"></script>`;

const FILES = {
  '/': `${HEAD}
<protege-demo id="race" task="lab/box-close" pretrain="post-bc" finetune="none" demos="2" controls="basic"></protege-demo>
<protege-demo id="hand" kind="teach" task="lab/assembly" controls="none"></protege-demo>
<protege-demo id="study" kind="theory" autostart></protege-demo>
<script type="module" src="${shared.url}protege-demo.js"></script>`,
  '/element': element(shared),
  '/unshared': element(server),
  '/frame': framed(server),
  '/sandbox': framed(server, 'sandbox="allow-scripts allow-same-origin"'),
  '/sandbox-files': framed(server, 'sandbox="allow-scripts allow-same-origin allow-downloads"'),
  '/sandbox-alone': framed(shared, 'sandbox="allow-scripts"'),
  '/host.css': 'protege-demo { margin-bottom: 1500px; width: 400px } iframe { width: 500px; height: 500px }',
  '/host.js': 'window.told = []; addEventListener("message", ({ data }) => told.push(data));',
};
const answer = async (path) => ({ status: 200, type: TYPES[path.split('.')[1] ?? 'html'], body: Buffer.from(FILES[path]) });

const host = await listen(answer);
const strictHost = await listen(answer, { headers: { ...isolated, 'content-security-policy': strict(needed) } });

after(() => [host, strictHost, shared].forEach((server) => server.close()));

const SMALL = { viewport: { width: 560, height: 500 } };

test('three demos live on a strict page of another origin, and load one by one', () =>
  visit(strictHost.url, async (page) => {
    await page.locator('#race .panel svg').waitFor();
    assert.equal(page.workers().length, 0);

    await start(page, 'race');
    await heard(page, (event) => event.element === 'race' && event.type === 'phase' && event.done > 0);
    assert.equal(page.workers().length, 1, 'only the one that was asked for has loaded');
    assert.equal(await page.locator('#hand canvas, #study .protege').count(), 0);

    await start(page, 'hand');
    await page.locator('#hand canvas').waitFor();
    assert.equal(page.workers().length, 2);

    await page.locator('#study').scrollIntoViewIfNeeded();
    await heard(page, (event) => event.element === 'study' && event.type === 'ready');
    await page.locator('#study .curve path').first().waitFor({ state: 'attached' });
    assert.equal(page.workers().length, 3);

    for (const left of [2, 1, 0]) {
      await page.locator('protege-demo').first().evaluate((element) => element.remove());
      await workers(page, left);
    }
  }, SMALL));

/** Waits until the page has this many workers. */
async function workers(page, wanted) {
  for (let i = 0; i < 100 && page.workers().length !== wanted; i += 1) await page.waitForTimeout(50);
  assert.equal(page.workers().length, wanted, 'workers of the page');
}

for (const [left, broken] of [["'wasm-unsafe-eval'", 'script-src'], [/worker-src [^;]+; /, 'worker-src'], [/connect-src \S+; /, 'connect-src'], [/style-src \S+$/, 'style-src']]) {
  test(`a page whose policy lacks ${broken} refuses the element, so the docs ask for no more than is needed`, async () => {
    const lacking = await listen(answer, { headers: { 'content-security-policy': strict(needed.replace(left, '')) } });
    const refused = new RegExp(`Content Security Policy|${broken}`);
    await visit(`${lacking.url}element`, async (page) => {
      const violated = page.evaluate(() => new Promise((resolve) => {
        addEventListener('securitypolicyviolation', ({ effectiveDirective }) => resolve(effectiveDirective));
      }));
      await page.locator('#race .caption button').click();
      const directive = await violated;
      assert.ok(directive.startsWith(broken), `${directive} is violated`);
    }, { ...SMALL, expected: [refused, /ERR_BLOCKED_BY_CSP|csp/, /CompileError|WebAssembly/] }).finally(() => lacking.close());
  });
}

test('a demo that nobody can see rests until it is seen again', () =>
  visit(`${strictHost.url}element`, async (page) => {
    await start(page, 'race');
    await heard(page, (event) => event.type === 'phase');
    const demo = page.locator('#race');
    const running = (wanted) => page.waitForFunction((wanted) => document.querySelector('#race').demo.state.running === wanted, wanted);
    await running(true);
    await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
    await running(false);
    await demo.scrollIntoViewIfNeeded();
    await running(true);
  }, SMALL));

test('a host that does not allow other origins gives them no element, and the page keeps what it has instead', () =>
  visit(`${host.url}unshared`, async (page) => {
    await page.waitForLoadState('networkidle');
    assert.equal(await page.evaluate(() => customElements.get('protege-demo')), undefined);
    assert.ok(await page.getByText('without').isVisible());
  }, { ...SMALL, expected: [/CORS policy/, /ERR_FAILED/] }));

test('opened as a file, a page says that it has to be served', () =>
  visit(pathToFileURL(`${SITE}/index.html`).href, async (page) => {
    await page.getByText('a page that is served').waitFor();
  }, { expected: [/CORS policy|origin 'null'|origin null/, /ERR_FAILED/] }));

const tell = (page, order) => page.evaluate((order) => document.querySelector('iframe').contentWindow.postMessage(order, '*'), order);
const learned = (page) => page.waitForFunction(() => window.told.some((event) => event.protege === 'phase' && event.done > 0));

for (const [path, how] of [['frame', ''], ['sandbox', ' in a sandbox']]) {
  test(`a frame${how} obeys its page and tells it what happens`, () =>
    visit(host.url + path, async (page) => {
      await page.frameLocator('iframe').locator('.panel svg').waitFor();
      await tell(page, { protege: 'start' });
      await learned(page);
      await tell(page, { protege: 'pause' });
      await page.waitForFunction(() => window.told.some((event) => event.protege === 'state' && !event.running));
    }));
}

test('a sandbox without an origin says what it lacks', () =>
  visit(`${host.url}sandbox-alone`, async (page) => {
    await page.frameLocator('iframe').locator('.panel svg').waitFor();
    await tell(page, { protege: 'start' });
    await page.frameLocator('iframe').getByText('needs allow-same-origin').waitFor();
    await page.waitForFunction(() => window.told.some((event) => event.protege === 'error' && /allow-same-origin/.test(event.message)));
  }));

test('a sandbox lets files go only where downloads are allowed', async () => {
  const save = async (path, check, expected = []) =>
    visit(host.url + path, async (page) => {
      await page.frameLocator('iframe').locator('.panel svg').waitFor();
      await tell(page, { protege: 'start' });
      await learned(page);
      let file;
      page.on('download', (download) => { file = download.suggestedFilename(); });
      await page.frameLocator('iframe').getByRole('button', { name: 'Save demonstrations' }).click();
      for (let i = 0; i < 30 && !file; i += 1) await page.waitForTimeout(100);
      check(file);
    }, { expected });
  await save('sandbox-files', (file) => assert.equal(file, 'demos.safetensors'));
  await save('sandbox', (file) => assert.equal(file, undefined), [/Download is disallowed|allow-downloads/]);
});
