import { CylinderGeometry, Group, Mesh, MeshBasicMaterial, RingGeometry } from 'three';

const STEM = new CylinderGeometry(1, 1, 1, 8, 1, true).rotateX(Math.PI / 2).translate(0, 0, -0.5);
const LIFT = 4e-4; // meters above the ground, so that the foot is not hidden by it

/** A line from a point down to a ring on the ground: shows where in the air the point is. */
export class Plumb extends Group {
  #stem;
  #foot;
  #material;

  /**
   * @param {number} radius of the ring on the ground
   * @param {number} opacity
   */
  constructor(radius, opacity) {
    super();
    this.#material = new MeshBasicMaterial({ transparent: true, opacity, depthWrite: false, toneMapped: false });
    this.#stem = new Mesh(STEM, this.#material);
    this.#foot = new Mesh(new RingGeometry(0.8 * radius, radius, 48), this.#material);
    this.#stem.scale.set(0.06 * radius, 0.06 * radius, 1);
    this.add(this.#stem, this.#foot);
  }

  /**
   * @param {import('three').Vector3} point
   * @param {number} ground height of the ground
   */
  place(point, ground) {
    const height = Math.max(0, point.z - ground - LIFT);
    this.position.copy(point);
    this.#stem.scale.z = Math.max(height, 1e-6);
    this.#foot.position.z = -height;
  }

  /** @param {import('three').Color | string} color */
  setColor(color) {
    this.#material.color.set(color);
  }
}
