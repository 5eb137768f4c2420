// Protects files: what is trained here can be kept and used again, and a damaged file costs nothing but a sentence.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { choose, count, header, heard, launch, saved, serve, start, visit } from './site.mjs';

const RACE = '#task=lab/lift&demos=3&seed=0';

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

/** The phases of a lane, in order, up to the first of `last`. */
async function phases(page, since, last) {
  await heard(page, (event, last) => event.type === 'phase' && event.phase === last, last, since);
  return page.evaluate((since) => [...new Set(window.heard.slice(since).filter((event) => event.type === 'phase' && event.total).map((event) => event.phase))], since);
}

test('demonstrations and a policy are saved, and a fresh race with that policy skips pretraining', async () => {
  let policy;
  let demos;
  await visit(browser, server.url + RACE, async (page) => {
    await start(page);
    await heard(page, (event) => event.type === 'phase' && event.phase === 'evaluate' && event.lane === 0);
    demos = await saved(page, 'Save demonstrations', 'demos.safetensors');
    policy = await saved(page, 'Save the policy of BC', 'policy.safetensors');
  });
  assert.match(JSON.stringify(header(demos)), /lab\/lift/);
  assert.match(JSON.stringify(header(policy)), /archive/);
  assert.ok(policy.includes('lab/lift'), 'the policy says what it was trained for');

  await visit(browser, `${server.url}${RACE}&pretrain=bc`, async (page) => {
    await start(page);
    const since = await count(page);
    await choose(page, 'Load a policy', policy);
    assert.deepEqual(await phases(page, since, 'evaluate'), ['evaluate']);
  });

  await visit(browser, `${server.url}#task=lab/lift&demos=30&pretrain=bc`, async (page) => {
    await start(page);
    const since = await count(page);
    await choose(page, 'Load demonstrations', demos);
    await heard(page, (event) => event.type === 'phase' && event.phase === 'pretrain', undefined, since);
    const again = await saved(page, 'Save demonstrations', 'demos.safetensors');
    assert.deepEqual(again, demos, 'the demonstrations that were loaded are those that are learned from');
  });
});

test('a damaged file is refused in a sentence, and the race goes on', () =>
  visit(browser, server.url + RACE, async (page) => {
    await start(page);
    await heard(page, (event) => event.type === 'phase' && event.done > 0);
    for (const label of ['Load a policy', 'Load demonstrations']) {
      const since = await count(page);
      await choose(page, label, Buffer.from('no tensors in here'));
      const sentence = page.locator('.protege-refused');
      await sentence.waitFor();
      assert.match(await sentence.innerText(), /\w{3,} \w+/);
      await heard(page, (event) => event.type === 'phase' && event.done > 0, undefined, since);
    }
  }));

test('nothing to save yet is a sentence, too', () =>
  visit(browser, `${server.url}${RACE}&demos=30&pretrain=bc`, async (page) => {
    await start(page);
    await page.getByRole('button', { name: 'Save the policy of BC' }).click();
    await page.getByRole('alert').filter({ hasText: 'there is no policy yet' }).waitFor();
    await heard(page, (event) => event.type === 'phase' && event.done > 0);
  }));
