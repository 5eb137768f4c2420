import {
  BufferAttribute,
  CapsuleGeometry,
  CircleGeometry,
  CylinderGeometry,
  LatheGeometry,
  PlaneGeometry,
  SphereGeometry,
  Vector2,
} from 'three';
import { RoundedBoxGeometry } from 'three/addons/geometries/RoundedBoxGeometry.js';

const ROUND = 48; // segments of a circle
const BEVEL = 0.3; // radius of edges, as a share of the smallest half size

/**
 * Half extents of a geom along its own axes; an infinite plane has none.
 *
 * @param {{kind: string, size: number[]}} geom
 * @returns {[number, number, number]}
 */
export function halfExtents({ kind, size }) {
  switch (kind) {
    case 'sphere':
      return [size[0], size[0], size[0]];
    case 'cylinder':
      return [size[0], size[0], size[1]];
    case 'capsule':
      return [size[0], size[0], size[0] + size[1]];
    case 'plane':
      return [size[0], size[1], 0];
    default:
      return [size[0], size[1], size[2]];
  }
}

/**
 * The surface of a geom, z up, edges slightly rounded.
 *
 * @param {{kind: string, size: number[]}} geom
 * @param {number} horizon radius that stands for infinity
 * @returns {import('three').BufferGeometry}
 */
export function shape(geom, horizon) {
  const { kind, size } = geom;
  switch (kind) {
    case 'box': {
      const [x, y, z] = size;
      return new RoundedBoxGeometry(2 * x, 2 * y, 2 * z, 4, BEVEL * Math.min(x, y, z));
    }
    case 'sphere':
    case 'ellipsoid': {
      const [x, y, z] = halfExtents(geom);
      return new SphereGeometry(1, ROUND, ROUND / 2).rotateX(Math.PI / 2).scale(x, y, z);
    }
    case 'cylinder':
      return cylinder(size[0], size[1]);
    case 'capsule':
      return new CapsuleGeometry(size[0], 2 * size[1], 12, ROUND).rotateX(Math.PI / 2);
    case 'plane':
      return size[0] > 0 && size[1] > 0
        ? new PlaneGeometry(2 * size[0], 2 * size[1])
        : fade(new CircleGeometry(horizon, ROUND), (x, y) => 1 - Math.hypot(x, y) / horizon);
    default:
      throw new Error(`a geom of unknown kind: ${kind}`);
  }
}

/** A cylinder whose edges are rounded: a profile, turned. */
function cylinder(radius, half) {
  const bevel = BEVEL * Math.min(radius, half);
  const flat = radius - bevel;
  const straight = half - bevel;
  const lean = 1e-3 * bevel; // points so close to the arcs take the turn of the normal, so that flat faces look flat
  const steps = 5;
  const arc = (from, z) =>
    Array.from({ length: steps + 1 }, (_, i) => {
      const angle = from + ((i / steps) * Math.PI) / 2;
      return new Vector2(flat + bevel * Math.cos(angle), z + bevel * Math.sin(angle));
    });
  const profile = [
    new Vector2(0, -half),
    new Vector2(flat - lean, -half),
    ...arc(-Math.PI / 2, -straight),
    new Vector2(radius, -straight + lean),
    new Vector2(radius, straight - lean),
    ...arc(0, straight),
    new Vector2(flat - lean, half),
    new Vector2(0, half),
  ];
  return new LatheGeometry(profile, ROUND).rotateX(Math.PI / 2);
}

/**
 * A rod along z from 0 to `length` that fades out upwards.
 *
 * @param {number} radius
 * @param {number} length
 */
export function rod(radius, length) {
  const geometry = new CylinderGeometry(radius, radius, length, ROUND, 12, true);
  geometry.rotateX(Math.PI / 2).translate(0, 0, length / 2);
  return fade(geometry, (x, y, z) => 1.4 * (1 - z / length));
}

/** Gives each vertex an opacity, as the fourth component of its color. */
function fade(geometry, opacity) {
  const { position } = geometry.attributes;
  const colors = new Float32Array(position.count * 4).fill(1);
  for (let i = 0; i < position.count; i++) {
    colors[4 * i + 3] = Math.min(1, Math.max(0, opacity(position.getX(i), position.getY(i), position.getZ(i))));
  }
  return geometry.setAttribute('color', new BufferAttribute(colors, 4));
}
