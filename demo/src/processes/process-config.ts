/** What a process of the demonstration gets when it starts. */

/** The same for all processes of one run. */
export interface RunConfig {
  /** What to connect with. */
  readonly bus: string;
  readonly ns: string;
  /** The folder with the source files. */
  readonly root: string;
  /** The file that editors merge into. */
  readonly results: string;
  readonly leaseMs: number;
  /** How many tasks one worker handles at a time. */
  readonly concurrency: number;
  /** The whole run takes at least this long, so that a process can be killed at work. */
  readonly minRunMs: number;
  readonly workers: number;
}

/** For one process. */
export interface ProcessConfig extends RunConfig {
  /** The name of its agent. */
  readonly name: string;
}
