// The step in TensorFlow.js, on its WebAssembly backend with SIMD, as one would write it.
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';

const WARM_UP = 5;

/** Median milliseconds of a step, each until its loss is known. */
async function adamMs(hidden, batch, steps) {
  const widths = [32, hidden, hidden, 8];
  const layers = widths.slice(1).map((width, i) => [
    tf.variable(tf.randomNormal([widths[i], width], 0, Math.sqrt(2 / widths[i]))),
    tf.variable(tf.zeros([width])),
  ]);
  const [x, y] = [tf.randomNormal([batch, 32]), tf.randomNormal([batch, 8])];
  const layer = (input, [weight, bias], i) => {
    const sum = tf.add(tf.matMul(input, weight), bias);
    return i < layers.length - 1 ? tf.relu(sum) : sum;
  };
  const optimizer = tf.train.adam(1e-3);
  const times = [];
  for (let step = 0; step < steps + WARM_UP; step += 1) {
    const start = performance.now();
    const loss = optimizer.minimize(() => tf.mean(tf.square(tf.sub(layers.reduce(layer, x), y))), true);
    await loss.data();
    loss.dispose();
    if (step >= WARM_UP) times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)];
}

const [hidden, batch, steps] = ['hidden', 'batch', 'steps'].map((key) => Number(new URLSearchParams(location.search).get(key)));
// One thread, as protege's worker has.
tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
setWasmPaths(new URL('/', location.href).href);
await tf.setBackend('wasm');
await tf.ready();
postMessage({ ms: await adamMs(hidden, batch, steps), backend: tf.getBackend() });
