// Protects pages of others: one script tag brings demos from this site to a page on another origin, each loads only when it is
// asked for, and nothing is left of one that is removed.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { heard, listen, server, start, visit } from './site.mjs';

const host = await listen(async (path) => (path === '/frame' ? frame() : page()));

after(() => host.close());

const html = (body) => ({ status: 200, type: 'text/html; charset=utf-8', body: Buffer.from(`<!doctype html><link rel="icon" href="data:,">${body}`) });

const page = () => html(`<style>protege-demo { margin-bottom: 1500px; width: 600px }</style>
<protege-demo id="race" task="lab/box-close" pretrain="post-bc" finetune="none" demos="2" controls="basic"></protege-demo>
<protege-demo id="hand" kind="teach" task="lab/assembly" controls="none"></protege-demo>
<protege-demo id="study" kind="theory" autostart></protege-demo>
<script type="module" src="${server.url}protege-demo.js"></script>`);

const frame = () => html(`<iframe src="${server.url}embed.html#task=lab/lift&pretrain=bc&finetune=none&demos=2" title="protege" width="700" height="600"></iframe>
<script>window.told = []; addEventListener('message', ({ data }) => told.push(data));</script>`);

test('three demos live on a page of another origin, and load one by one', () =>
  visit(host.url, async (page) => {
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
  }, { viewport: { width: 700, height: 500 } }));

/** Waits until the page has this many workers. */
async function workers(page, wanted) {
  for (let i = 0; i < 100 && page.workers().length !== wanted; i += 1) await page.waitForTimeout(50);
  assert.equal(page.workers().length, wanted, 'workers of the page');
}

test('a demo that nobody can see rests until it is seen again', () =>
  visit(host.url, async (page) => {
    await start(page, 'race');
    await heard(page, (event) => event.type === 'phase');
    const demo = page.locator('#race');
    const running = (wanted) => page.waitForFunction((wanted) => document.querySelector('#race').demo.state.running === wanted, wanted);
    await running(true);
    await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
    await running(false);
    await demo.scrollIntoViewIfNeeded();
    await running(true);
  }, { viewport: { width: 700, height: 500 } }));

test('a frame obeys its page and tells it what happens', () =>
  visit(`${host.url}frame`, async (page) => {
    await page.frameLocator('iframe').locator('.panel svg').waitFor();
    await page.evaluate(() => document.querySelector('iframe').contentWindow.postMessage({ protege: 'start' }, '*'));
    await page.waitForFunction(() => window.told.some((event) => event.protege === 'phase' && event.done > 0));
    await page.evaluate(() => document.querySelector('iframe').contentWindow.postMessage({ protege: 'pause' }, '*'));
    await page.waitForFunction(() => window.told.some((event) => event.protege === 'state' && !event.running));
  }));
