/** What a client says first, checked, and what the hub answers. */

import { BusbarError, checkInteger, checkText, type Transport } from '@busbar/api/transport';
import { bad, type Head, MAX_FRAME_BYTES } from '../wire/frame.ts';
import { HEARTBEAT_MS, PROTOCOL_VERSION, type Welcome } from '../wire/protocol.ts';

/** Who a client says it is, and what it wants. */
export interface Introduced {
  readonly ns: string;
  readonly agent?: string;
  readonly token?: string;
  readonly heartbeatMs: number;
}

/** Throws for a hello that is none of this version. */
export function readHello(head: Head): Introduced {
  const { version, ns = '', agent, token, heartbeatMs = HEARTBEAT_MS } = head;
  if (version !== PROTOCOL_VERSION) {
    throw new BusbarError(
      'UNSUPPORTED',
      `the hub speaks version ${PROTOCOL_VERSION} of the protocol, not ${String(version).slice(0, 20)}`,
      {
        hint: 'Update the older of the two.',
      },
    );
  }
  if (typeof ns !== 'string') throw bad('ns in hello must be a string');
  checkText(agent, 'agent', 255);
  checkText(token, 'token', 512);
  checkInteger(heartbeatMs, 'heartbeatMs', { min: 100, max: 60_000 });
  return {
    ns,
    heartbeatMs: heartbeatMs as number,
    ...(agent !== undefined && { agent: agent as string }),
    ...(token !== undefined && { token: token as string }),
  };
}

/** What the store can do, and the hub besides. */
export function toWelcome(hub: string, { capabilities, name }: Transport, maxBodyBytes: number): Head {
  const { calls: _, ...reasons } = capabilities.reasons;
  const welcome: Welcome = {
    version: PROTOCOL_VERSION,
    hub,
    store: name,
    capabilities: {
      ...capabilities,
      features: { ...capabilities.features, calls: true },
      reasons,
      maxBodyBytes,
    },
    maxFrameBytes: MAX_FRAME_BYTES,
  };
  return { ...welcome };
}
