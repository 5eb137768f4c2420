// Protects visitors without a mouse: everything is reached in a sensible order, can be seen when it has the focus, and works.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heard, ready, screenshot, server, visit } from './site.mjs';

/** What has the focus, also inside of the element: its name, and whether one can see that it has it. */
const focused = (page) =>
  page.evaluate(() => {
    const outer = document.activeElement;
    const element = outer.shadowRoot?.activeElement ?? outer;
    const shown = [element, element.closest('label')].filter(Boolean).map((part) => getComputedStyle(part));
    const visible = shown.some((style) => style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2);
    const name = element.getAttribute('aria-label') ?? (element.labels?.[0] ?? element).textContent;
    return { name: name.trim().replace(/\s+/g, ' '), visible };
  });

/** Presses Tab until something of this name has the focus; what was passed must be visible, too. */
async function tab(page, name, most = 1) {
  for (let i = 0; i < most; i += 1) {
    await page.keyboard.press('Tab');
    const now = await focused(page);
    assert.ok(now.visible, `${now.name} has a visible focus`);
    if (now.name.startsWith(name)) return;
    if (i === most - 1) assert.fail(`Tab leads to ${now.name} instead of ${name}`);
  }
}

test('the race is run by keys alone', () =>
  visit(`${server.url}#task=lab/lift&demos=3&speed=0.1`, async (page) => {
    await page.getByRole('button', { name: 'Start the race' }).waitFor();
    for (const name of ['Skip the demo', 'protege', 'Race', 'Teach it', 'Tutorial', 'Start the race']) await tab(page, name);
    await page.keyboard.press('Enter');
    await ready(page);

    await tab(page, 'Pause');
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Start', exact: true }).waitFor();
    await page.keyboard.press('Space');
    await page.getByRole('button', { name: 'Pause' }).waitFor();
    await page.keyboard.press('Space');
    for (const name of ['Step', 'Reset', 'Speed']) await tab(page, name);
    await screenshot(page, 'keyboard-focus');

    for (const lane of ['BC', 'PostBC']) {
      await tab(page, `The robot that was pretrained by ${lane},`);
      const [scroll, picture] = [await page.evaluate(() => scrollY), await page.locator(':focus').screenshot()];
      for (const key of ['ArrowDown', 'ArrowRight', 'ArrowUp']) await page.keyboard.press(key);
      assert.equal(await page.evaluate(() => scrollY), scroll, 'arrow keys are for the picture');
      assert.ok(!picture.equals(await page.locator(':focus').screenshot()), 'arrow keys turn the picture');
    }
    for (const name of ['Settings', 'Task', 'Lanes', 'Finetuning', 'Demonstrations', 'Alpha', 'Ensemble', 'Seed', 'Device']) await tab(page, name);
    for (const name of ['Save demonstrations', 'Save the policy of BC', 'Save the policy of PostBC', 'Load demonstrations', 'Load a policy']) await tab(page, name);
    await tab(page, 'Why cloning fails');
  }, { reducedMotion: 'reduce' }));

test('the demo can be skipped', () =>
  visit(server.url, async (page) => {
    await page.getByRole('button', { name: 'Start the race' }).waitFor();
    await tab(page, 'Skip the demo');
    await page.keyboard.press('Enter');
    await tab(page, 'Why cloning fails');
  }));

test('the hand is moved and closed by keys', () =>
  visit(`${server.url}teach.html#task=lab/lift`, async (page) => {
    await page.getByRole('button', { name: 'Take the hand' }).press('Enter');
    await page.locator('.clock').waitFor();
    await tab(page, "The robot's hand");
    const scroll = await page.evaluate(() => scrollY);
    await page.keyboard.down('ArrowRight');
    await page.waitForFunction(() => parseFloat(document.querySelector('.clock').textContent) > 0);
    await page.keyboard.up('ArrowRight');
    await page.keyboard.press(' ');
    await page.getByRole('button', { name: 'Open the gripper' }).waitFor();
    assert.equal(await page.evaluate(() => scrollY), scroll);
    await heard(page, (event) => event.type === 'ready');
  }));
