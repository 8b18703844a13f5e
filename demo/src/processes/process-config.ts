/** What a process of the demonstration is told when it is started. */

/** What all processes of one run are told. */
export interface RunBrief {
  /** What to connect with. */
  readonly bus: string;
  readonly ns: string;
  /** Where the source files are. */
  readonly root: string;
  /** The file that editors merge into. */
  readonly results: string;
  /** How long a process may hold a task without a sign of life. */
  readonly leaseMs: number;
  /** How many tasks one worker handles at a time, and how many all of them do. */
  readonly concurrency: number;
  readonly slots: number;
  /** Whether workers or the server are going to be killed. */
  readonly kills: boolean;
}

/** What one process is told. */
export interface Brief extends RunBrief {
  /** The agent that it is. */
  readonly name: string;
}
