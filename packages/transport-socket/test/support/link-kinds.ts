// The links that listen on ports as well as at paths.

/** One kind of link. */
export interface LinkKind {
  readonly name: string;
  /** The URL of the hub of `path`. */
  url(path: string): string;
  /** The URL of a hub that listens on a port, so that a proxy can connect to it. */
  at(port: number): string;
}

export const ws: LinkKind = { name: 'ws', url: (path) => `ws:${path}`, at: (port) => `ws://127.0.0.1:${port}/bus` };
export const zmq: LinkKind = {
  name: 'zmq',
  url: (path) => `zmq:ipc://${path}`,
  at: (port) => `zmq:tcp://127.0.0.1:${port}`,
};
