/** Frames over Unix sockets between the processes of one host: the wire of a hub, and calls from process to process. */

export { DirectCalls, type DirectCallsOptions } from './calls/direct-calls.ts';
export { ServedAddress, ServedCalls, type ServedCallsOptions } from './calls/served-calls.ts';
export { SocketFolder } from './calls/socket-folder.ts';
export { connectionLost, protocolError } from './errors.ts';
export { makeFolder } from './files/make-folder.ts';
export {
  checkFolder,
  checkPrivateFile,
  misplaced,
  prepareFolder,
  readPrivateFile,
  socketExists,
  unsafe,
  withPrivateUmask,
  writePrivateFile,
} from './files/private-files.ts';
export { toSocketPath } from './files/socket-path.ts';
export {
  decodeFrame,
  encodeFrames,
  FRAME,
  type Frame,
  FrameReader,
  type FrameType,
  frame,
  goaway,
  type Header,
  MAX_FRAME_BYTES,
  parseHeader,
} from './frames/frame.ts';
export {
  checkForwarded,
  decodeMessage,
  encodeInput,
  encodeMessage,
  sizeOfMessage,
} from './frames/message-codec.ts';
export { CALL_CREDIT, HEARTBEAT_MS, HELLO_TIMEOUT_MS, MAX_BUFFERED_BYTES, SILENT_BEATS } from './limits.ts';
export type { ConnectionEvents, LinkConnection } from './stream/connection.ts';
export { atTurnEnd } from './stream/event-loop.ts';
export { Heartbeat } from './stream/heartbeat.ts';
export { PartialFrame } from './stream/partial-frame.ts';
export { UnixConnection } from './stream/unix-connection.ts';
export { WriteBuffer } from './stream/write-buffer.ts';
