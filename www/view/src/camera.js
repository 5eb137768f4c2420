import { Box3, PerspectiveCamera, Vector3 } from 'three';

const AZIMUTH = 0.62; // radians from the front to the right
const ELEVATION = 0.4; // radians above the horizon
const LOWEST = 0.06;
const HIGHEST = 1.45;
const CLOSEST = 0.3; // of the distance that shows everything
const FARTHEST = 2.2;
const MARGIN = 1.06;
const EASE = 14; // per second
const AXES = ['azimuth', 'elevation', 'distance', 'x', 'y', 'z'];

const right = new Vector3();
const up = new Vector3();
const away = new Vector3();
const corner = new Vector3();

/** A camera that goes round a point, by mouse, touch and keys. Its moves are eased. */
export class Orbit {
  /** The three.js camera. */
  camera = new PerspectiveCamera(26, 1);
  /** Jumps instead of easing. */
  still = false;
  /** The first finger, the primary button and the keys are left to others. */
  teaching = false;

  #now = { azimuth: AZIMUTH, elevation: ELEVATION, distance: 1, x: 0, y: 0, z: 0 };
  #goal = { ...this.#now };
  #home = { ...this.#now };
  #touched = false;
  #canvas;
  #changed;
  /** @type {import('three').Box3[]} */
  #boxes = [];
  #whole = new Box3();
  /** @type {Map<number, {x: number, y: number, button: number, touch: boolean}>} */
  #pointers = new Map();
  #listeners = new AbortController();

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {() => void} changed called when the camera has somewhere to go
   */
  constructor(canvas, changed) {
    this.#canvas = canvas;
    this.#changed = changed;
    this.camera.up.set(0, 0, 1);
    const { signal } = this.#listeners;
    const on = (type, listener, options) => canvas.addEventListener(type, listener, { signal, ...options });
    on('pointerdown', this.#down);
    on('pointermove', this.#move);
    on('pointerup', this.#up);
    on('pointercancel', this.#up);
    on('wheel', this.#wheel, { passive: false });
    on('keydown', this.#key);
    on('dblclick', () => this.teaching || this.reset());
    on('contextmenu', (event) => event.preventDefault());
  }

  /**
   * Makes boxes what the camera shows at first, and again when it is reset.
   *
   * @param {Box3[]} boxes
   * @param {boolean} ease whether the camera goes there, or is there at once
   */
  frame(boxes, ease) {
    this.#boxes = boxes.filter((box) => !box.isEmpty());
    this.#whole.makeEmpty();
    for (const box of this.#boxes) this.#whole.union(box);
    this.#fit();
    if (!ease) this.#jump();
  }

  /**
   * @param {number} width
   * @param {number} height
   */
  resize(width, height) {
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
    this.#fit();
    if (!this.#touched) this.#jump();
  }

  /** Goes back to where everything is in view. */
  reset() {
    this.#touched = false;
    const turn = 2 * Math.PI;
    this.#now.azimuth -= turn * Math.round((this.#now.azimuth - this.#home.azimuth) / turn);
    Object.assign(this.#goal, this.#home);
    this.#changed();
  }

  /**
   * Moves towards where the camera is to be.
   *
   * @param {number} seconds
   * @returns {boolean} whether it still moves
   */
  advance(seconds) {
    if (this.still) return false;
    const share = 1 - Math.exp(-EASE * seconds);
    let moving = false;
    for (const axis of AXES) {
      const rest = this.#goal[axis] - this.#now[axis];
      if (Math.abs(rest) < 1e-5) continue;
      this.#now[axis] += rest * share;
      moving = true;
    }
    return moving;
  }

  /** Puts the three.js camera where this one is. */
  apply() {
    if (this.still) this.#jump();
    const { azimuth, elevation, distance, x, y, z } = this.#now;
    direction(azimuth, elevation);
    const { camera } = this;
    camera.position.set(x, y, z).addScaledVector(away, distance);
    camera.lookAt(x, y, z);
    camera.updateMatrixWorld();
    const near = 0.05 * this.#home.distance;
    if (camera.near === near) return;
    camera.near = near;
    camera.far = 200 * near;
    camera.updateProjectionMatrix();
  }

  /** Removes all listeners. */
  dispose() {
    this.#listeners.abort();
  }

  /** Finds the distance and the center from which the boxes fill the picture. */
  #fit() {
    if (this.#whole.isEmpty()) return;
    const home = this.#home;
    direction(home.azimuth, home.elevation);
    const tall = Math.tan((this.camera.fov * Math.PI) / 360);
    const wide = tall * this.camera.aspect;
    this.#whole.getCenter(corner);
    home.x = corner.x;
    home.y = corner.y;
    home.z = corner.z;
    // Alternates between the distance and the center of what is seen from there: perspective moves both a little.
    for (let round = 0; round < 4; round++) {
      home.distance = 0;
      this.#each(({ x, y, depth }) => {
        home.distance = Math.max(home.distance, MARGIN * Math.max(Math.abs(x) / wide, Math.abs(y) / tall) + depth);
      });
      let [left, rightmost, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
      this.#each(({ x, y, depth }) => {
        const scale = home.distance / (home.distance - depth);
        left = Math.min(left, x * scale);
        rightmost = Math.max(rightmost, x * scale);
        low = Math.min(low, y * scale);
        high = Math.max(high, y * scale);
      });
      corner.set(home.x, home.y, home.z);
      corner.addScaledVector(right, (left + rightmost) / 2).addScaledVector(up, (low + high) / 2);
      home.x = corner.x;
      home.y = corner.y;
      home.z = corner.z;
    }
    if (this.#touched) return;
    Object.assign(this.#goal, home);
    this.#changed();
  }

  /** Calls back with each corner of the boxes, seen from the home's direction and relative to its center. */
  #each(callback) {
    const { x, y, z } = this.#home;
    for (const { min, max } of this.#boxes) {
      for (let i = 0; i < 8; i++) {
        corner.set((i & 1 ? max : min).x - x, (i & 2 ? max : min).y - y, (i & 4 ? max : min).z - z);
        callback({ x: corner.dot(right), y: corner.dot(up), depth: corner.dot(away) });
      }
    }
  }

  #orbit(azimuth, elevation) {
    const goal = this.#goal;
    goal.azimuth += azimuth;
    goal.elevation = Math.min(HIGHEST, Math.max(LOWEST, goal.elevation + elevation));
    this.#moved();
  }

  #zoom(factor) {
    const { distance } = this.#home;
    this.#goal.distance = Math.min(FARTHEST * distance, Math.max(CLOSEST * distance, this.#goal.distance * factor));
    this.#moved();
  }

  /** Moves the center with the pointer, within the boxes. */
  #pan(dx, dy) {
    const goal = this.#goal;
    direction(goal.azimuth, goal.elevation);
    const scale = (2 * goal.distance * Math.tan((this.camera.fov * Math.PI) / 360)) / this.#canvas.clientHeight;
    corner.set(goal.x, goal.y, goal.z).addScaledVector(right, -dx * scale).addScaledVector(up, dy * scale);
    if (!this.#whole.isEmpty()) corner.clamp(this.#whole.min, this.#whole.max);
    goal.x = corner.x;
    goal.y = corner.y;
    goal.z = corner.z;
    this.#moved();
  }

  #jump() {
    Object.assign(this.#now, this.#goal);
  }

  #moved() {
    this.#touched = true;
    this.#changed();
  }

  #down = (event) => {
    const touch = event.pointerType === 'touch';
    this.#pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, button: event.button, touch });
    this.#canvas.setPointerCapture(event.pointerId);
  };

  #up = (event) => {
    this.#pointers.delete(event.pointerId);
  };

  #move = (event) => {
    const pointer = this.#pointers.get(event.pointerId);
    if (!pointer) return;
    const { clientX: x, clientY: y } = event;
    const other = this.#other(event.pointerId);
    if (other) this.#pinch(pointer, x, y, other);
    else this.#drag(pointer, x - pointer.x, y - pointer.y);
    pointer.x = x;
    pointer.y = y;
  };

  #drag({ button, touch }, dx, dy) {
    const secondary = !touch && button !== 0;
    if (this.teaching && !secondary) return;
    if (secondary && !this.teaching) this.#pan(dx, dy);
    else this.#orbit((-dx * 3.2) / this.#canvas.clientHeight, (dy * 3.2) / this.#canvas.clientHeight);
  }

  /** Two fingers: apart zooms, and turning orbits; together they pan, unless that moves the hand. */
  #pinch(pointer, x, y, other) {
    const [ax, ay] = [pointer.x - other.x, pointer.y - other.y];
    const [bx, by] = [x - other.x, y - other.y];
    const twist = Math.atan2(ax * by - ay * bx, ax * bx + ay * by);
    this.#zoom(Math.hypot(ax, ay) / Math.max(1, Math.hypot(bx, by)));
    this.#orbit(twist, 0);
    if (!this.teaching) this.#pan((x - pointer.x) / 2, (y - pointer.y) / 2);
  }

  #other(id) {
    for (const [key, pointer] of this.#pointers) if (key !== id && pointer.touch) return pointer;
    return null;
  }

  /** Zooms only for who means it, so that pages scroll past. */
  #wheel = (event) => {
    const meant = event.ctrlKey || document.activeElement === this.#canvas;
    if (!meant || event.defaultPrevented) return;
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    this.#zoom(Math.exp(event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0012)));
  };

  #key = (event) => {
    const action = this.teaching || event.ctrlKey || event.metaKey || event.altKey ? null : this.#actions[event.key];
    if (!action) return;
    action();
    event.preventDefault();
  };

  #actions = {
    ArrowLeft: () => this.#orbit(-0.14, 0),
    ArrowRight: () => this.#orbit(0.14, 0),
    ArrowUp: () => this.#orbit(0, 0.1),
    ArrowDown: () => this.#orbit(0, -0.1),
    '+': () => this.#zoom(0.88),
    '=': () => this.#zoom(0.88),
    '-': () => this.#zoom(1 / 0.88),
    0: () => this.reset(),
  };
}

/** Sets `away`, `right` and `up` for a camera that looks from there. */
function direction(azimuth, elevation) {
  const flat = Math.cos(elevation);
  away.set(flat * Math.sin(azimuth), -flat * Math.cos(azimuth), Math.sin(elevation));
  right.set(Math.cos(azimuth), Math.sin(azimuth), 0);
  up.crossVectors(away, right);
}
