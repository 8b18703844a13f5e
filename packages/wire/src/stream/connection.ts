/** A connection that carries frames. */

import type { BusbarError } from '@busbar/api/transport';
import type { Frame } from '../frames/frame.ts';

/**
 * One connection: ordered frames in both directions until it closes. A broken connection loses only the end of what was
 * sent, never a part in the middle.
 */
export interface LinkConnection {
  /** Sends a frame. Frames of one turn of the event loop leave together. Does nothing after the end. */
  send(frame: Frame): void;
  /** Sends the frames of this turn now: the peer works on them while this process makes the next ones. */
  flush(): void;
  /** Bytes in this process that the peer has not taken yet. */
  readonly buffered: number;
  /** Reads nothing from the peer until {@link LinkConnection.resume}. */
  pause(): void;
  resume(): void;
  /** Closes when all sent frames have left, after one second at the latest. */
  close(): void;
  /** Closes at once. */
  destroy(): void;
}

/** Events of a connection. They are called one at a time, after the connection was handed over. */
export interface ConnectionEvents {
  /** Frames arrived; all frames of one turn come together. None: a part of a frame arrived, so the peer is alive. */
  onFrames(frames: readonly Frame[]): void;
  /** The connection is closed. `error` is undefined after an orderly end by either side. Called once, as the last event. */
  onClose(error: BusbarError | undefined): void;
  /** The buffer is empty. */
  onDrain?(): void;
}
