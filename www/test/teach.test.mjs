// Protects teaching: what a visitor shows is recorded, kept, played again, carried away and brought back, and learned from.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { choose, count, header, heard, launch, ready, saved, screenshot, serve, start, visit } from './site.mjs';

let server;
let browser;

before(async () => {
  server = await serve();
  browser = await launch();
});

after(async () => {
  await browser.close();
  server.close();
});

/** Opens the teaching page with a task, at the fastest pace. */
const teach = (task, check) =>
  visit(browser, `${server.url}teach.html#task=${task}`, async (page) => {
    await start(page);
    await page.locator('.clock').waitFor();
    const pace = page.getByLabel('Pace');
    await pace.focus();
    await pace.press('End');
    await check(page);
  });

/** Seconds on the clock of the present demonstration. */
const clock = async (page) => parseFloat(await page.locator('.clock').innerText());

/** Waits until the clock has moved on by this many seconds of the robot's time, or the demonstration ended. */
async function pass(page, seconds) {
  const from = await clock(page);
  const moved = ([from, seconds]) => {
    const now = parseFloat(document.querySelector('.clock').textContent);
    return now < from || now >= from + seconds;
  };
  await page.waitForFunction(moved, [from, seconds]);
}

async function hold(page, key, seconds) {
  await page.keyboard.down(key);
  await pass(page, seconds);
  await page.keyboard.up(key);
}

test('time moves while the hand is dragged, and only then', () =>
  teach('lab/lift', async (page) => {
    const box = await page.locator('canvas').boundingBox();
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    const still = await page.locator('canvas').screenshot();
    assert.equal(await clock(page), 0);
    await page.mouse.move(x, y);
    await page.mouse.down();
    await page.mouse.move(x + 90, y + 30, { steps: 6 });
    await pass(page, 0.5);
    await screenshot(page, 'teach-dragging');
    await page.mouse.up();
    assert.ok(!still.equals(await page.locator('canvas').screenshot()), 'the picture shows the hand elsewhere');
    await page.waitForTimeout(300);
    const held = await clock(page);
    await page.waitForTimeout(1000);
    assert.equal(await clock(page), held);
    await page.getByRole('button', { name: 'Begin again' }).click();
    await page.waitForFunction(() => parseFloat(document.querySelector('.clock').textContent) === 0);
  }));
