// Protects the first impression: the page is there at once, costs nothing until it is asked for, and then shows robots.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { colors, screenshot, server, start, visit } from './site.mjs';

test('headline and poster are there before anything heavy is fetched, and a press brings two arms', () =>
  visit('about:blank', async (page) => {
    const fetched = [];
    page.on('request', (request) => request.method() === 'GET' && fetched.push(new URL(request.url()).pathname));
    await page.goto(`${server.url}#speed=0.1`);
    await page.getByRole('heading', { level: 1 }).waitFor();
    await page.locator('protege-demo .panel svg').first().waitFor();
    await page.getByRole('button', { name: 'Start the race' }).waitFor();
    assert.equal(await page.locator('protege-demo .panel').count(), 2);
    await page.waitForLoadState('networkidle');
    assert.deepEqual(fetched.filter((path) => /\.wasm$|view\.js$|app\.js$/.test(path)), []);
    await screenshot(page, 'front-poster');

    await start(page);
    // A page that learns leaves no time for its picture, which the processor draws, too.
    await page.evaluate(() => document.querySelector('protege-demo').demo.pause());
    const canvases = page.locator('protege-demo canvas');
    assert.equal(await canvases.count(), 2);
    for (const canvas of await canvases.all()) assert.ok((await colors(page, canvas)) > 500, 'a picture has many colors');
    assert.ok(fetched.includes('/app_bg.wasm') && fetched.includes('/worker_bg.wasm'));
    await screenshot(page, 'front-running');
  }));

test('the poster says how much will be loaded', () =>
  visit(server.url, async (page) => {
    await page.getByText(/^Loads \d+\.\d MB, once/).waitFor();
  }));

test('a page that is not there says so and leads back', () =>
  visit(
    `${server.url}nothing.html`,
    async (page) => {
      await page.getByRole('link', { name: 'Back to the race' }).click();
      await page.getByRole('button', { name: 'Start the race' }).waitFor();
    },
    { expected: [/404/] },
  ));
