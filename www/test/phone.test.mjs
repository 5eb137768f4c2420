// Protects visitors with a phone: nothing overflows, everything can be hit with a thumb, light and dark.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heard, screenshot, server, visit } from './site.mjs';

const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, reducedMotion: 'reduce' };
const PAGES = {
  'teach.html': 'phone-teach',
  'tutorial/': 'phone-tutorial',
  'tutorial/1-why-cloning-fails-to-explore.html': 'phone-chapter-1',
  'tutorial/2-the-posterior.html': 'phone-chapter-2',
  'tutorial/3-finetuning-with-five-demos.html': 'phone-chapter-3',
};

async function fits(page) {
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 390, 'the page is no wider than the phone');
}

/** What a thumb has to hit and is lower than 32 pixels, by name. */
const low = (page) =>
  page.locator('protege-demo').locator('button:visible, select:visible, input:visible, label.file:visible, summary:visible').evaluateAll((controls) => {
    const name = (control) => `${control.localName} ${control.name || control.textContent.trim()}`;
    return controls.filter((control) => control.getBoundingClientRect().height < 31.5).map(name);
  });

test('the race fits a phone, light and dark', () =>
  visit(`${server.url}#task=lab/lift&demos=3&speed=0.1`, async (page) => {
    const pictures = async (name, options) => {
      for (const colorScheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme });
        await screenshot(page, `${name}-${colorScheme}`, options);
      }
    };
    await page.getByRole('button', { name: 'Start the race' }).waitFor();
    await fits(page);
    await pictures('phone-poster');
    await page.getByRole('button', { name: 'Start the race' }).tap();
    await heard(page, (event) => event.type === 'phase' && event.done > 0);
    await fits(page);
    await page.getByRole('button', { name: 'Pause' }).tap();
    await page.getByRole('button', { name: 'Start', exact: true }).waitFor();
    await pictures('phone-race', { fullPage: true });
    assert.deepEqual(await low(page), [], 'lower than 32 pixels');
  }, PHONE));

test('teaching fits a phone', () =>
  visit(`${server.url}teach.html#task=lab/lift`, async (page) => {
    await page.getByRole('button', { name: 'Take the hand' }).tap();
    await page.locator('.clock').waitFor();
    await fits(page);
    await screenshot(page, 'phone-teach', { fullPage: true });
    assert.deepEqual(await low(page), [], 'lower than 32 pixels');
  }, PHONE));

test('every page fits a phone', async () => {
  for (const [path, name] of Object.entries(PAGES)) {
    await visit(server.url + path, async (page) => {
      await fits(page);
      if (name !== 'phone-teach') await screenshot(page, name, { fullPage: true });
    }, PHONE);
  }
});
