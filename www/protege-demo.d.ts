/** What a demo shows and how. What is left out, the app decides. */
export interface Options {
  /** A race of arms (the default), an arm that the visitor teaches, or the theory on a small table. */
  kind?: 'race' | 'teach' | 'theory';
  task?: 'lab/lift' | 'lab/pick-place' | 'lab/box-close' | 'lab/assembly' | 'lab/door' | 'lab/hammer';
  /** Pretraining methods, one arm each, separated by commas: `bc,sigma-bc,post-bc`. */
  pretrain?: string;
  finetune?: 'best-of-n' | 'dsrl' | 'dppo' | 'td-mpc' | 'csil' | 'none';
  /** Demonstrations, the same for all arms. */
  demos?: number;
  /** How much of the posterior's spread PostBC adds; 1 is all of it. */
  alpha?: number;
  /** Regressors in PostBC's ensemble. */
  members?: number;
  seed?: number;
  /** Speed of what is shown; 1 is real time. */
  speed?: number;
  controls?: 'full' | 'basic' | 'none';
  /** Begin to learn at once. */
  autostart?: boolean;
  /** The folder that app.js and the files beside it are loaded from; where protege-demo.js lies, if left out. */
  base?: string;
  /** Keep the settings in the page's address, behind #. */
  hash?: boolean;
}

/** The options that can change while a demo runs; a `<protege-demo>` whose other attributes change begins another demo. */
export type Settings = Omit<Options, 'kind' | 'controls' | 'autostart' | 'base' | 'hash'>;

/** What a demo tells, by type. Lanes are arms, counted from 0. */
export interface Events {
  ready: { type: 'ready' };
  /** Figures of one lane, such as `eval/success`, at a step of practice. */
  metrics: { type: 'metrics'; lane: number; step: number; values: Record<string, number> };
  /** What a lane does, and how much of that is done. */
  phase: {
    type: 'phase'; lane: number; phase: string; done: number; total: number; updatesPerSecond: number; physicsStepsPerSecond: number;
  };
  /** The settings in the address bar's form, and whether the demo runs. */
  state: { type: 'state'; hash: string; running: boolean };
  /** What went wrong, in a sentence. */
  error: { type: 'error'; message: string };
  /** A demonstration of the visitor has succeeded; how many there are of this task now. */
  demonstration: { type: 'demonstration'; count: number };
  /** How many demonstrations of the visitor would be lost with the demo, for they are in no file. */
  unsaved: { type: 'unsaved'; count: number };
  /** Success before and after finetuning. */
  finished: { type: 'finished'; lane: number; before: number; after: number };
}

/** The latest that is known of a lane. */
export interface Lane {
  step?: number;
  values: Record<string, number>;
  phase?: string;
  done?: number;
  total?: number;
  before?: number;
  after?: number;
}

export interface Demo {
  /** The latest that the demo has told. */
  readonly state: { running: boolean; hash: string; lanes: Lane[] };
  start(): void;
  pause(): void;
  /** One step of learning, then pause. */
  step(): void;
  /** Back to the beginning, with the same settings; demonstrations of the visitor go, too. */
  reset(): void;
  set(options: Settings): void;
  /** Calls `listener` for every event of a type, or of all types (`*`); returns what ends that. */
  on<T extends keyof Events>(type: T, listener: (event: Events[T]) => void): () => void;
  on(type: '*', listener: (event: Events[keyof Events]) => void): () => void;
  /** Stops the workers and empties the element. */
  dispose(): void;
}

/** Fills an element with a demo, at once and without a poster. Rejects with a sentence for the visitor. */
export function create(element: HTMLElement, options?: Options): Promise<Demo>;

/**
 * `<protege-demo>`: its attributes are {@link Options}, and `poster`, an image to show instead of the drawing. It loads the app
 * when the visitor presses its button or, with `autostart`, when it is first seen; it pauses while it is far out of view. It
 * dispatches each event as a CustomEvent, `protege-metrics` and so on, with the event as its `detail`.
 */
export class ProtegeDemo extends HTMLElement {
  /** The running demo, once there is one. */
  readonly demo: Demo | undefined;
  /** Loads the app if need be, and starts it. */
  start(): Promise<Demo>;
}

/** What a page may post to the frame of embed.html. `start` loads the app if need be. */
export type FrameOrder =
  | { protege: 'start' | 'pause' | 'step' | 'reset' }
  | { protege: 'set'; options: Omit<Options, 'base'> };

/** What the frame posts to its page: the events, with `protege` for `type`. */
export type FrameEvent = { [T in keyof Events]: Omit<Events[T], 'type'> & { protege: T } }[keyof Events];

declare global {
  interface HTMLElementTagNameMap {
    'protege-demo': ProtegeDemo;
  }
}
