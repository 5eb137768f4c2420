// Starts the workers in which physics and learning run. All workers of one program share one compiled module.

const modules = new Map();

/** Compiles the module at `url`, also where the server does not know the type of wasm files. */
async function compile(url) {
  const response = await fetch(url);
  if (!response.ok) {
    await response.text();
    throw new Error(`${url} answered ${response.status}`);
  }
  if (response.headers.get('content-type')?.startsWith('application/wasm')) return WebAssembly.compileStreaming(response);
  return WebAssembly.compile(await response.arrayBuffer());
}

function shared(url) {
  if (!modules.has(url)) modules.set(url, compile(url));
  return modules.get(url);
}

/** A worker of `program` ("worker", "worker_gpu"), whose files lie at `base`, which may be another origin: hence the blob. */
export function spawn(base, program) {
  const script = new URL(`${program}.js`, base).href;
  const source = `import init from ${JSON.stringify(script)};
onmessage = ({ data }) => { onmessage = null; init({ module_or_path: data }).catch((error) => setTimeout(() => { throw error; })); };`;
  const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  const worker = new Worker(url, { type: 'module' });
  const wasm = new URL(`${program}_bg.wasm`, base).href;
  shared(wasm).then(
    (module) => worker.postMessage(module),
    (error) => {
      modules.delete(wasm);
      worker.dispatchEvent(new ErrorEvent('error', { message: `the learning part cannot be loaded (${error.message})` }));
    },
  );
  return worker;
}

/**
 * Why there is no learning on this browser's GPU, as a sentence; nothing where there is. The runtime of GPU programs ends with a
 * panic where the adapter has no timestamps, so that is found out beforehand.
 */
export async function gpuLacks(base) {
  if (!navigator.gpu) return 'This browser has no WebGPU.';
  const adapter = await navigator.gpu.requestAdapter().catch(() => null);
  if (!adapter) return 'This browser has WebGPU, but gives no adapter here.';
  if (!adapter.features.has('timestamp-query')) return 'The GPU’s adapter has no timestamp queries, which learning on it needs.';
  const built = await fetch(new URL('worker_gpu.js', base), { method: 'HEAD' }).catch(() => null);
  return built?.ok ? '' : 'This site was built without the program for GPUs.';
}
