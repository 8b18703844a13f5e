/** How a page connects. */

import type { CompleteOptions } from '@busbar/api/driver';
import { checkAgentName, checkCallback } from '@busbar/api/parts';
import { type BusbarError, checkDuration, checkInteger, checkOptions, invalid } from '@busbar/api/transport';

/** A token, or a function that is called for each connection. */
export type TokenSource = string | (() => string | undefined | Promise<string | undefined>) | undefined;

/** Options of {@link connect}. */
export interface ConnectOptions {
  /** Where the hub listens, such as `wss://bus.example/bus`. */
  readonly url: string;
  /** The token of this page, or a function that is called for each connection. It goes into the first frame. */
  readonly token?: TokenSource;
  /** The namespace. Default: the unnamed one. */
  readonly ns?: string | undefined;
  /**
   * The agent that the page is: it has an inbox, serves requests and is online while the page is open. Default: none; the page
   * sends without a name.
   */
  readonly agent?: string | undefined;
  /** What the agent can do, for requesters that look for it. */
  readonly capabilities?: readonly string[] | undefined;
  /** How many handlers of messages and requests run at a time, 1 to 10,000. Default 16. */
  readonly maxConcurrent?: number | undefined;
  /**
   * How long the agent counts as online after its last heartbeat, 1,000 to 3,600,000. Default 150,000: browsers run the timers
   * of a hidden page once a minute. A page that is left goes offline at once.
   */
  readonly presenceTtlMs?: number | undefined;
  /** How long the first connection may take, also while no hub listens, 100 to 600,000. Default 10,000. */
  readonly connectTimeoutMs?: number | undefined;
  /** After this silence a ping is sent; after three times as long the connection is dropped. 100 to 60,000. Default 3,000. */
  readonly heartbeatMs?: number | undefined;
  /** Gets failures that no caller waits for. Default: they are warnings of the console. */
  readonly onError?: ((error: BusbarError) => void) | undefined;
}

/** Checked options. */
export type PageSettings = CompleteOptions<ConnectOptions, 'token' | 'ns' | 'agent'>;

const KEYS = [
  ...['url', 'token', 'ns', 'agent', 'capabilities', 'maxConcurrent', 'presenceTtlMs', 'connectTimeoutMs'],
  ...['heartbeatMs', 'onError'],
];

/** Throws INVALID_ARGUMENT for an illegal option. The hub checks what is in hello. */
export function checkConnectOptions(options: ConnectOptions): PageSettings {
  checkOptions(options, KEYS, 'connect options');
  const { url, agent, onError } = options;
  if (!/^wss?:\/\//.test(String(url))) throw invalid('url must begin with ws:// or wss://', 'Pass the URL of the hub.');
  if (agent !== undefined) checkAgentName(agent);
  checkInteger(options.maxConcurrent, 'maxConcurrent', { min: 1, max: 10_000 });
  checkDuration(options.presenceTtlMs, 'presenceTtlMs', { min: 1_000, max: 3_600_000 });
  checkDuration(options.connectTimeoutMs, 'connectTimeoutMs', { min: 100, max: 600_000 });
  if (onError !== undefined) checkCallback(onError, 'onError');
  return {
    url,
    token: options.token,
    ns: options.ns,
    agent,
    capabilities: options.capabilities ?? [],
    maxConcurrent: options.maxConcurrent ?? 16,
    presenceTtlMs: options.presenceTtlMs ?? 150_000,
    connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
    heartbeatMs: options.heartbeatMs ?? 3_000,
    onError: onError ?? warn,
  };
}

function warn({ code, message }: BusbarError): void {
  // biome-ignore lint/suspicious/noConsole: a page has no other place for warnings.
  console.warn(`busbar: ${code}: ${message}`);
}
