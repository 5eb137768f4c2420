const QUICK = 50; // milliseconds of a drawing that leave the processor enough to do other work
const LONGEST = 500; // milliseconds of rest, at most

/**
 * When to draw again. Where there is no GPU the processor draws, which takes what learns on it its time: after a slow drawing it is left
 * alone for as long as that took.
 */
export class Pace {
  #gl;
  #fence = null;
  #began = 0;
  #rested = 0;

  /** @param {WebGL2RenderingContext} gl */
  constructor(gl) {
    this.#gl = gl;
  }

  /**
   * Notes that a drawing was asked for.
   *
   * @param {number} now milliseconds
   */
  drawn(now) {
    if (this.#fence) this.#gl.deleteSync(this.#fence);
    this.#fence = this.#gl.fenceSync(this.#gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    this.#gl.flush();
    this.#began = now;
  }

  /**
   * Whether the last drawing is done, and long enough ago.
   *
   * @param {number} now milliseconds
   */
  ready(now) {
    if (this.#fence) {
      const gl = this.#gl;
      const done = gl.isContextLost() || gl.getSyncParameter(this.#fence, gl.SYNC_STATUS) === gl.SIGNALED;
      if (!done) return false;
      gl.deleteSync(this.#fence);
      this.#fence = null;
      const took = now - this.#began;
      this.#rested = took > QUICK ? now + Math.min(took, LONGEST) : now;
    }
    return now >= this.#rested;
  }
}
