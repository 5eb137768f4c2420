// Protects the tutorial: every chapter is there with its figures, and every demo in it starts and does what the text says.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heard, screenshot, server, start, visit } from './site.mjs';

/** Reads a chapter: `check` looks at its demos, `name` is that of the picture. */
const read = (path, name, check) =>
  visit(`${server.url}tutorial/${path}`, async (page) => {
    await page.getByRole('heading', { level: 1 }).waitFor();
    await page.waitForFunction(() => [...document.querySelectorAll('svg.plot')].every((plot) => plot.childElementCount > 5));
    await check(page);
    await page.evaluate(() => document.querySelectorAll('protege-demo').forEach(({ demo }) => demo?.pause()));
    await screenshot(page, name, { fullPage: true });
    assert.deepEqual(await covering(page), [], 'demos that cover the text below');
  }, { reducedMotion: 'reduce' });

/** The demos that are larger than the place that the page gives them. */
const covering = (page) =>
  page.locator('protege-demo').evaluateAll((demos) => {
    const bottom = (element) => element.getBoundingClientRect().bottom;
    return demos.filter((demo) => bottom(demo.querySelector('.protege') ?? demo) > bottom(demo) + 1).map((demo) => demo.ariaLabel);
  });

const learns = (page, id) => heard(page, (event, id) => event.element === id && event.type === 'phase' && event.done > 0, id);

test('the chapters are found from their list', () =>
  read('', 'tutorial', async (page) => {
    assert.equal(await page.locator('.chapters a').count(), 3);
    for (const link of await page.locator('.chapters a').all()) {
      const response = await page.request.get(new URL(await link.getAttribute('href'), page.url()).href);
      assert.ok(response.ok());
    }
  }));

test('chapter 1: the arm clones, and a slider changes what from', () =>
  read('1-why-cloning-fails-to-explore.html', 'chapter-1', async (page) => {
    await start(page, 'clone');
    await learns(page, 'clone');
    const seed = page.locator('[data-for=clone] input[name=seed]');
    await seed.press('ArrowRight');
    await page.waitForFunction(() => document.querySelector('#clone').demo.state.hash.includes('seed=1'));
  }));

test('chapter 2: the theory is measured before the reader’s eyes, and two arms clone', () =>
  read('2-the-posterior.html', 'chapter-2', async (page) => {
    await start(page);
    const curves = page.locator('.protege-theory .curve path');
    await page.waitForFunction(() => {
      const curves = [...document.querySelectorAll('.protege-theory .curve path')];
      return curves.length === 3 && curves.every((curve) => (curve.getAttribute('d').match(/L/g) ?? []).length >= 3);
    });
    assert.equal(await curves.count(), 3);
    await start(page, 'pair');
    await learns(page, 'pair');
  }));

test('chapter 3: the arms race, and a choice of practice begins anew', () =>
  read('3-finetuning-with-five-demos.html', 'chapter-3', async (page) => {
    await start(page, 'race');
    await learns(page, 'race');
    await page.getByRole('radio', { name: 'best-of-N' }).press('Space');
    await page.waitForFunction(() => document.querySelector('#race').demo.state.hash.includes('best-of-n'));
  }));
