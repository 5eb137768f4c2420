// Runs every test of the site in one process, with one server and one browser: node --test www/test/all.mjs
import { readdirSync } from 'node:fs';

const files = readdirSync(new URL('.', import.meta.url)).filter((file) => file.endsWith('.test.mjs'));
for (const file of files.sort()) await import(`./${file}`);
