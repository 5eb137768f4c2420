import { Box3, Color, Group, Mesh, MeshStandardMaterial, Quaternion, SRGBColorSpace, Vector3 } from 'three';
import { lighten } from './color.js';
import { Plumb } from './plumb.js';
import { halfExtents, rod, shape } from './shapes.js';
import { STRIDE } from './playback.js';

/**
 * A primitive of a scene, in the frame of its body.
 *
 * @typedef {object} Geom
 * @property {string} name
 * @property {number | null} body index into the scene's bodies; null: the world
 * @property {'box' | 'sphere' | 'cylinder' | 'capsule' | 'ellipsoid' | 'plane'} kind
 * @property {number[]} size      half sizes, as in MJCF
 * @property {number[]} position  x y z
 * @property {number[]} rotation  w x y z
 * @property {number[]} rgba
 */

/**
 * What there is to draw: meters, z up.
 *
 * @typedef {object} Scene
 * @property {string[]} bodies
 * @property {Geom[]} geoms
 * @property {number} grip index of the body that carries the hand
 */

const HORIZON = 4; // meters; radius of an infinite plane
const GLOW = 0.5; // strength of the light of success
const MARKER = 0.4; // own light of translucent geoms, so that they show in the dark, too
const GLOWING = ['object', 'target']; // the bodies that show success; without them, the hand does

const point = new Vector3();
const part = new Box3();

/** The bodies of a scene as three.js objects. */
export class Model {
  /** Everything, to be added to a three.js scene. */
  root = new Group();
  /** Bounds of the world's own geoms. */
  furniture = new Box3();
  /** Bounds of the largest of them, which things stand on. */
  table = new Box3();

  /** @type {Group[]} */
  #bodies;
  #geoms;
  #grip;
  /** @type {Mesh[]} */
  #meshes = [];
  /** @type {number[]} */
  #showing;
  /** @type {MeshStandardMaterial[]} */
  #glowing = [];
  /** @type {{body: Group, position: Vector3, plumb: Plumb, material: MeshStandardMaterial}[]} */
  #markers = [];
  /** @type {MeshStandardMaterial | null} */
  #rod = null;

  /** @param {Scene} scene */
  constructor(scene) {
    this.#geoms = scene.geoms;
    this.#grip = scene.grip;
    this.#bodies = scene.bodies.map((name) => Object.assign(new Group(), { name, visible: false }));
    this.root.add(...this.#bodies);
    this.#showing = GLOWING.map((name) => scene.bodies.indexOf(name)).filter((body) => body >= 0);
    if (this.#showing.length === 0) this.#showing = [scene.grip];
    for (const geom of scene.geoms) this.#add(geom, geom.body === null ? this.root : this.#bodies[geom.body]);
    this.root.updateMatrixWorld(true);
    this.#addRod();
    this.#measure();
  }

  /** Height of the ground that things stand on. */
  get ground() {
    return this.table.isEmpty() ? 0 : this.table.max.z;
  }

  /** Whether the scene has a floor of its own. */
  get floored() {
    return this.#geoms.some(({ kind }) => kind === 'plane');
  }

  /** The body at which success shows. */
  get showsSuccess() {
    return this.#showing[0];
  }

  /**
   * Moves every body.
   *
   * @param {Float32Array} poses
   * @param {number} offset where the poses begin
   */
  pose(poses, offset) {
    for (let i = 0; i < this.#bodies.length; i++) {
      const body = this.#bodies[i];
      const k = offset + i * STRIDE;
      body.position.set(poses[k], poses[k + 1], poses[k + 2]);
      body.quaternion.set(poses[k + 4], poses[k + 5], poses[k + 6], poses[k + 3]);
      body.visible = true;
    }
    for (let i = 0; i < this.#markers.length; i++) {
      const { body, position, plumb } = this.#markers[i];
      plumb.visible = true;
      plumb.place(point.copy(position).applyQuaternion(body.quaternion).add(body.position), this.ground);
    }
  }

  /**
   * Extends boxes so that they hold the bodies where they are now, and the hand where it is likely to go: to the object
   * and the target.
   *
   * @param {Box3[]} boxes of each body
   * @returns {boolean} whether any of them grew
   */
  bound(boxes) {
    let grew = false;
    this.root.updateMatrixWorld(true);
    const extend = (box) => {
      if (box.containsBox(part)) return;
      box.union(part);
      grew = true;
    };
    for (const [geom, mesh] of this.#solids()) {
      if (geom.body === null) continue;
      bounds(geom, mesh);
      extend(boxes[geom.body]);
      if (geom.body !== this.#grip) continue;
      const hand = this.#bodies[this.#grip].position;
      for (const goal of this.#showing) {
        bounds(geom, mesh).translate(point.copy(this.#bodies[goal].position).sub(hand));
        extend(boxes[this.#grip]);
      }
    }
    return grew;
  }

  /** @param {import('./theme.js').Theme} theme */
  setTheme(theme) {
    this.#rod?.color.set(theme.rod);
    const tint = new Color(theme.furniture).convertLinearToSRGB();
    for (const [i, geom] of this.#geoms.entries()) {
      const { color } = this.#meshes[i].material;
      color.setRGB(geom.rgba[0], geom.rgba[1], geom.rgba[2], SRGBColorSpace);
      if (geom.body !== null) lighten(color, theme.darkest);
      else color.convertLinearToSRGB().lerp(tint, theme.tint).convertSRGBToLinear();
    }
    for (const material of this.#glowing) material.emissive.set(theme.success);
    for (const { plumb, material } of this.#markers) {
      plumb.setColor(material.color);
      material.emissive.copy(material.color);
    }
  }

  /** Lets what shows success glow: 0 not at all, 1 fully. */
  glow(strength) {
    for (const material of this.#glowing) {
      material.emissiveIntensity = (material.transparent ? MARKER : 0) + GLOW * strength;
    }
  }

  #add(geom, parent) {
    const [r, g, b, opacity] = geom.rgba;
    const material = new MeshStandardMaterial({
      roughness: geom.body === null ? 0.9 : 0.4,
      transparent: opacity < 1 || geom.kind === 'plane',
      vertexColors: geom.kind === 'plane' && !(geom.size[0] > 0),
      opacity,
      dithering: true,
    });
    material.color.setRGB(r, g, b, SRGBColorSpace);
    material.depthWrite = opacity === 1;
    material.emissiveIntensity = opacity < 1 ? MARKER : 0;
    const mesh = new Mesh(shape(geom, HORIZON), material);
    mesh.name = geom.name;
    mesh.position.fromArray(geom.position);
    mesh.quaternion.copy(quaternion(geom.rotation));
    mesh.castShadow = opacity === 1 && geom.kind !== 'plane';
    mesh.receiveShadow = opacity === 1;
    if (geom.kind === 'plane') mesh.renderOrder = -0.5; // before all else that is translucent
    parent.add(mesh);
    this.#meshes.push(mesh);
    if (this.#showing.includes(geom.body)) this.#glowing.push(material);
    if (opacity < 1 && geom.body !== null) this.#mark(geom, parent, material);
  }

  /** Translucent geoms mark goals, often in the air. */
  #mark(geom, body, material) {
    const plumb = new Plumb(Math.max(...halfExtents(geom).slice(0, 2)), 0.7);
    plumb.visible = false;
    this.root.add(plumb);
    this.#markers.push({ body, position: new Vector3(...geom.position), plumb, material });
  }

  /** Finds the bounds of the world's own geoms, and of the one that covers most ground. */
  #measure() {
    let largest = 0;
    for (const [geom, mesh] of this.#solids()) {
      if (geom.body !== null) continue;
      const { min, max } = bounds(geom, mesh);
      this.furniture.union(part);
      const area = (max.x - min.x) * (max.y - min.y);
      if (area <= largest) continue;
      largest = area;
      this.table.copy(part);
    }
  }

  /** The hand hangs on a rod, so that it does not float: up from its topmost geom, fading out. */
  #addRod() {
    const hand = this.#bodies[this.#grip];
    const whole = new Box3();
    const top = new Box3();
    for (const [geom, mesh] of this.#solids()) {
      if (geom.body !== this.#grip) continue;
      whole.union(bounds(geom, mesh));
      if (part.max.z > top.max.z) top.copy(part);
    }
    if (top.isEmpty()) return;
    const size = top.getSize(new Vector3());
    this.#rod = new MeshStandardMaterial({ roughness: 0.28, metalness: 0.25, vertexColors: true, transparent: true });
    const mesh = new Mesh(rod(0.16 * Math.min(size.x, size.y), 5 * (whole.max.z - whole.min.z)), this.#rod);
    top.getCenter(mesh.position).setZ(top.max.z);
    hand.add(mesh);
  }

  /** The geoms that have a size, with their meshes. */
  *#solids() {
    for (const [i, geom] of this.#geoms.entries()) if (geom.kind !== 'plane') yield [geom, this.#meshes[i]];
  }
}

/** Bounds of a geom in the world; they are `part`, which the next call overwrites. */
function bounds(geom, mesh) {
  const [x, y, z] = halfExtents(geom);
  part.makeEmpty();
  for (let i = 0; i < 8; i++) part.expandByPoint(point.set(i & 1 ? x : -x, i & 2 ? y : -y, i & 4 ? z : -z));
  return part.applyMatrix4(mesh.matrixWorld);
}

function quaternion([w, x, y, z]) {
  return new Quaternion(x, y, z, w);
}
