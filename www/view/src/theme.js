/**
 * The colors and light of a theme.
 *
 * @typedef {object} Theme
 * @property {string} middle       background behind the scene
 * @property {string} edge         background in the corners
 * @property {string} furniture    what the world's own geoms (the table) are tinted towards
 * @property {number} tint         how far, 0..1
 * @property {string} rod          what the hand hangs on
 * @property {number} shadow       opacity of the shadow on the floor
 * @property {number} environment  strength of the studio's soft light
 * @property {number} key          strength of the main light
 * @property {number} top          strength of the soft light from above
 * @property {string} sky          fill light from above
 * @property {string} bounce       fill light from below
 * @property {number} fill         strength of both
 * @property {string} grid         lines on the table
 * @property {number} gridOpacity  of them
 * @property {string} demonstrator color of the demonstrator's line
 * @property {string} success      color of the cue for success
 * @property {string} reward       color of what a learned reward favors
 * @property {string} ghost        color of the marker that is dragged
 * @property {number} accent       lightness that an accent color has at least, 0..1
 * @property {number} darkest      lightness that a body has at least, 0..1
 */

/** @type {Record<'light' | 'dark', Theme>} */
export const THEMES = {
  light: {
    middle: '#fefefd',
    edge: '#f0f0ec',
    furniture: '#f4f2ee',
    tint: 0.8,
    rod: '#d3d7dc',
    shadow: 0.22,
    environment: 0.5,
    key: 1.5,
    top: 0.85,
    sky: '#ffffff',
    bounce: '#e9e2d8',
    fill: 0.15,
    grid: '#6b5f4d',
    gridOpacity: 0.28,
    demonstrator: '#009e73',
    success: '#00b184',
    reward: '#c27c00',
    ghost: '#23272e',
    accent: 0,
    darkest: 0,
  },
  dark: {
    middle: '#20252b',
    edge: '#14171b',
    furniture: '#232a33',
    tint: 0.9,
    rod: '#8f969f',
    shadow: 0.45,
    environment: 0.62,
    key: 1.6,
    top: 0.8,
    sky: '#cfdcec',
    bounce: '#2a2622',
    fill: 0.2,
    grid: '#dfe6ee',
    gridOpacity: 0.13,
    demonstrator: '#2fc49a',
    success: '#2fc49a',
    reward: '#f2b33d',
    ghost: '#eef1f4',
    accent: 0.64,
    darkest: 0.4,
  },
};
