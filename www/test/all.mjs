// Runs every test of the site in one process, with one server and one browser: node --test www/test/all.mjs
//
// Two at a time: nearly every one waits for a page half of its time, and leaves a core idle.
import { readdirSync } from 'node:fs';
import { suite } from 'node:test';

const files = readdirSync(new URL('.', import.meta.url)).filter((file) => file.endsWith('.test.mjs'));

suite('the site', { concurrency: 2 }, async () => {
  for (const file of files.sort()) await import(`./${file}`);
});
