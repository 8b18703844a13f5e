/** The gate as queues and keys go by it. */

export interface GateView {
  readonly isOpen: boolean;
  readonly isClosed: boolean;
  /** Reads the gate again: the clock of the namespace may have stood still. */
  read(): Promise<unknown>;
}
