import { DoubleSide, Group, Mesh, MeshBasicMaterial, Plane, Raycaster, RingGeometry, Vector2, Vector3 } from 'three';
import { Plumb } from './plumb.js';

const GHOST = { transparent: true, opacity: 0.65, depthWrite: false, toneMapped: false };
const RADIUS = 0.03; // meters; of the ring
const REACH = 0.9; // of the table's half width: how far the target goes
const STEEPEST = 0.04; // a ray flatter than this does not move the target

/**
 * What is told while the hand is dragged: where to, in the world, and whether the drag goes on.
 *
 * @typedef {{x: number, y: number, z: number, active: boolean}} Drag
 */

/**
 * Drags a target for the hand: the pointer moves it in its horizontal plane; with Shift, a second finger or the wheel,
 * up and down.
 */
export class Dragger {
  /** The ghost of the target, to be added to a three.js scene. */
  ghost = new Group();

  #canvas;
  #orbit;
  #model;
  #changed;
  /** @type {((drag: Drag) => void) | null} */
  #callback = null;
  /** @type {() => Vector3} */
  #hand;
  #target = new Vector3();
  #told = { x: 0, y: 0, z: 0, active: false };
  #primary = -1; // the pointer that drags
  #second = -1; // the finger that makes it move up and down
  #last = new Vector2();
  #ending = false;
  #listeners = new AbortController();
  #ray = new Raycaster();
  #plane = new Plane(new Vector3(0, 0, 1));
  #before = new Vector3();
  #after = new Vector3();
  #pixel = new Vector2();
  #material = new MeshBasicMaterial({ ...GHOST, side: DoubleSide });
  #plumb = new Plumb(0.2 * RADIUS, GHOST.opacity);
  #ring = new Mesh(new RingGeometry(0.86 * RADIUS, RADIUS, 64), this.#material);

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {import('./camera.js').Orbit} orbit
   * @param {import('./scene.js').Model} model
   * @param {{hand: () => Vector3, changed: () => void}} hooks where the hand is, and what to call on a change
   */
  constructor(canvas, orbit, model, { hand, changed }) {
    this.#canvas = canvas;
    this.#orbit = orbit;
    this.#model = model;
    this.#hand = hand;
    this.#changed = changed;
    this.ghost.add(this.#ring, this.#plumb);
    this.ghost.visible = false;
  }

  /** Whether a drag goes on or its end is still to be told. */
  get active() {
    return this.#primary !== -1 || this.#ending;
  }

  /** @param {(drag: Drag) => void} callback */
  enable(callback) {
    this.disable();
    this.#callback = callback;
    this.#orbit.teaching = true;
    this.#canvas.style.touchAction = 'none';
    this.#listeners = new AbortController();
    const { signal } = this.#listeners;
    const on = (type, listener, options) => this.#canvas.addEventListener(type, listener, { signal, ...options });
    on('pointerdown', this.#down);
    on('pointermove', this.#move);
    on('pointerup', this.#up);
    on('pointercancel', this.#up);
    // Before the camera's listener, so that the wheel does not zoom while it moves the hand.
    on('wheel', this.#wheel, { passive: false, capture: true });
  }

  /** Ends teaching; a drag that goes on ends with it. */
  disable() {
    this.#listeners.abort();
    if (this.#primary !== -1) this.#end();
    this.tell();
    this.#callback = null;
    this.#orbit.teaching = false;
    this.#canvas.style.touchAction = 'pan-y';
  }

  /** Tells where the drag is; to be called once for each animation frame. */
  tell() {
    if (!this.active) return;
    const told = this.#told;
    told.x = this.#target.x;
    told.y = this.#target.y;
    told.z = this.#target.z;
    told.active = this.#primary !== -1;
    this.#ending = false;
    this.#callback?.({ ...told });
    this.#show();
  }

  /** @param {import('./theme.js').Theme} theme */
  setTheme(theme) {
    this.#material.color.set(theme.ghost);
    this.#plumb.setColor(theme.ghost);
  }

  /** Removes all listeners. */
  dispose() {
    this.#callback = null;
    this.disable();
  }

  #down = (event) => {
    if (event.pointerType === 'touch' && this.#primary !== -1) {
      this.#second = event.pointerId;
      return;
    }
    if (event.button !== 0 || this.#primary !== -1) return;
    this.#primary = event.pointerId;
    this.#last.set(event.clientX, event.clientY);
    this.#target.copy(this.#hand());
    this.#changed();
  };

  #move = (event) => {
    if (event.pointerId !== this.#primary) return;
    const { clientX: x, clientY: y } = event;
    if (event.shiftKey || this.#second !== -1) this.#lift((this.#last.y - y) * this.#meters());
    else this.#slide(x, y);
    this.#last.set(x, y);
    this.#limit();
    this.#changed();
  };

  #up = (event) => {
    if (event.pointerId === this.#second) this.#second = -1;
    if (event.pointerId === this.#primary) this.#end();
  };

  #wheel = (event) => {
    if (this.#primary === -1) return;
    event.preventDefault();
    this.#lift(-event.deltaY * 0.25 * this.#meters());
    this.#limit();
    this.#changed();
  };

  #end() {
    this.#primary = this.#second = -1;
    this.#ending = true;
    this.#changed();
  }

  /** Moves the target as far as the pointer moves in the target's plane, so that nothing jumps at the start. */
  #slide(x, y) {
    this.#plane.constant = -this.#target.z;
    if (!this.#hit(this.#last.x, this.#last.y, this.#before) || !this.#hit(x, y, this.#after)) return;
    this.#target.x += this.#after.x - this.#before.x;
    this.#target.y += this.#after.y - this.#before.y;
  }

  #lift(meters) {
    this.#target.z += meters;
  }

  /** Where the ray through a pixel meets the plane; false if it hardly does. */
  #hit(x, y, out) {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    this.#pixel.set((2 * (x - left)) / width - 1, 1 - (2 * (y - top)) / height);
    this.#ray.setFromCamera(this.#pixel, this.#orbit.camera);
    const { ray } = this.#ray;
    return Math.abs(ray.direction.z) > STEEPEST && ray.intersectPlane(this.#plane, out) !== null;
  }

  /** Meters that a pixel is high at the target. */
  #meters() {
    const { camera } = this.#orbit;
    const distance = camera.position.distanceTo(this.#target);
    return (2 * distance * Math.tan((camera.fov * Math.PI) / 360)) / this.#canvas.clientHeight;
  }

  /** Keeps the target over the table. */
  #limit() {
    const { table, ground } = this.#model;
    this.#target.z = Math.max(this.#target.z, ground);
    if (table.isEmpty()) return;
    table.getCenter(this.#before);
    table.getSize(this.#after).multiplyScalar(REACH / 2);
    for (const axis of ['x', 'y']) {
      const middle = this.#before[axis];
      const reach = this.#after[axis];
      this.#target[axis] = Math.min(middle + reach, Math.max(middle - reach, this.#target[axis]));
    }
    this.#target.z = Math.min(this.#target.z, ground + 2 * this.#after.y);
  }

  #show() {
    this.ghost.visible = this.#primary !== -1;
    this.#ring.position.copy(this.#target);
    this.#plumb.place(this.#target, this.#model.ground);
  }
}
