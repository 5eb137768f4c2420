import { chromium } from 'playwright-core';

const args = [
  '--no-sandbox',
  '--use-angle=swiftshader',
  '--enable-unsafe-swiftshader',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];

/** Starts Chromium, drawing in software; CHROMIUM says where it is. */
export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args });
}

/**
 * Collects what a page complains of.
 *
 * @param {import('playwright-core').Page} page
 * @returns {string[]} filled as errors and warnings come
 */
export function complaints(page) {
  const list = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) list.push(message.text());
  });
  page.on('pageerror', (error) => list.push(String(error)));
  return list;
}
