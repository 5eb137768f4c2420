// Protects pages that change an attribute, or a link: what is changed while a demo runs changes the demo, whatever its kind.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { count, heard, ready, server, start, visit } from './site.mjs';

const SMALL = { viewport: { width: 480, height: 500 } };

/** Another value for every setting: of the attribute, and in the address. */
const SETTINGS = {
  task: 'lab/assembly', pretrain: 'post-bc', finetune: 'none', demos: '4', alpha: '0.5', members: '5', seed: '7', speed: '1.5',
};

const set = (page, name, value) => page.locator('protege-demo').first().evaluate((demo, [name, value]) => {
  if (value === null) demo.removeAttribute(name);
  else demo.setAttribute(name, value);
}, [name, value]);

const settings = (page) => page.evaluate(() => document.querySelector('protege-demo').demo.state.hash);

test('every setting of a race follows its attribute, and goes back to its default without', () =>
  visit(`${server.url}embed.html#pretrain=bc`, async (page) => {
    await start(page);
    await set(page, 'pretrain', null);
    // The settings are the app's; workers that begin anew with each of them would only take time.
    await page.context().route('**/worker.js', () => {});
    for (const [name, value] of Object.entries(SETTINGS)) {
      await set(page, name, value);
      await page.waitForFunction((wanted) => document.querySelector('protege-demo').demo.state.hash === wanted, `${name}=${value}`);
      await set(page, name, null);
      await page.waitForFunction(() => document.querySelector('protege-demo').demo.state.hash === '');
    }
    assert.equal(await settings(page), '');
  }, SMALL));

test('another kind and other controls make another demo', () =>
  visit(server.url, async (page) => {
    await start(page);
    await page.getByRole('toolbar', { name: 'Learning' }).waitFor();
    let since = await count(page);
    await set(page, 'controls', 'none');
    await heard(page, (event) => event.type === 'ready', undefined, since);
    assert.equal(await page.getByRole('toolbar', { name: 'Learning' }).count(), 0);
    since = await count(page);
    await set(page, 'kind', 'theory');
    await heard(page, (event) => event.type === 'ready', undefined, since);
    await page.getByText('Problem 0:').waitFor();
    await set(page, 'seed', '5');
    await page.getByText('Problem 5:').waitFor();
  }, SMALL));

test('what is taught follows attribute and address, and each task keeps its own', () =>
  visit(`${server.url}teach.html`, async (page) => {
    await start(page);
    await page.getByText('Grasp the cube and raise it.').waitFor();
    await set(page, 'task', 'lab/assembly');
    await page.getByText('Put the ring over the peg.').waitFor();
    assert.match(page.url(), /#task=lab\/assembly$/);
    await page.evaluate(() => { location.hash = 'task=lab/door'; });
    await page.waitForFunction(() => document.querySelector('select[name=task]').value === 'lab/door');
    await page.evaluate(() => { location.hash = 'task=lab/nope'; });
    await page.locator('.message').filter({ hasText: 'lab/nope' }).waitFor();
  }, SMALL));

test('an attribute that changes while the app loads is taken up, too', () =>
  visit(server.url, async (page) => {
    await page.locator('protege-demo .caption button').click();
    await set(page, 'seed', '3');
    await ready(page);
    await page.waitForFunction(() => document.querySelector('protege-demo').demo.state.hash === 'seed=3');
  }, SMALL));

const text = (path) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
/** The names in the first column of the docs' table of attributes. */
const documented = (path) => {
  const table = text(path).split('| attribute |')[1].split('\n\n')[0];
  return [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name).sort();
};

test('the docs have every attribute, and frames pass on every event that the types name', () =>
  visit(server.url, async (page) => {
    const observed = await page.evaluate(async () => (await customElements.whenDefined('protege-demo')).observedAttributes);
    for (const path of ['docs/browser.md', 'www/npm/README.md']) assert.deepEqual(documented(path), [...observed].sort(), path);
    const events = text('www/protege-demo.d.ts').split('export interface Events {')[1].split('\n}')[0];
    const named = [...events.matchAll(/^ {2}(\w+): \{/gm)].map(([, name]) => name).sort();
    const passed = text('www/embed.js').match(/const events = (\[.*\]);/)[1].replaceAll("'", '"');
    assert.deepEqual(JSON.parse(passed).sort(), named);
  }, SMALL));

test('every page of the site has the policy that the docs name', async () => {
  const policy = text('docs/browser.md').match(/^ {4}(default-src 'none'; .*)$/m)[1];
  const { files } = JSON.parse(await (await fetch(new URL('files.json', server.url))).text());
  const pages = files.filter((file) => file.endsWith('.html') && file !== '404.html');
  assert.ok(pages.length > 6);
  for (const page of pages) {
    const html = await (await fetch(new URL(page, server.url))).text();
    assert.ok(html.includes(`<meta http-equiv="Content-Security-Policy" content="${policy}">`), page);
    assert.doesNotMatch(html, /<style|<script(?![^>]* src=)| style=| on\w+=/, page);
  }
});
