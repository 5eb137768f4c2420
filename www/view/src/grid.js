import { Color, Mesh, PlaneGeometry, ShaderMaterial, Vector2 } from 'three';

const CELL = 0.1; // meters
const LIFT = 3e-4; // meters above the table, so that the lines are not hidden by it

/** Faint lines on a table, 10 cm apart, which fade towards its edges: a measure for size and depth. */
export class Grid extends Mesh {
  /** @param {import('three').Box3} table */
  constructor({ min, max }) {
    const extent = new Vector2((max.x - min.x) / 2, (max.y - min.y) / 2);
    super(new PlaneGeometry(2 * extent.x, 2 * extent.y), material(extent));
    this.position.set((min.x + max.x) / 2, (min.y + max.y) / 2, max.z + LIFT);
  }

  /**
   * @param {string} color
   * @param {number} opacity
   */
  setColor(color, opacity) {
    this.material.uniforms.color.value.set(color);
    this.material.uniforms.opacity.value = opacity;
  }
}

function material(extent) {
  return new ShaderMaterial({
    uniforms: {
      extent: { value: extent },
      cell: { value: CELL },
      color: { value: new Color() },
      opacity: { value: 1 },
    },
    vertexShader: /* glsl */ `
      varying vec2 place;
      void main() {
        place = position.xy;
        gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0);
      }`,
    fragmentShader: /* glsl */ `
      uniform vec2 extent;
      uniform float cell;
      uniform vec3 color;
      uniform float opacity;
      varying vec2 place;
      void main() {
        vec2 cells = place / cell;
        vec2 pixel = fwidth(cells);
        vec2 away = abs(fract(cells - 0.5) - 0.5) / pixel;
        // Where cells are small on the screen a line is a larger part of them, and is drawn more faintly.
        vec2 lines = (1.0 - min(away, 1.0)) * clamp(0.01 / pixel, 0.0, 1.0);
        float line = max(lines.x, lines.y);
        float fade = 1.0 - smoothstep(0.35, 0.95, length(place / extent));
        gl_FragColor = vec4(color, line * fade * opacity);
        #include <colorspace_fragment>
      }`,
    transparent: true,
    depthWrite: false,
    toneMapped: false,
  });
}
