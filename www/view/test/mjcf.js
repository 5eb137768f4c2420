/**
 * Reads as much of MJCF as the project's scenes use: bodies, geoms with positions and quaternions, defaults for geoms.
 *
 * @param {string} xml
 * @returns {{scene: import('../src/scene.js').Scene, rest: number[][]}} the scene, and where its bodies rest in the world
 */
export function parse(xml) {
  const document = new DOMParser().parseFromString(xml, 'application/xml');
  const defaults = document.querySelector('mujoco > default > geom');
  const scene = { bodies: [], geoms: [], grip: 0 };
  const rest = [];

  const walk = (element, body, origin) => {
    for (const child of element.children) {
      if (child.tagName === 'geom') scene.geoms.push(geom(child, defaults, body));
      if (child.tagName === 'site' && child.getAttribute('name') === 'grip') scene.grip = body;
      if (child.tagName !== 'body') continue;
      const position = numbers(child, 'pos', [0, 0, 0]).map((value, i) => value + origin[i]);
      scene.bodies.push(child.getAttribute('name'));
      rest.push(position);
      walk(child, scene.bodies.length - 1, position);
    }
  };
  walk(document.querySelector('worldbody'), null, [0, 0, 0]);
  return { scene, rest };
}

function geom(element, defaults, body) {
  const get = (name, fallback) => numbers(element, name, defaults ? numbers(defaults, name, fallback) : fallback);
  return {
    name: element.getAttribute('name'),
    body,
    kind: element.getAttribute('type') ?? 'sphere',
    size: get('size', []),
    position: get('pos', [0, 0, 0]),
    rotation: get('quat', [1, 0, 0, 0]),
    rgba: get('rgba', [0.5, 0.5, 0.5, 1]),
  };
}

function numbers(element, name, fallback) {
  return element.getAttribute(name)?.trim().split(/\s+/).map(Number) ?? fallback;
}
