/** Made-up episodes: the hand goes to the object, closes, and carries it to the target. No physics. */

const INTERVAL = 1 / 80;
const CHUNK = 10; // frames of a segment
const SPEED = 0.5; // meters per second

/** Numbers from 0 to 1 that are the same each time. */
function random(seed) {
  let state = seed;
  return () => {
    state = (state * 1664525 + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/**
 * @param {import('../src/scene.js').Scene} scene
 * @param {number[][]} rest where the bodies rest
 * @param {number} seed
 * @returns {import('../src/playback.js').Segment[]} one episode
 */
export function episode(scene, rest, seed) {
  const draw = random(seed);
  const index = Object.fromEntries(scene.bodies.map((name, i) => [name, i]));
  const object = rest[index.object].map((x, i) => x + (i < 2 ? 0.08 * (draw() - 0.5) : 0));
  const target = rest[index.target].map((x, i) => x + (i < 2 ? 0.08 * (draw() - 0.5) : 0));
  const above = Math.max(target[2], 0.1);
  const path = frames([
    { at: rest[index.hand], closed: 0 },
    { at: [object[0], object[1], object[2] + 0.07], closed: 0 },
    { at: object, closed: 0 },
    { at: object, closed: 1 },
    { at: [object[0], object[1], above], closed: 1 },
    { at: [target[0], target[1], above], closed: 1 },
  ]);
  const grasp = path.findIndex(({ closed }) => closed === 1);
  const segments = [];
  for (let start = 0; start < path.length; start += CHUNK) {
    const part = path.slice(start, start + CHUNK);
    const poses = part.flatMap(({ at, closed }, i) => {
      const held = start + i >= grasp;
      const places = rest.map((position) => [...position]);
      const width = 0.051 - 0.043 * closed;
      places[index.object] = held ? at : object;
      places[index.target] = target;
      places[index.hand] = at;
      places[index.left_finger] = [at[0] + width, at[1], at[2]];
      places[index.right_finger] = [at[0] - width, at[1], at[2]];
      return places.flatMap((place) => [...place, 1, 0, 0, 0]);
    });
    segments.push({
      poses: new Float32Array(poses),
      interval: INTERVAL,
      ...proposals(path, start, draw),
      reset: start === 0,
      success: start + CHUNK >= path.length,
    });
  }
  return segments;
}

/** The path between waypoints at constant speed, eased at both ends; closing takes a quarter of a second. */
function frames(waypoints) {
  const path = [];
  for (let i = 1; i < waypoints.length; i++) {
    const [from, to] = [waypoints[i - 1], waypoints[i]];
    const seconds = Math.max(Math.hypot(...to.at.map((x, k) => x - from.at[k])) / SPEED, 0.25);
    const count = Math.round(seconds / INTERVAL);
    for (let n = 1; n <= count; n++) {
      const t = n / count;
      const s = t * t * (3 - 2 * t);
      path.push({
        at: from.at.map((x, k) => x + (to.at[k] - x) * s),
        closed: from.closed + (to.closed - from.closed) * s,
      });
    }
  }
  return path;
}

/** A fan of 32 polylines around the path to come, one of which is the plan. */
function proposals(path, start, draw) {
  const at = (n) => path[Math.min(n, path.length - 1)].at;
  const line = (bend) =>
    new Float32Array(
      Array.from({ length: 9 }, (_, n) => at(start + 3 * n).map((x, k) => x + bend[k] * (n / 8) ** 1.4)).flat(),
    );
  const normal = () => draw() + draw() + draw() - 1.5;
  const cloud = Array.from({ length: 32 }, () => line([0.05 * normal(), 0.05 * normal(), 0.04 * normal()]));
  return { cloud, planned: cloud[0], demonstrator: line([0, 0, 0]) };
}
