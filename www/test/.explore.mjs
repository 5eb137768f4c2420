import { serve, launch, visit, start, heard, screenshot, count, silent } from './site.mjs';
const server = await serve(); const browser = await launch();
const t0=Date.now(); const log=(...a)=>console.log(((Date.now()-t0)/1000).toFixed(1),...a);
try {
await visit(browser, server.url+'teach.html#task=lab/lift', async (page)=>{
  await start(page); log('ready'); await page.locator('.clock').waitFor(); log(await page.locator('.clock').innerText());
  await page.waitForTimeout(1500);
  await screenshot(page,'teach-start',{fullPage:true});
});
} catch(e){console.log(e)} finally { await browser.close(); server.close(); }
