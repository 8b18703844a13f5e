/** The part of a transport that handles of tasks use. */

import type { Transport } from '../../contract/transport.ts';

export interface TaskStore extends Pick<Transport, 'capabilities' | 'kv'> {
  readonly admin: Pick<Transport['admin'], 'browse' | 'cancel' | 'reschedule'>;
}
