const KEPT = 256; // drawings remembered; more than a second of them on any usual screen
const SECOND = 1000;
const PAUSE = 250; // milliseconds without a drawing that end a run

/** Measures how often the picture is drawn and how long that takes. */
export class Meter {
  /** Drawings so far. */
  frames = 0;
  #times = new Float64Array(KEPT).fill(-Infinity);
  #costs = new Float64Array(KEPT);
  #runStart = 0;
  #runFrames = 0;
  #last = -Infinity;

  /**
   * Counts a drawing.
   *
   * @param {number} at   milliseconds
   * @param {number} cost milliseconds
   */
  add(at, cost) {
    this.#times[this.frames % KEPT] = at;
    this.#costs[this.frames % KEPT] = cost;
    this.frames += 1;
    if (at - this.#last > PAUSE) this.#restart(at);
    else this.#runFrames += 1;
    this.#last = at;
  }

  /**
   * Whether drawing has gone on for a second, without pause, at fewer than so many frames per second.
   *
   * @param {number} now milliseconds
   * @param {number} fps
   */
  slow(now, fps) {
    const time = now - this.#runStart;
    if (time < SECOND) return false;
    const rate = (this.#runFrames * SECOND) / time;
    this.#restart(now);
    return rate < fps;
  }

  /** Drawings of the last second, drawings so far, and the mean time of the former. */
  stats(now) {
    let fps = 0;
    let cost = 0;
    for (let i = 0; i < KEPT; i++) {
      if (now - this.#times[i] > SECOND) continue;
      fps += 1;
      cost += this.#costs[i];
    }
    return { fps, frames: this.frames, drawMs: fps ? cost / fps : 0 };
  }

  #restart(at) {
    this.#runStart = at;
    this.#runFrames = 0;
  }
}
