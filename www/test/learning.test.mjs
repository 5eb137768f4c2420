// Protects the main promise: within minutes, practice makes PostBC better, and everyone is told so.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { events, screenshot, server, start, visit } from './site.mjs';

/** Two cores that also draw in software took 204 s for both arms. */
const LIMIT = 540_000;

const finished = (lanes) => {
  const done = new Set(window.heard.filter((event) => event.type === 'finished').map((event) => event.lane));
  return done.size === lanes;
};

/** Whether a learned reward was measured this often. */
const rewarded = (times) => window.heard.filter((event) => event.type === 'metrics' && 'reward/demos' in event.values).length >= times;

/** Scrolls to the settings: pictures that nobody sees are not drawn. */
const away = (page) => page.getByLabel('Seed').scrollIntoViewIfNeeded();

/** Whether practice has brought a lane above what its policy could before. */
const better = (lane) => {
  const tests = window.heard.filter((event) => event.type === 'metrics' && event.lane === lane && 'eval/success' in event.values);
  return tests.some((event) => event.values['eval/success'] > tests[0].values['eval/success']);
};

/** The figures of a lane that a visitor sees: name to number. */
const visible = (page, name) =>
  page.getByRole('region', { name: `Lane ${name}` }).locator('.figures').evaluate((list) => {
    const rows = [...list.querySelectorAll('div')].map((row) => [row.querySelector('dt').textContent, parseFloat(row.querySelector('dd').textContent)]);
    return Object.fromEntries(rows);
  });

test('both arms finish, and practice makes PostBC better', (t) =>
  visit(`${server.url}#task=lab/lift&demos=3&seed=0&speed=0.1`, async (page) => {
    const begin = Date.now();
    await start(page);
    await away(page);
    await page.waitForFunction(better, 1, { polling: 500, timeout: LIMIT });
    t.diagnostic(`PostBC was better than as cloned ${((Date.now() - begin) / 1000).toFixed(0)} s after the press`);
    await page.waitForFunction(finished, 2, { polling: 500, timeout: LIMIT });
    t.diagnostic(`both finished ${((Date.now() - begin) / 1000).toFixed(0)} s after the press`);
    await screenshot(page, 'race-finished', { fullPage: true });

    const tests = (await events(page, 0, 'metrics')).filter((event) => event.lane === 1 && 'eval/success' in event.values);
    const [before, after] = [tests.at(0), tests.at(-1)].map((event) => event.values['eval/success']);
    t.diagnostic(`PostBC: ${before} before, ${after} after`);
    assert.ok(after > before, `${after} after practice is no more than ${before} before`);

    const seen = await visible(page, 'PostBC');
    assert.equal(seen['as cloned'], Math.round(100 * before));
    assert.equal(seen['after practice'], Math.round(100 * after));
    assert.ok((await visible(page, 'BC'))['after practice'] > 0);
    assert.equal(await page.getByText('Done: it goes on showing what it has learned').count(), 2);

    await told(page, 1, before, after);
  }));

test('CSIL learns beside the cloned policy, and shows where its reward is high', (t) =>
  visit(`${server.url}#task=lab/lift&demos=5&seed=0&pretrain=bc&finetune=csil&speed=0.1`, async (page) => {
    const begin = Date.now();
    await start(page);
    assert.equal(await page.getByText('where the learned reward is high').count(), 1);
    await away(page);
    await page.waitForFunction(rewarded, 3, { polling: 500, timeout: LIMIT });
    t.diagnostic(`a reward was learned ${((Date.now() - begin) / 1000).toFixed(0)} s after the press`);
    await page.evaluate(() => document.querySelector('protege-demo').demo.pause());
    await screenshot(page, 'race-csil', { fullPage: true });
    const rewards = (await events(page, 0, 'metrics')).filter((event) => 'reward/demos' in event.values);
    assert.ok(rewards.length > 0 && rewards.every((event) => Number.isFinite(event.values['reward/practice'])));
  }));

/** The end is told once per arm, also while the arms go on showing what they have learned. */
async function told(page, lane, before, after) {
  await page.waitForTimeout(1500);
  const ends = (await events(page, 0, 'finished')).filter((event) => event.lane === lane);
  assert.deepEqual(ends.map((event) => [event.before, event.after]), [[before, after]], 'what `finished` tells: success before and after');
}
