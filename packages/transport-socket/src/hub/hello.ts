/** The handshake: validates hello and makes welcome. */

import { BusbarError, checkDuration, checkText, type Transport } from '@busbar/api/transport';
import { HEARTBEAT_MS, type Header, MAX_FRAME_BYTES, protocolError } from '@busbar/wire';
import { type Hello, PROTOCOL_VERSION, type Welcome } from '../wire/protocol.ts';

/** Validates a hello. Throws UNSUPPORTED for another version, INVALID_ARGUMENT for illegal fields. */
export function decodeHello(header: Header): Hello & { readonly ns: string } {
  const { version, ns = '', agent, token, heartbeatMs = HEARTBEAT_MS } = header;
  if (version !== PROTOCOL_VERSION) {
    const given = String(version).slice(0, 20);
    throw new BusbarError('UNSUPPORTED', `the hub speaks version ${PROTOCOL_VERSION} of the protocol, not ${given}`, {
      hint: 'Update the older side.',
    });
  }
  if (typeof ns !== 'string') throw protocolError('ns in hello must be a string');
  checkText(agent, 'agent', 255);
  checkText(token, 'token', 512);
  checkDuration(heartbeatMs, 'heartbeatMs', { min: 100, max: 60_000 });
  return {
    version,
    ns,
    heartbeatMs: heartbeatMs as number,
    agent: agent as string | undefined,
    token: token as string | undefined,
  };
}

/** The header of welcome, without `hub` and `direct`. The hub adds `calls` to the features of any store. */
export function encodeWelcome(
  { capabilities, name, past }: Transport,
  maxBodyBytes: number,
): Omit<Welcome, 'hub' | 'direct'> {
  const { calls: _, ...reasons } = capabilities.reasons;
  return {
    version: PROTOCOL_VERSION,
    store: name,
    capabilities: {
      ...capabilities,
      features: { ...capabilities.features, calls: true },
      reasons,
      maxBodyBytes,
    },
    maxFrameBytes: MAX_FRAME_BYTES,
    past,
    now: Math.round(performance.now()),
  };
}
