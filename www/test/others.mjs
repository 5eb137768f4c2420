// Runs every test of the site but the long ones of learning.test.mjs in one process, with one server and one browser:
// node --test www/test/others.mjs
import { readdirSync } from 'node:fs';

const files = readdirSync(new URL('.', import.meta.url)).filter((file) => file.endsWith('.test.mjs'));
const others = files.filter((file) => file !== 'learning.test.mjs');
for (const file of others.sort()) await import(`./${file}`);
