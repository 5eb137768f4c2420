import {
  BufferAttribute,
  BufferGeometry,
  CircleGeometry,
  Color,
  DirectionalLight,
  HemisphereLight,
  Mesh,
  Scene,
  ShaderMaterial,
  ShadowMaterial,
  Sphere,
  Vector2,
} from 'three';
import { Grid } from './grid.js';
import { room } from './room.js';

const KEY = [-0.5, -0.45, 1.2]; // towards the main light: over the viewer's left shoulder
const TOP = [0, -0.02, 1]; // towards a large, soft light: its shadow lies right below things

/** Light, background and floor around a model. */
export class Studio {
  /** The three.js scene. */
  scene = new Scene();
  #hemisphere = new HemisphereLight();
  #key = new DirectionalLight();
  #top = new DirectionalLight();
  #floor = new Mesh(new CircleGeometry(1, 64), new ShadowMaterial());
  #backdrop = new Mesh(triangle(), backdropMaterial());
  #grid;

  /** @param {import('./scene.js').Model} model */
  constructor(model) {
    this.#hemisphere.position.set(0, 0, 1);
    this.scene.environment = room();
    this.#backdrop.frustumCulled = false;
    this.#backdrop.renderOrder = -1;
    this.#floor.receiveShadow = true;
    this.#floor.visible = !model.floored;
    this.scene.add(this.#backdrop, this.#floor, this.#hemisphere, model.root);
    this.#grid = model.table.isEmpty() ? null : new Grid(model.table);
    if (this.#grid) this.scene.add(this.#grid);
    this.#fit(model);
  }

  /** @param {import('./theme.js').Theme} theme */
  setTheme(theme) {
    const { middle, edge } = this.#backdrop.material.uniforms;
    middle.value.set(theme.middle);
    edge.value.set(theme.edge);
    this.#hemisphere.color.set(theme.sky);
    this.#hemisphere.groundColor.set(theme.bounce);
    this.#hemisphere.intensity = theme.fill;
    this.#key.intensity = theme.key;
    this.#top.intensity = theme.top;
    this.#grid?.setColor(theme.grid, theme.gridOpacity);
    this.#floor.material.opacity = theme.shadow;
    this.scene.environmentIntensity = theme.environment;
  }

  /**
   * Tells the backdrop how large the picture is.
   *
   * @param {number} width
   * @param {number} height
   */
  resize(width, height) {
    this.#backdrop.material.uniforms.resolution.value.set(width, height);
  }

  /** Frees the GPU's memory of all that is in the scene; what is drawn again is uploaded again. */
  free() {
    this.scene.environment.dispose();
    this.#key.dispose();
    this.#top.dispose();
    free(this.scene);
  }

  /** Puts the floor below the furniture and the whole of it into the light. */
  #fit({ furniture }) {
    const sphere = new Sphere();
    if (furniture.isEmpty()) sphere.radius = 1;
    else furniture.getBoundingSphere(sphere);
    const { center, radius } = sphere;
    this.#floor.scale.setScalar(4 * radius);
    this.#floor.position.copy(center);
    this.#floor.position.z = furniture.isEmpty() ? 0 : furniture.min.z;
    this.#shine(this.#key, KEY, sphere, 512, 1.1);
    this.#shine(this.#top, TOP, sphere, 256, 2.5);
  }

  /** Lights a sphere from a direction. */
  #shine(light, from, { center, radius }, resolution, blur) {
    light.target.position.copy(center);
    light.position.fromArray(from).setLength(3 * radius).add(center);
    light.castShadow = true;
    const { shadow } = light;
    shadow.camera.left = shadow.camera.bottom = -1.15 * radius;
    shadow.camera.right = shadow.camera.top = 1.15 * radius;
    shadow.camera.near = radius;
    shadow.camera.far = 5 * radius;
    shadow.mapSize.set(resolution, resolution);
    shadow.radius = blur;
    shadow.blurSamples = 8;
    shadow.bias = -2e-4;
    shadow.normalBias = 1e-3;
    this.scene.add(light, light.target);
  }
}

/** A triangle that covers the picture. */
function triangle() {
  const positions = new Float32Array([-1, -1, 0, 3, -1, 0, -1, 3, 0]);
  return new BufferGeometry().setAttribute('position', new BufferAttribute(positions, 3));
}

/** A radial gradient, with noise of less than a level of grey against bands. */
function backdropMaterial() {
  return new ShaderMaterial({
    uniforms: {
      middle: { value: new Color() },
      edge: { value: new Color() },
      resolution: { value: new Vector2(1, 1) },
    },
    vertexShader: 'void main() { gl_Position = vec4(position.xy, 1.0, 1.0); }',
    fragmentShader: /* glsl */ `
      uniform vec3 middle;
      uniform vec3 edge;
      uniform vec2 resolution;
      void main() {
        vec2 offset = gl_FragCoord.xy / resolution - vec2(0.5, 0.55);
        gl_FragColor = vec4(mix(middle, edge, smoothstep(0.15, 0.75, length(offset))), 1.0);
        #include <colorspace_fragment>
        float noise = fract(52.9829189 * fract(dot(gl_FragCoord.xy, vec2(0.06711056, 0.00583715))));
        gl_FragColor.rgb += (noise - 0.5) / 255.0;
      }`,
    depthTest: false,
    depthWrite: false,
    toneMapped: false,
  });
}

function free(scene) {
  scene.traverse((object) => {
    object.geometry?.dispose();
    object.material?.dispose();
  });
}
