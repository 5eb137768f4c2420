import {
  BackSide,
  BufferAttribute,
  BufferGeometry,
  CircleGeometry,
  Color,
  DirectionalLight,
  HemisphereLight,
  Mesh,
  MeshBasicMaterial,
  PlaneGeometry,
  PMREMGenerator,
  Scene,
  ShaderMaterial,
  ShadowMaterial,
  SphereGeometry,
  Sphere,
  Vector2,
} from 'three';
import { Grid } from './grid.js';

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
  /** @type {import('three').WebGLRenderTarget | null} */
  #environment = null;

  /** @param {import('./scene.js').Model} model */
  constructor(model) {
    this.#hemisphere.position.set(0, 0, 1);
    this.#backdrop.frustumCulled = false;
    this.#backdrop.renderOrder = -1;
    this.#floor.receiveShadow = true;
    this.#floor.visible = !model.floored;
    this.scene.add(this.#backdrop, this.#floor, this.#hemisphere, model.root);
    this.#grid = model.table.isEmpty() ? null : new Grid(model.table);
    if (this.#grid) this.scene.add(this.#grid);
    this.#fit(model);
  }

  /** Draws the surroundings that surfaces reflect; to be called again when all was freed. */
  reflect(renderer) {
    const generator = new PMREMGenerator(renderer);
    const room = softboxes();
    this.#environment = generator.fromScene(room, 0.03, 0.1, 20, { size: 64 });
    this.scene.environment = this.#environment.texture;
    generator.dispose();
    free(room);
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
    this.#environment?.dispose();
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
    this.#shine(this.#key, KEY, sphere, 1024, 2.2);
    this.#shine(this.#top, TOP, sphere, 512, 5);
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

/** Three soft boxes in a dim room. */
function softboxes() {
  const room = new Scene();
  const dome = new Mesh(new SphereGeometry(9, 32, 16), new MeshBasicMaterial({ side: BackSide, vertexColors: true }));
  dome.geometry.rotateX(Math.PI / 2);
  const { position } = dome.geometry.attributes;
  const colors = new Float32Array(position.count * 3);
  for (let i = 0; i < position.count; i++) colors.fill(0.85, 3 * i, 3 * i + 3);
  dome.geometry.setAttribute('color', new BufferAttribute(colors, 3));
  room.add(dome);
  room.add(softbox(2.2, [-1, -0.5, 6], 4, 4), softbox(6, [6, -1, 2.5], 2, 4), softbox(5, [-6, 2, 2], 1.5, 4));
  return room;
}

function softbox(strength, position, width, height) {
  const material = new MeshBasicMaterial({ color: new Color().setScalar(strength) });
  const box = new Mesh(new PlaneGeometry(width, height), material);
  box.position.fromArray(position);
  box.up.set(0, 0, 1);
  box.lookAt(0, 0, 0);
  return box;
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
