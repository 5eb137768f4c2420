// Protects the promise at the foot of every page: after the first visit it works offline.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heard, serve, server, start, visit } from './site.mjs';

test('after the first visit every page opens without a network, and the race starts', async () => {
  const own = await serve();
  await visit(own.url, async (page, context) => {
    await page.waitForFunction(() => navigator.serviceWorker.controller);
    await context.setOffline(true);
    // What a service worker asks for is not held back by `setOffline`, so the server goes, too.
    own.close();
    for (const path of ['teach.html', 'tutorial/', 'tutorial/2-the-posterior.html', '#task=lab/lift&demos=3&pretrain=bc&speed=0.1']) {
      await page.goto(own.url + path);
      await page.getByRole('heading', { level: 1 }).waitFor();
      assert.ok(await page.evaluate(() => getComputedStyle(document.body).marginTop === '0px'), 'the page has its style');
    }
    await page.reload();
    await start(page);
    await heard(page, (event) => event.type === 'phase' && event.done > 0);
  }, { keep: true }).finally(() => own.close());
});

test('a visitor who saves data gets no copy of the site', () =>
  visit(server.url, async (page) => {
    await page.waitForTimeout(3000);
    assert.equal(await page.evaluate(async () => (await navigator.serviceWorker.getRegistrations()).length), 0);
  }));
