// Protects links: the address says what the race is about, and whoever opens it gets the same race.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heard, ready, server, silent, start, visit } from './site.mjs';

/** What the form says: name to value. */
const form = (page) =>
  page.locator('protege-demo .protege-grid').evaluate((grid) =>
    Object.fromEntries([...grid.querySelectorAll('select, input')].map((input) => [input.name, input.value])));

test('the form writes the address, and the address fills the form', async () => {
  let link;
  let chosen;
  await visit(`${server.url}#pretrain=bc`, async (page) => {
    await start(page);
    await page.getByRole('button', { name: 'Pause' }).click();
    await silent(page);
    await page.getByLabel('Seed').fill('41');
    await page.getByLabel('Seed').press('Enter');
    await page.getByLabel('Task').selectOption('lab/assembly');
    await page.getByLabel('Lanes').selectOption('post-bc');
    await page.waitForFunction(() => location.hash.includes('post-bc'));
    [link, chosen] = [page.url(), await form(page)];
    assert.equal(new URL(link).hash, '#pretrain=post-bc&seed=41&task=lab/assembly');
  });
  await visit(link, async (page) => {
    await page.getByText('put a ring over a peg').waitFor();
    await start(page);
    assert.deepEqual(await form(page), chosen);
    assert.equal(await page.locator('.protege-lane').count(), 1);
    await page.evaluate(() => { location.hash = 'task=lab/box-close&seed=2'; });
    await page.waitForFunction(() => document.querySelector('select[name=task]').value === 'lab/box-close');
    assert.equal((await form(page)).seed, '2');
  });
});

test('a link that cannot work is answered with a sentence', () =>
  visit(`${server.url}#task=lab/nope`, async (page) => {
    await page.locator('protege-demo .caption button').click();
    await page.getByText(/link does not fit.*lab\/nope.*lab\/lift/).waitFor();
    await heard(page, (event) => event.type === 'error');
    // The link is mended in place, as one would.
    await page.evaluate(() => { location.hash = 'task=lab/lift'; });
    await page.getByRole('button', { name: 'Try again' }).click();
    await ready(page);
    await page.evaluate(() => { location.hash = 'demos=many'; });
    await page.getByRole('alert').filter({ hasText: 'demos' }).waitFor();
    assert.equal(await page.getByLabel('Task').inputValue(), 'lab/lift');
  }));
